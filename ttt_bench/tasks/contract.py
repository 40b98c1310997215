"""What a task is. Numpy only, so that the report never has to load torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ttt_bench.errors import UserError, did_you_mean
from ttt_bench.tasks import scores

Array = npt.NDArray[np.float64]

IGNORE = 255
"""Marks an invalid pixel in every label map (class id, metres, unit vector and edge alike)."""


@dataclass(frozen=True)
class Metric:
    """One number that a task is judged by, computed from stored sufficient statistics."""

    id: str
    """Names the estimator, e.g. ``depth/rmse_aligned``; never just ``depth``."""
    title: str
    unit: str
    """Unit of the displayed value."""
    higher_is_better: bool
    statistic: str
    """Which stored statistic it is computed from."""
    compute: Callable[[Array], Array]
    """(batches, steps, ...) statistics -> (steps,) values in SI units or fractions."""
    scale: float = 1.0
    """Displayed value = ``scale`` x stored value (mIoU is stored as a fraction, shown in %)."""
    digits: int = 3

    @property
    def task(self) -> str:
        """The task this metric belongs to."""
        return self.id.split("/")[0]

    @property
    def label(self) -> str:
        """Title, unit and direction, for table heads and axes."""
        unit = f" ({self.unit})" if self.unit else ""
        return f"{self.title}{unit} {'↑' if self.higher_is_better else '↓'}"

    def display(self, value: float) -> str:
        """``value`` as it stands in a table."""
        return "–" if not np.isfinite(value) else f"{self.scale * value:.{self.digits}f}"


@dataclass(frozen=True)
class Task:
    """A dense prediction task, knowing nothing of data sets and methods."""

    name: str
    title: str
    channels: int
    """Output channels; 0 means one per class of the pair."""
    weight: float
    """Weight of its source loss (S4T's configuration for NYUD and PASCAL)."""
    metrics: tuple[Metric, ...]
    """The first one enters Delta."""

    @property
    def metric(self) -> Metric:
        """The metric that enters Delta."""
        return self.metrics[0]

    def outputs(self, num_classes: int) -> int:
        """Number of output channels for a pair with ``num_classes`` shared classes."""
        return self.channels or num_classes


def _metric(
    id: str, title: str, unit: str, higher: bool, statistic: str, compute: Callable[[Array], Array],
    scale: float = 1.0, digits: int = 3,
) -> Metric:  # fmt: skip
    return Metric(id, title, unit, higher, statistic, compute, scale, digits)


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task("semseg", "Segmentation", 0, 1.0, (
            _metric("semseg/miou", "mIoU", "%", True, "semseg/confusion", scores.mean_iou, 100.0, 2),
            _metric(
                "semseg/pixel_accuracy", "Pixel acc.", "%", True, "semseg/confusion", scores.pixel_accuracy, 100.0, 2
            ),
        )),
        Task("depth", "Depth", 1, 1.0, (
            _metric("depth/rmse", "RMSE", "m", False, "depth/moments", scores.rmse),
            _metric("depth/rmse_aligned", "RMSE, aligned", "m", False, "depth/moments", scores.rmse_aligned),
        )),
        Task("normal", "Normals", 3, 10.0, (
            _metric("normal/mean_angle", "mean angle", "°", False, "normal/angles", scores.mean_angle, 1.0, 2),
            _metric("normal/within_30", "within 30°", "%", True, "normal/angles", scores.within_30, 100.0, 2),
        )),
        Task("edge", "Edges", 1, 50.0, (
            _metric("edge/rmse", "RMSE", "", False, "edge/moments", scores.rmse, 1.0, 4),
            _metric("edge/rmse_aligned", "RMSE, aligned", "", False, "edge/moments", scores.rmse_aligned, 1.0, 4),
            _metric("edge/ap", "AP", "%", True, "edge/histogram", scores.average_precision, 100.0, 2),
        )),
    )
}  # fmt: skip
"""All tasks, in the one order used everywhere: semseg, depth, normal, edge."""


def get_task(name: str) -> Task:
    """Look a task up by name.

    Raises:
        UserError: there is no such task.
    """
    if name not in TASKS:
        raise UserError(f"Unknown task {name!r}.", did_you_mean(name, TASKS))
    return TASKS[name]


def metric_by_id(id: str) -> Metric:
    """Look a metric up by its id.

    Raises:
        UserError: there is no such metric.
    """
    known = {metric.id: metric for task in TASKS.values() for metric in task.metrics}
    if id not in known:
        raise UserError(f"Unknown metric {id!r}.", did_you_mean(id, known))
    return known[id]


def parse_tasks(names: str) -> tuple[str, ...]:
    """``"edge,semseg"`` -> ``("semseg", "edge")``: valid, without repeats, in the fixed order.

    Raises:
        UserError: a name is unknown or none is given.
    """
    wanted = {get_task(name.strip()).name for name in names.split(",") if name.strip()}
    if not wanted:
        raise UserError("--tasks is empty.", "Valid: " + ", ".join(TASKS) + ".")
    return tuple(name for name in TASKS if name in wanted)
