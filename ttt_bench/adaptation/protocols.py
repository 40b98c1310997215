"""The three protocols, and the recording of every step. "Step k" always means after k updates.

``online``: each batch is scored at steps 0..S and the weights carry on, so step 0 of batch b already follows all
updates of the batches before it. ``episodic``: the same with a reset before each batch. ``single``: the released
S4T loop: adapt on the first batch only, score the whole target at the chosen steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.adaptation.stream import Evaluator, TargetStream

Protocol = Literal["online", "episodic", "single"]
PROTOCOLS: tuple[Protocol, ...] = ("online", "episodic", "single")
Array = npt.NDArray[np.float64]
OnStep = Callable[[int, int], None]
"""Called with (updates done, updates in all)."""


@dataclass
class Recording:
    """Raw measurements of one run; NaN where a collapsed method was stopped."""

    statistics: dict[str, Array]
    loss: Array
    seconds: Array
    eval_seconds: Array
    forwards: Array
    backwards: Array
    collapsed_step: int | None = None
    collapse_reason: str = ""
    examples: dict[str, npt.NDArray[np.generic]] = field(default_factory=dict)


class Recorder:
    """Collects the measurements of one run batch by batch."""

    def __init__(self, adapted: int, scored: int, steps: int, eval_steps: Sequence[int]) -> None:
        self.eval_steps = tuple(eval_steps)
        self.adapted, self.scored, self.steps = adapted, scored, steps
        self._cells: dict[tuple[int, int], dict[str, Array]] = {}
        self._pending: list[tuple[int, int, Tensor]] = []
        self.loss = np.full((adapted, steps), np.nan)
        self.seconds = np.full((adapted, steps), np.nan)
        self.forwards = np.full((adapted, steps), np.nan)
        self.backwards = np.full((adapted, steps), np.nan)
        self.eval_seconds = np.full((scored, len(self.eval_steps)), np.nan)
        self.collapsed_step: int | None = None
        self.collapse_reason = ""

    def update(self, adapter: Adapter, batch: int, step: int, images: Tensor) -> None:
        """Run update ``step`` (0-based) on ``images`` and note its loss, time and work."""
        before = (adapter.cost.forward_images, adapter.cost.backward_images)
        start = time.perf_counter()
        loss = adapter.update(images)
        _wait(images)
        self.seconds[batch, step] = time.perf_counter() - start
        self.forwards[batch, step] = (adapter.cost.forward_images - before[0]) / images.shape[0]
        self.backwards[batch, step] = (adapter.cost.backward_images - before[1]) / images.shape[0]
        if loss is not None:
            self._pending.append((batch, step, loss))

    def evaluate(self, adapter: Adapter, evaluator: Evaluator, batch: int, column: int, images: Tensor) -> None:
        """Score ``images`` at the evaluation step of ``column``."""
        start = time.perf_counter()
        self._cells[batch, column] = evaluator.score(batch, adapter.predict(images))
        self.eval_seconds[batch, column] = time.perf_counter() - start

    def repeat(self, batch: int) -> None:
        """Use the scores of column 0 for all columns: the model never changes."""
        for column in range(1, len(self.eval_steps)):
            self._cells[batch, column] = self._cells[batch, 0]
            self.eval_seconds[batch, column] = self.eval_seconds[batch, 0]

    def settle(self) -> bool:
        """Fetch the losses noted since the last call; False when one, or a score, is no longer finite."""
        for batch, step, loss in self._pending:
            self.loss[batch, step] = value = float(loss)
            if not np.isfinite(value):
                self._collapse(step + 1, f"loss {value} at update {step + 1} of batch {batch + 1}")
        self._pending.clear()
        for (batch, column), scores in self._cells.items():
            if not all(np.isfinite(value).all() for value in scores.values()):
                step = self.eval_steps[column]
                self._collapse(step, f"non-finite predictions at step {step} of batch {batch + 1}")
        return self.collapsed_step is None

    def _collapse(self, step: int, reason: str) -> None:
        if self.collapsed_step is None or step < self.collapsed_step:
            self.collapsed_step, self.collapse_reason = step, reason

    def finish(self) -> Recording:
        """Everything as arrays (batches, steps, ...)."""
        statistics: dict[str, Array] = {}
        for (batch, column), scores in self._cells.items():
            for name, value in scores.items():
                if name not in statistics:
                    shape = (self.scored, len(self.eval_steps), *value.shape)
                    statistics[name] = np.full(shape, np.nan)
                statistics[name][batch, column] = value
        return Recording(
            statistics, self.loss, self.seconds, self.eval_seconds, self.forwards, self.backwards,
            self.collapsed_step, self.collapse_reason,
        )  # fmt: skip


def run_protocol(
    protocol: Protocol,
    adapter: Adapter,
    stream: TargetStream,
    evaluator: Evaluator,
    steps: int,
    eval_steps: Sequence[int],
    on_step: OnStep | None = None,
) -> Recording:
    """Adapt ``adapter`` over ``stream`` as ``protocol`` says and record it.

    Args:
        protocol: how data arrives and when weights are reset.
        adapter: freshly made.
        stream: target images.
        evaluator: the labels of the same images.
        steps: updates per adapted batch.
        eval_steps: the steps at which to score, ascending, within 0..steps.
        on_step: told about every update.
    """
    if not adapter.method.adapts:
        return _run_static(adapter, stream, evaluator, steps, eval_steps)
    if protocol == "single":
        return _run_single(adapter, stream, evaluator, steps, eval_steps, on_step)
    return _run_batches(protocol, adapter, stream, evaluator, steps, eval_steps, on_step)


def _run_static(
    adapter: Adapter, stream: TargetStream, evaluator: Evaluator, steps: int, eval_steps: Sequence[int]
) -> Recording:
    recorder = Recorder(len(stream), len(stream), steps, eval_steps)
    for index, images in enumerate(stream.images):
        recorder.evaluate(adapter, evaluator, index, 0, images)
        recorder.repeat(index)
    recorder.settle()
    recorder.seconds[:], recorder.forwards[:], recorder.backwards[:] = 0.0, 0.0, 0.0
    return recorder.finish()


def _run_batches(
    protocol: Protocol,
    adapter: Adapter,
    stream: TargetStream,
    evaluator: Evaluator,
    steps: int,
    eval_steps: Sequence[int],
    on_step: OnStep | None,
) -> Recording:
    recorder = Recorder(len(stream), len(stream), steps, eval_steps)
    columns = {step: column for column, step in enumerate(eval_steps)}
    for index, images in enumerate(stream.images):
        if protocol == "episodic":
            adapter.reset()
        for step in range(steps + 1):
            if step in columns:
                recorder.evaluate(adapter, evaluator, index, columns[step], images)
            if step < steps:
                recorder.update(adapter, index, step, images)
                if on_step is not None:
                    on_step(index * steps + step + 1, len(stream) * steps)
        if not recorder.settle():
            break
    return recorder.finish()


def _run_single(
    adapter: Adapter,
    stream: TargetStream,
    evaluator: Evaluator,
    steps: int,
    eval_steps: Sequence[int],
    on_step: OnStep | None,
) -> Recording:
    recorder = Recorder(1, len(stream), steps, eval_steps)
    columns = {step: column for column, step in enumerate(eval_steps)}
    for step in range(steps + 1):
        if step in columns:
            for index, images in enumerate(stream.images):
                recorder.evaluate(adapter, evaluator, index, columns[step], images)
            if not recorder.settle():
                break
        if step < steps:
            recorder.update(adapter, 0, step, stream.images[0])
            if on_step is not None:
                on_step(step + 1, steps)
    recorder.settle()
    return recorder.finish()


def _wait(images: Tensor) -> None:
    if images.is_cuda:
        torch.cuda.synchronize(images.device)
