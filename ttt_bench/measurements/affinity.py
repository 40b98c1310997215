"""Task affinity before and after adaptation against a model fine-tuned on target labels (S4T Fig. 6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.adaptation.protocols import run_protocol
from ttt_bench.adaptation.stream import Evaluator, TargetStream
from ttt_bench.cell.run import cell_stream, make_adapter, protocol_of
from ttt_bench.cell.spec import Cell
from ttt_bench.errors import UserError
from ttt_bench.measurements.finetune import FineTuning, fine_tuned, scaled
from ttt_bench.measurements.latents import image_size, slice_branch
from ttt_bench.measurements.numbers import MODELS, REFERENCE, gap
from ttt_bench.method import registry
from ttt_bench.method.contract import Method, Model
from ttt_bench.networks.contract import Predictions
from ttt_bench.plan.plan import target_data
from ttt_bench.plan.work import Context, Measure
from ttt_bench.samples.opening import open_samples
from ttt_bench.source.branches import load_model

Array = npt.NDArray[np.float64]
Notify = Callable[[int, int, str], None]


def cosines(slices: Tensor, tasks: int) -> Tensor:
    """Cosine of every two task slices, mean over pixels.

    Args:
        slices: (B, T x C, h, w), task t owning channels tC .. (t + 1)C - 1.
        tasks: T.

    Returns:
        (B, T, T), symmetric, with ones on the diagonal; a zero slice has cosine 0 with everything.
    """
    batch, channels, height, width = slices.shape
    each = slices.double().reshape(batch, tasks, channels // tasks, height * width)
    unit = F.normalize(each, dim=2, eps=1e-12)
    return torch.einsum("bicp,bjcp->bij", unit, unit) / (height * width)


@torch.no_grad()
def slices_of(model: Model, method: Method, images: Tensor) -> Tensor:
    """(B, 3, H, W) -> the task slices (B, T x C, H/4, W/4), ``model`` in eval mode."""
    return slice_branch(model, method).slices(model.network.features(images), image_size(images))


class AffinityEvaluator(Evaluator):
    """Stands where scores are taken and measures affinity instead: at the very moments of an ordinary run."""

    def __init__(self, adapter: Adapter, method: Method, stream: TargetStream) -> None:
        super().__init__([])
        self._adapter, self._method, self._stream = adapter, method, stream

    def score(self, batch: int, predictions: Predictions) -> dict[str, Array]:
        """Affinity of batch ``batch``, summed over its images (T, T); no label is involved."""
        slices = slices_of(self._adapter.model, self._method, self._stream.images[batch])
        return {"affinity": cosines(slices, len(predictions)).sum(dim=0).cpu().numpy()}


def adapted_affinity(cell: Cell, model: Model, method: Method, adapting: Method, stream: TargetStream) -> Array:
    """(T, T) over all images of ``stream``, each batch measured after ``cell.steps`` updates of ``adapting``."""
    adapter = make_adapter(cell, adapting, model)
    protocol = protocol_of(cell)
    evaluator = AffinityEvaluator(adapter, method, stream)
    recording = run_protocol(protocol, adapter, stream, evaluator, cell.steps, (cell.steps,))
    total: Array = recording.statistics["affinity"][:, 0].sum(axis=0)
    return total / _count(stream)


def plain_affinity(model: Model, method: Method, stream: TargetStream) -> Array:
    """(T, T) over all images of ``stream``, ``model`` as it is."""
    model.eval()
    tasks = len(model.network.tasks)
    sums = [cosines(slices_of(model, method, images), tasks).sum(dim=0) for images in stream.images]
    total: Array = torch.stack(sums).sum(dim=0).cpu().numpy()
    return total / _count(stream)


def _count(stream: TargetStream) -> int:
    return sum(len(images) for images in stream.images)


def measure(work: Measure, context: Context, notify: Notify) -> dict[str, Any]:
    """Affinity of the four models behind a cell of a method with task slices, as it is stored.

    Raises:
        UserError: the method has no task slices, the target has no training images, or fine-tuning diverges.
    """
    cell, device = work.cell, context.device
    target = target_data(cell)[0]
    available = target.open(context.roots).length("train")
    if available < 1:
        raise UserError(
            f"{cell.target} has no training images to fine-tune on.", "Choose a target with a training split."
        )
    settings = scaled(cell.source.training, work.iterations, available)
    tuning = FineTuning(cell.branch, cell.target_fingerprint, settings)
    training = open_samples(replace(target, split="train", count=settings.samples), context.roots, context.decoded)
    method = registry.create(cell.method, cell.options, context.extra_methods)
    samples = open_samples(target, context.roots, context.decoded)
    stream, _ = cell_stream(cell, samples, device)

    def source() -> Model:
        return load_model(cell.branch, method, context.cache).to(device)

    slice_branch(source(), method)  # refuses other methods before anything is trained
    told = fine_tuned(tuning, source(), method, training, context.cache, device, notify)
    matrices = {
        "before": plain_affinity(source(), method, stream),
        "bn": adapted_affinity(cell, source(), method, registry.create("bn"), stream),
        "after": adapted_affinity(cell, source(), method, method, stream),
        REFERENCE: plain_affinity(told, method, stream),
    }
    return {
        "cell": cell.describe(),
        "tasks": list(cell.source.tasks),
        "images": _count(stream),
        "fine_tuning": {"iterations": tuning.training.iterations, "samples": tuning.training.samples,
                        "batch_size": tuning.training.batch_size, "lr": tuning.training.lr},
        "matrices": {name: matrices[name].tolist() for name in MODELS},
        "gaps": {name: gap(matrices[name], matrices[REFERENCE]) for name in MODELS},
    }  # fmt: skip
