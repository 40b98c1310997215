"""Whether a method's test-time gradient points where each task's supervised gradient does (CTA: gradient interference).

A diagnosis that sees target labels. It stands where scores are taken, outside of the adaptation: what it computes is
undone before the next update, so that the trajectory is that of the ordinary cell, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.adaptation.batchnorm import explained_norms, set_adapting, set_predicting
from ttt_bench.adaptation.protocols import run_protocol
from ttt_bench.adaptation.snapshot import restore, take
from ttt_bench.adaptation.stream import Evaluator, TargetStream
from ttt_bench.cell.run import cell_stream, make_adapter, protocol_of
from ttt_bench.errors import UserError
from ttt_bench.method import registry
from ttt_bench.networks.contract import Predictions
from ttt_bench.plan.plan import target_data
from ttt_bench.plan.work import Context, Measure
from ttt_bench.samples.opening import open_target
from ttt_bench.source.branches import load_model
from ttt_bench.tasks.supervision import task_losses

Array = npt.NDArray[np.float64]
Notify = Callable[[int, int, str], None]


def gradients(loss: Tensor, parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    """The gradient of a scalar with respect to each parameter; zeros where it does not depend on it."""
    if not loss.requires_grad:
        return [torch.zeros_like(parameter) for parameter in parameters]
    found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)]


def inner_products(vectors: Sequence[Sequence[Tensor]]) -> Tensor:
    """Inner products of vectors that are given in pieces.

    Args:
        vectors: N of them, each as the same number of tensors of any shape.

    Returns:
        (N, N), float64.
    """
    total = torch.zeros(len(vectors), len(vectors), dtype=torch.float64)
    for pieces in zip(*vectors, strict=True):
        flat = torch.stack([piece.detach().double().flatten() for piece in pieces])
        total += (flat @ flat.T).cpu()
    return total


def gram(adapter: Adapter, images: Tensor, labels: Mapping[str, Tensor]) -> Tensor:
    """Inner products of the method's own gradient and of each task's supervised one; ``adapter`` stays as it was.

    All with respect to the parameters that the method moves, in the mode in which it adapts. The method's own is the
    one that its next update on ``images`` takes: with the same random numbers.

    Args:
        adapter: between two updates.
        images: (B, 3, H, W).
        labels: of the same images, by task.

    Returns:
        (1 + T, 1 + T), float64: the method first, then the tasks in the order of the network's.

    Raises:
        UserError: the method minimises nothing.
    """
    before = take(adapter.model, adapter.optimizer, adapter.rng)
    set_adapting(adapter.method, adapter.model)
    try:
        with torch.enable_grad(), explained_norms(adapter.method.name):
            with adapter.execution.autocast(adapter.device):
                own = adapter.method.loss(adapter.model, images, adapter.rng)
            if own is None:
                raise UserError(f"{adapter.method.name} minimises nothing, so it has no gradient.", "Leave it out.")
            vectors = [gradients(own, adapter.parameters)]
            with adapter.execution.autocast(adapter.device):
                predictions = adapter.method.predict(adapter.model, images)
            losses = task_losses({task: each.float() for task, each in predictions.items()}, labels)
            vectors += [gradients(losses[task], adapter.parameters) for task in adapter.model.network.tasks]
        return inner_products(vectors)
    finally:
        restore(before, adapter.model, adapter.optimizer, adapter.rng)
        set_predicting(adapter.model)


class GradientEvaluator(Evaluator):
    """Stands where scores are taken and compares gradients instead: at the very moments of an ordinary run."""

    def __init__(self, adapter: Adapter, stream: TargetStream, labels: Evaluator) -> None:
        super().__init__([])
        self._adapter, self._stream, self._labelled = adapter, stream, labels

    def score(self, batch: int, predictions: Predictions) -> dict[str, Array]:
        """``gram`` of batch ``batch``."""
        found = gram(self._adapter, self._stream.images[batch], self._labelled.truth(batch))
        return {"gram": found.numpy()}


def measure(work: Measure, context: Context, notify: Notify) -> dict[str, Any]:
    """Inner products of gradients at every scored step of a cell, as they are stored.

    Raises:
        UserError: the method has no gradient.
    """
    cell = work.cell
    method = registry.create(cell.method, cell.options, context.extra_methods)
    adapter = make_adapter(cell, method, load_model(cell.branch, method, context.cache).to(context.device))
    samples = open_target(target_data(cell), context.roots, context.decoded)
    stream, labels = cell_stream(cell, samples, context.device)
    recording = run_protocol(
        protocol_of(cell), adapter, stream, GradientEvaluator(adapter, stream, labels),
        cell.steps, cell.eval_steps, lambda done, total: notify(done, total, "updates with gradients"),
    )  # fmt: skip
    shared = {id(parameter) for parameter in adapter.model.network.parameters()}
    return {
        "cell": cell.describe(),
        "tasks": list(adapter.model.network.tasks),
        "steps": list(cell.eval_steps),
        "apart": not any(id(parameter) in shared for parameter in adapter.parameters),
        "updated": sum(parameter.numel() for parameter in adapter.parameters),
        "collapsed_step": recording.collapsed_step,
        "grams": recording.statistics["gram"].tolist(),
    }
