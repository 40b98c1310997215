"""What is measured at every step of a run, collected batch by batch."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.adaptation.signals import Signals
from ttt_bench.adaptation.stream import Evaluator
from ttt_bench.errors import UserError
from ttt_bench.metrics.signals import PREFIX
from ttt_bench.networks.contract import Predictions

Array = npt.NDArray[np.float64]


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
    last: tuple[int, Predictions] | None = None
    """The batch scored last, and what was predicted for it; None for a run resumed after that."""


class Recorder:
    """Collects the measurements of one run batch by batch."""

    def __init__(
        self, adapted: int, scored: int, steps: int, eval_steps: Sequence[int], signals: Signals | None = None
    ) -> None:
        self.eval_steps = tuple(eval_steps)
        self.signals = signals or Signals()
        self.adapted, self.scored, self.steps = adapted, scored, steps
        self.statistics: dict[str, Array] = {}
        self._unsettled: list[tuple[int, int]] = []
        self._pending: list[tuple[int, int, Tensor]] = []
        self.loss = np.full((adapted, steps), np.nan)
        self.seconds = np.full((adapted, steps), np.nan)
        self.forwards = np.full((adapted, steps), np.nan)
        self.backwards = np.full((adapted, steps), np.nan)
        self.eval_seconds = np.full((scored, len(self.eval_steps)), np.nan)
        self.collapsed_step: int | None = None
        self.collapse_reason = ""
        self.last: tuple[int, Predictions] | None = None

    def update(self, adapter: Adapter, batch: int, step: int, images: Tensor) -> None:
        """Run update ``step`` (0-based) on ``images`` and note its loss, time and work."""
        before = (adapter.cost.forward_pixels, adapter.cost.backward_pixels)
        start = time.perf_counter()
        loss = adapter.update(images)
        _wait(images)
        self.seconds[batch, step] = time.perf_counter() - start
        pixels = images.shape[0] * images.shape[-2] * images.shape[-1]
        self.forwards[batch, step] = (adapter.cost.forward_pixels - before[0]) / pixels
        self.backwards[batch, step] = (adapter.cost.backward_pixels - before[1]) / pixels
        if loss is not None:
            self._pending.append((batch, step, loss))

    def evaluate(self, adapter: Adapter, evaluator: Evaluator, batch: int, column: int, images: Tensor) -> None:
        """Score ``images`` at the evaluation step of ``column``."""
        start = time.perf_counter()
        predictions = adapter.predict(images)
        check_predictions(adapter, predictions, images)
        self.last = (batch, predictions)
        scores = evaluator.score(batch, predictions)
        for name, value in (scores | self.signals.of(adapter, batch, images, predictions)).items():
            if name not in self.statistics:
                self.statistics[name] = np.full((self.scored, len(self.eval_steps), *value.shape), np.nan)
            self.statistics[name][batch, column] = value
        self.eval_seconds[batch, column] = time.perf_counter() - start
        self._unsettled.append((batch, column))

    def repeat(self, batch: int) -> None:
        """Use the scores of column 0 for all columns: the model never changes."""
        for values in (*self.statistics.values(), self.eval_seconds):
            values[batch, 1:] = values[batch, 0]

    def settle(self) -> bool:
        """Fetch the losses noted since the last call; False when one, or a score, is no longer finite."""
        for batch, step, loss in self._pending:
            self.loss[batch, step] = value = float(loss)
            if not np.isfinite(value):
                self._collapse(step + 1, f"loss {value} at update {step + 1} of batch {batch + 1}")
        self._pending.clear()
        for batch, column in self._unsettled:
            scores = (values for name, values in self.statistics.items() if not name.startswith(PREFIX))
            if not all(np.isfinite(values[batch, column]).all() for values in scores):
                step = self.eval_steps[column]
                self._collapse(step, f"non-finite predictions at step {step} of batch {batch + 1}")
        self._unsettled.clear()
        return self.collapsed_step is None

    def _collapse(self, step: int, reason: str) -> None:
        if self.collapsed_step is None or step < self.collapsed_step:
            self.collapsed_step, self.collapse_reason = step, reason

    def finish(self) -> Recording:
        """Everything as arrays (batches, steps, ...)."""
        return Recording(
            self.statistics, self.loss, self.seconds, self.eval_seconds, self.forwards, self.backwards,
            self.collapsed_step, self.collapse_reason, self.last,
        )  # fmt: skip

    def state(self) -> dict[str, Any]:
        """Everything recorded so far, as tensors and plain values that ``restore`` takes back."""
        self.settle()
        return {
            "arrays": {name: torch.from_numpy(getattr(self, name)) for name in _ARRAYS},
            "statistics": {name: torch.from_numpy(values) for name, values in self.statistics.items()},
            "collapsed_step": self.collapsed_step,
            "collapse_reason": self.collapse_reason,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what ``state`` handed out, possibly in another process."""
        for name in _ARRAYS:
            getattr(self, name)[...] = state["arrays"][name].numpy()
        self.statistics = {name: values.numpy().copy() for name, values in state["statistics"].items()}
        self.collapsed_step = state["collapsed_step"]
        self.collapse_reason = state["collapse_reason"]


_ARRAYS = ("loss", "seconds", "forwards", "backwards", "eval_seconds")


def check_predictions(adapter: Adapter, predictions: Any, images: Tensor) -> None:
    """Require one prediction for each task of the network, of the network's own shape; whether finite is a result.

    Raises:
        UserError: tasks are missing, unknown or of another shape; every table would lack them for all methods.
    """
    name, outputs = adapter.method.name, getattr(adapter.model.network, "outputs", None)
    if not isinstance(outputs, dict):
        return  # a stand-in network: its tasks are known to nobody but itself
    given = sorted(predictions) if isinstance(predictions, Mapping) else []
    if set(given) != set(outputs):
        raise UserError(
            f"{name} predicts {', '.join(given) or 'nothing'}; the network's tasks are {', '.join(outputs)}.",
            "predict must return one tensor for each task of the network.",
        )
    per_image = getattr(adapter.model.network, "per_image", ())
    for task, channels in outputs.items():
        size = () if task in per_image else images.shape[-2:]
        shape = (images.shape[0], channels, *size)
        found = predictions[task]
        if not isinstance(found, Tensor) or tuple(found.shape) != shape or not found.is_floating_point():
            what = f"{tuple(found.shape)} {found.dtype}" if isinstance(found, Tensor) else type(found).__name__
            raise UserError(f"{name} predicts {task} as {what}; it must be {shape}, floating-point.")


def _wait(images: Tensor) -> None:
    if images.is_cuda:
        torch.cuda.synchronize(images.device)
