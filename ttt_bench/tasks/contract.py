"""What a task is: everything about it, in one class. Numpy only; what computes on tensors loads torch itself.

The rest of the package never asks for a task by name. It asks what *kind* it is: what its output means
(``Task.output``), and whether there is one per pixel or one per image (``Task.extent``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Array = npt.NDArray[np.float64]
Picture = npt.NDArray[np.uint8]
"""(H, W, 3) RGB."""

Output = Literal["classes", "scalar", "direction", "probability"]
"""What the raw output means: logits of exclusive classes; a number in SI units; a vector of which only the direction
counts; the logit of a yes."""
Extent = Literal["map", "image"]
"""One prediction per pixel, or one per image."""

IGNORE = 255
"""Marks an invalid pixel in every label map (class id, metres, unit vector and edge alike)."""
UNLABELLED = -1
"""Marks an image without a label where there is one label per image: 255 is a class like any other there."""


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
    says_task: bool = False
    """Whether the title alone says which task it is of: nobody takes an mIoU for a depth."""
    accident: str = ""
    """Switch of ``--released`` under which it enters Delta instead of its task's first metric."""
    additive: bool = True
    """Whether the statistics of several batches may be added up and scored as those of one; False where each batch is
    fitted on its own."""

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
class Label:
    """The form in which a domain hands out, and the cache keeps, the label of one image."""

    dtype: str
    """A numpy dtype, e.g. ``<f2``."""
    channels: int | None
    """Of its leading axis; None: it has none."""
    extent: Extent = "map"

    def shape(self, size: tuple[int, int]) -> tuple[int, ...]:
        """Shape of one label for images of ``size`` (H, W)."""
        leading = () if self.channels is None else (self.channels,)
        return (*leading, *(size if self.extent == "map" else ()))


@dataclass(frozen=True)
class Key:
    """What the colours of a task's pictures mean."""

    text: str = ""
    ends: tuple[str, str] | None = None
    """What the lowest and the highest colour of ``paint.colour_scale`` stand for, where the colours are a scale."""


class Task(ABC):
    """One task. Knows nothing of data sets, networks and methods.

    A file with one subclass is a task; there is one instance of each, and it keeps no state. Batches of labels are
    tensors (B, *label.shape(size)): int64 for class ids, float32 otherwise.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    rank: ClassVar[int] = 100
    """Place in every list of tasks, low first; equal ones follow by name."""
    weight: ClassVar[float] = 1.0
    """Weight of its source loss (S4T's configuration for NYUD and PASCAL)."""
    channels: ClassVar[int]
    """Output channels; 0 means one per class of the pair."""
    output: ClassVar[Output]
    extent: ClassVar[Extent] = "map"
    label: ClassVar[Label]
    metrics: ClassVar[tuple[Metric, ...]]
    """The first one enters Delta."""

    @property
    def metric(self) -> Metric:
        """The metric that enters Delta."""
        return self.metrics[0]

    @property
    def ignore(self) -> int:
        """What marks a missing label."""
        return IGNORE if self.extent == "map" else UNLABELLED

    def outputs(self, num_classes: int) -> int:
        """Number of output channels for a pair with ``num_classes`` shared classes."""
        return self.channels or num_classes

    def prediction_shape(self, label: Sequence[int], channels: int) -> tuple[int, ...]:
        """Shape of predictions that a label batch of shape ``label`` can score: (B, C, H, W), or (B, C) of images."""
        size = tuple(label[-2:]) if self.extent == "map" else ()
        return (label[0], self.outputs(channels), *size)

    # --- with labels ---------------------------------------------------------------------------

    @abstractmethod
    def loss(self, prediction: Tensor, label: Tensor) -> Tensor:
        """The source loss of raw outputs, a scalar, unweighted; 0 with a graph when nothing is labelled."""

    @abstractmethod
    def ready(self, label: Tensor, channels: int) -> tuple[Tensor, ...]:
        """What ``score`` needs of a label batch, done once for all predictions that are scored against it.

        Raises:
            UserError: the label holds what is no label.
        """

    @abstractmethod
    def score(self, prediction: Tensor, *ready: Tensor) -> dict[str, Tensor]:
        """Sufficient statistics for every metric, by name, float64, additive over images; no gradient is needed."""

    def mirrored(self, label: Tensor) -> Tensor:
        """The label batch of the mirrored images (left becomes right)."""
        return label.flip(-1) if self.extent == "map" else label

    def enlarged(self, label: Tensor, scale: Tensor) -> Tensor:
        """The values of a label batch when its images are enlarged by ``scale`` (B,); the caller moves them."""
        return label

    @abstractmethod
    def made_up(self, count: int, size: tuple[int, int], classes: int, rng: torch.Generator) -> Tensor:
        """A random label batch, partly without a label, for toys."""

    # --- for readers ---------------------------------------------------------------------------

    def shown(self, output: Array) -> Array:
        """A raw output (C, ...) in the form of a label: (1, ...) class ids, (C, ...) numbers, units, probabilities."""
        return _SHOWN[self.output](output)

    def picture(self, values: Array, scale: tuple[float, float]) -> Picture | None:
        """Values in the form of a label (channels, H, W), all finite, as a picture; None: there is nothing to paint.

        Args:
            values: class ids, numbers, unit vectors or probabilities.
            scale: (low, high) of the numbers.
        """
        return None

    def words(self, values: Array, classes: Sequence[str]) -> str:
        """Values (channels,) of one image, in the form of a label, as text; "" where there is one per pixel."""
        return "" if self.extent == "map" else ", ".join(f"{value:.3g}" for value in values)

    def key(self, scale: tuple[float, float]) -> Key:
        """What the colours mean, numbers going from ``scale[0]`` to ``scale[1]``."""
        return Key()

    def collapsed(self, statistics: Mapping[str, Array]) -> tuple[int, str] | None:
        """(column, reason) of the first step whose predictions say nothing any more, though those of column 0 did.

        A matter of predictions alone: no label may decide it.

        Args:
            statistics: by name, each (batches, steps, ...); this task's may be missing.
        """
        return None

    def notes(self, statistics: Mapping[str, Array]) -> tuple[str, ...]:
        """What a reader of this task's scores has to know about the target's labels; as for ``collapsed``."""
        return ()


def _probability(logit: Array) -> Array:
    share: Array = 1.0 / (1.0 + np.exp(-np.clip(logit, -50.0, 50.0)))
    return share


def _direction(vectors: Array) -> Array:
    units: Array = vectors / np.maximum(np.linalg.norm(vectors, axis=0), 1e-12)
    return units


_SHOWN: dict[Output, Callable[[Array], Array]] = {
    "classes": lambda logits: logits.argmax(axis=0)[None].astype(np.float64),
    "scalar": lambda values: values,
    "direction": _direction,
    "probability": _probability,
}
