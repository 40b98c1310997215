"""What an alignment does to a self-supervised encoder: its features and its use, before and after that stage (CTA).

The encoder before is the method's own, fitted up to that stage and no further: the same draws and the same images, so
it is exactly the one that the alignment began with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttt_bench.errors import UserError
from ttt_bench.measurements.catalogue import ALIGNING
from ttt_bench.measurements.numbers import linear_cka
from ttt_bench.method import registry
from ttt_bench.method.contract import Method, Model
from ttt_bench.networks.contract import Encoder, Predictions
from ttt_bench.plan.plan import source_data
from ttt_bench.plan.work import Context, Measure
from ttt_bench.samples.loading import SampleSet
from ttt_bench.samples.need import validation_data
from ttt_bench.samples.opening import open_samples
from ttt_bench.source.branches import fit, load_model
from ttt_bench.source.training import source_scores
from ttt_bench.tasks import get_task

Array = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]
Notify = Callable[[int, int, str], None]
Encode = Callable[[Tensor], Sequence[Tensor]]

SUPERVISED, BEFORE, AFTER = "supervised", "before", "after"
PROBE_STEPS, PROBE_DECAY = 100, 1e-4
IMAGES = 1000
"""Held-out images at most: similarities of more channels than images are large by chance."""


def up_to(method: Method, stage: str) -> Method:
    """``method`` with the source stages that come before ``stage``."""
    names = [each.name for each in method.source_stages]
    kind = type(method)
    shorter = type(kind.__name__, (kind,), {"source_stages": method.source_stages[: names.index(stage)]})
    return cast(Method, shorter(**{f.name: getattr(method, f.name) for f in fields(method)}))  # type: ignore[arg-type]


@torch.no_grad()
def pooled_levels(encode: Encode, samples: SampleSet, batch_size: int, device: torch.device | str) -> list[Array]:
    """(images, channels) of each level: its map's mean over positions, as the heads of images pool it."""
    found: list[list[Array]] = []
    for batch in samples.batches(batch_size):
        found.append([level.mean((2, 3)).double().cpu().numpy() for level in encode(batch.images.to(device))])
    return [np.concatenate(level) for level in zip(*found, strict=True)]


def probe_accuracy(train: Array, labels: Ids, test: Array, truth: Ids) -> float:
    """Share of images that a linear classifier of features recognises.

    Softmax regression on features standardised by those of ``train``, by L-BFGS to convergence or ``PROBE_STEPS``.

    Args:
        train: (images, d); labels: (images,) class ids, -1 where there is none.
        test: (images, d); truth: as labels.
    """
    kept, seen = labels >= 0, truth >= 0
    mean, deviation = train[kept].mean(0), train[kept].std(0) + 1e-6
    x, y = (torch.from_numpy((each - mean) / deviation) for each in (train[kept], test[seen]))
    target = torch.from_numpy(labels[kept])
    classifier = nn.Linear(x.shape[1], int(max(labels.max(), truth.max())) + 1, dtype=torch.float64)
    nn.init.zeros_(classifier.weight)
    nn.init.zeros_(classifier.bias)
    optimizer = torch.optim.LBFGS(classifier.parameters(), max_iter=PROBE_STEPS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(classifier(x), target) + PROBE_DECAY * classifier.weight.square().sum()
        loss.backward()
        return loss

    with torch.enable_grad():
        optimizer.step(closure)
    with torch.no_grad():
        right = classifier(y).argmax(1).numpy() == truth[seen]
    return float(right.mean()) if right.size else float("nan")


def measure(work: Measure, context: Context, notify: Notify) -> dict[str, Any]:
    """Similarity, scores and probes of the encoders before and after, as they are stored.

    Raises:
        UserError: the source has no validation images, or the fit diverges.
    """
    spec, options = work.cell.branch, work.cell.options
    data = source_data(spec.source)
    domain = data.open(context.roots)
    held_out = replace(validation_data(data, domain), count=min(IMAGES, domain.length("val")))
    if held_out.count < 1:
        raise UserError(f"{data.domain} has no validation images.", "This study needs a source that has.")
    training, validation = (open_samples(each, context.roots, context.decoded) for each in (data, held_out))
    method = registry.create(spec.method, options, context.extra_methods)
    earlier = up_to(method, ALIGNING)
    unaligned = replace(spec, options={**spec.options, "up to": ALIGNING})
    fit([(unaligned, earlier)], training, context.cache, context.device, notify)
    models = {
        BEFORE: load_model(unaligned, earlier, context.cache).to(context.device).eval(),
        AFTER: load_model(spec, method, context.cache).to(context.device).eval(),
    }
    network = models[AFTER].network
    encode: dict[str, Encode] = {SUPERVISED: network.features, **{k: _own(model) for k, model in models.items()}}
    size, device = spec.source.training.batch_size, context.device
    features = {name: pooled_levels(each, validation, size, device) for name, each in encode.items()}
    return {
        "source": spec.source.domain,
        "method": spec.method,
        "options": options,
        "changed": list(work.cell.changed),
        "seed": spec.source.seed,
        "training": "joint" if spec.source.joint else "shared",
        "size": list(spec.source.size),
        "split": validation.split,
        "images": len(validation),
        "similarity": {name: _similarity(features[SUPERVISED], features[name]) for name in (BEFORE, AFTER)},
        "scores": {
            SUPERVISED: source_scores(network, validation, size, device),
            **{name: source_scores(_answers(method, model), validation, size, device)
               for name, model in models.items()},
        },
        "probes": _probes(encode, features, training, validation, size, device),
    }  # fmt: skip


def _own(model: Model) -> Encode:
    """The encoder that the method trained itself."""
    encoder = next(each for each in model.aux.modules() if isinstance(each, Encoder))
    return lambda images: model.network.encode(encoder, images)


def _answers(method: Method, model: Model) -> Callable[[Tensor], Predictions]:
    return lambda images: method.predict(model, images)


def _similarity(supervised: Sequence[Array], own: Sequence[Array]) -> dict[str, Any]:
    """By level; ``strangers``: with the features of the next image, which is what no relation looks like."""
    pairs = list(zip(supervised, own, strict=True))
    last, mine = (torch.from_numpy(each[-1]) for each in (supervised, own))
    return {
        "cka": [linear_cka(one, other) for one, other in pairs],
        "strangers": [linear_cka(one, np.roll(other, 1, axis=0)) for one, other in pairs],
        "cosine": float(F.cosine_similarity(last, mine).mean()),
    }


def _probes(
    encode: Mapping[str, Encode], features: Mapping[str, Sequence[Array]], training: SampleSet,
    validation: SampleSet, batch_size: int, device: torch.device | str,
) -> dict[str, dict[str, float]]:  # fmt: skip
    """Task of one class per image -> encoder -> accuracy on held-out images, from its pooled last map."""
    tasks = [t for t in training.tasks if get_task(t).extent == "image" and get_task(t).output == "classes"]
    if not tasks:
        return {}
    own = {name: pooled_levels(each, training, batch_size, device)[-1] for name, each in encode.items()}
    found = {}
    for task in tasks:
        known, truth = (_labels(each, task, batch_size) for each in (training, validation))
        found[task] = {name: probe_accuracy(own[name], known, features[name][-1], truth) for name in encode}
    return found


def _labels(samples: SampleSet, task: str, batch_size: int) -> Ids:
    """(images,) ids, read in batches: there may be more images than fit into memory."""
    return np.concatenate([batch.labels[task].numpy() for batch in samples.batches(batch_size)])
