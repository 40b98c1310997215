"""How much of the TBS's supervised loss is retained under a mask (S4T Fig. 7)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from ttt_bench.errors import UserError
from ttt_bench.measurements.latents import image_size, slice_branch, slice_method
from ttt_bench.measurements.numbers import TOTAL
from ttt_bench.method import registry
from ttt_bench.method.contract import Method, Model
from ttt_bench.plan.plan import source_data
from ttt_bench.plan.work import Context, Measure
from ttt_bench.samples.loading import SampleSet
from ttt_bench.samples.need import validation_data
from ttt_bench.samples.opening import open_samples
from ttt_bench.source.branches import load_model
from ttt_bench.source.loop import hash_seed
from ttt_bench.tasks.supervision import task_losses, weighted_sum

Notify = Callable[[int, int, str], None]

RATIOS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
NOISE_SEEDS = (0, 1, 2)


@torch.no_grad()
def tbs_losses(
    model: Model,
    method: Method,
    samples: SampleSet,
    ratio: float,
    noise_seed: int,
    batch_size: int,
    strangers: bool = False,
) -> dict[str, float]:
    """Supervised TBS loss of every task and their weighted total over ``samples``, in eval mode.

    Args:
        model: the source model with its trained branch.
        method: decides how masks are drawn.
        samples: labelled images.
        ratio: the share that is hidden.
        noise_seed: of the masks; ratios with the same seed share their noise.
        batch_size: images at a time; a batch's loss counts by its images.
        strangers: give the TBS the latents of the next image in the batch, which say nothing about this one.
    """
    model.eval()
    branch, masked = slice_branch(model, method), slice_method(replace(method, mask_ratio=ratio))  # type: ignore[type-var]
    device = next(model.parameters()).device
    sums: dict[str, float] = {}
    for first, read in zip(range(0, len(samples), batch_size), samples.batches(batch_size), strict=True):
        batch = read.to(device)
        size = image_size(batch.images)
        mask = masked.draw_mask(model, batch.images, torch.Generator().manual_seed(hash_seed(noise_seed, 7, first)))
        slices = branch.slices(model.network.features(batch.images), size)
        if strangers:
            slices = slices.roll(1, dims=0)
        losses = task_losses(branch.reconstruct(slices, mask, masked.square(size), size), batch.labels)
        for name, loss in {**losses, TOTAL: weighted_sum(losses)}.items():
            sums[name] = sums.get(name, 0.0) + float(loss) * len(batch)
    return {name: value / len(samples) for name, value in sums.items()}


def measure(work: Measure, context: Context, notify: Notify) -> dict[str, Any]:
    """Losses of a trained branch at every ratio and noise seed on held-out source images, as they are stored.

    Raises:
        UserError: the method has no TBS that predicts tasks, or the source has no validation images.
    """
    spec, options = work.cell.branch, work.cell.options
    data = source_data(spec.source)
    held_out = validation_data(data, data.open(context.roots))
    if held_out.count < 1:
        raise UserError(f"{data.domain} has no validation images.", "This study needs a source that has.")
    validation = open_samples(held_out, context.roots, context.decoded)
    method = registry.create(spec.method, options, context.extra_methods)
    trained_ratio = slice_method(method).mask_ratio
    model = load_model(spec, method, context.cache).to(context.device)
    losses: dict[str, list[list[float]]] = {}
    for done, ratio in enumerate(RATIOS, start=1):
        found = [tbs_losses(model, method, validation, ratio, seed, spec.source.training.batch_size)
                 for seed in NOISE_SEEDS]  # fmt: skip
        for name in found[0]:
            losses.setdefault(name, []).append([each[name] for each in found])
        notify(done, len(RATIOS), "mask ratios")
    return {
        "source": spec.source.domain,
        "method": spec.method,
        "options": options,
        "seed": spec.source.seed,
        "training": "joint" if spec.source.joint else "shared",
        "size": list(spec.source.size),
        "split": validation.split,
        "images": len(validation),
        "trained_ratio": trained_ratio,
        "ratios": list(RATIOS),
        "noise_seeds": list(NOISE_SEEDS),
        "losses": losses,
        "strangers": tbs_losses(
            model, method, validation, 0.0, NOISE_SEEDS[0], spec.source.training.batch_size, strangers=True
        ),
    }
