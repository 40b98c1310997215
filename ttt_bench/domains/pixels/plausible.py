"""Whether labels can be what they are taken for: a typical depth of rooms, class ids that start where they should."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ttt_bench.domains.pixels.images import Array

SCALES = (1000, 10, 6, 5, 4, 2)
"""By which files of depth are usually off, either way: millimetres, tenths, 1/6000 and 1/5000 m, ..."""
MANY_IMAGES = 50
"""From so many images on, the shares of classes are those of a data set."""
FEW_IMAGES = 4
"""So many images of rooms always show classes from all over the list."""
FAR = 0.6
"""Half the sum of differences of shares beyond which two sets of labels cannot be the same classes."""


@dataclass(frozen=True)
class Limits:
    """What labels of one data set can be; empty where nothing is known."""

    depth: tuple[float, float] | None = None
    """Typical metres (the median over images of their medians): at least and at most."""
    usual_depth: float = 2.6
    where: str = "indoor metres"
    """What the depths are thought to be, in words."""
    largest_id: int = 0
    """The last class id."""
    void: tuple[int, ...] = ()
    """Ids of pixels without a class."""
    always_void: bool = True
    """Whether every set has pixels without a class."""
    shares: tuple[float, ...] = ()
    """Usual shares of the ids from 0 on, where they were counted."""
    others: tuple[int, ...] = ()
    """Last ids of other label sets of the same images."""
    short: int = 0
    """A set whose last id is at most so much below ``largest_id`` counts from 0, however small the set is."""


@dataclass
class Tally:
    """Depths and class ids of the images seen so far."""

    limits: Limits
    medians: list[float] = field(default_factory=list)
    counts: Array = field(default_factory=lambda: np.zeros(256, np.int64))
    images: int = 0

    def add(self, depth: Array | None, ids: Array | None) -> None:
        """Count one image: (h, w) metres with 0 = missing, (h, w) file ids."""
        if depth is not None and (depth > 0).any():
            self.medians.append(float(np.median(depth[depth > 0])))
        if ids is not None and ids.max(initial=0) < 256:
            self.counts += np.bincount(ids.astype(np.int64).ravel(), minlength=256)[:256]
            self.images += 1

    def doubts(self) -> tuple[str, ...]:
        """What cannot be right, in words."""
        return tuple(text for text in (self._depth(), self._ids()) if text)

    def _depth(self) -> str:
        if self.limits.depth is None or not self.medians:
            return ""
        typical = float(np.median(self.medians))
        low, high = self.limits.depth
        if low <= typical <= high:
            return ""
        factor = max(typical / self.limits.usual_depth, self.limits.usual_depth / typical)
        near = sorted(s for s in SCALES if abs(math.log(s / factor)) < math.log(2.2)) or [round(factor)]
        names = " or ".join(map(str, near))
        how = f"divide by {names}" if typical > high else f"multiply by {names}"
        return (
            f"a typical depth of {typical:.3g} m cannot be {self.limits.where} ({low:g} to {high:g} m are usual): "
            f"the likely scale is off by {names} ({how})"
        )

    def _ids(self) -> str:
        present = np.flatnonzero(self.counts)
        present = present[(present <= self.limits.largest_id) | np.isin(present, self.limits.void)]
        classes = [int(i) for i in present if i not in self.limits.void]
        if not self.images or not self.limits.largest_id or not classes:
            return ""
        top, last = max(classes), self.limits.largest_id
        void = ", ".join(map(str, self.limits.void))
        hint = f"are the ids counted from 0? Classes go from {_first(self.limits)} to {last}, void is {void}"
        if self.limits.always_void and self.images > 1 and not any(int(i) in self.limits.void for i in present):
            return f"no pixel of {self.images} images is void ({void}); {hint}"
        short = max(self.limits.short, int(self.images >= MANY_IMAGES))
        if self.images > 1 and last - short <= top < last:
            return f"class ids run from 0 to {top}, and none is {last}; {hint}"
        if top in self.limits.others or (self.images >= FEW_IMAGES and top <= max(self.limits.others, default=-1)):
            return (
                f"no class id is above {top}: these look like labels of {max(self.limits.others)} classes, not {last}"
            )
        return self._shares()

    def _shares(self) -> str:
        if self.images < MANY_IMAGES or not self.limits.shares:
            return ""
        own = self._normal(self.counts[: len(self.limits.shares)])
        distance = float(np.abs(own - self._normal(np.array(self.limits.shares))).sum() / 2)
        if distance <= FAR:
            return ""
        return f"the shares of the classes are far from this data set's ({distance:.0%} differ): another numbering?"

    def _normal(self, counts: Sequence[float] | Array) -> Array:
        shares = np.array(counts, np.float64)
        shares[[i for i in self.limits.void if i < len(shares)]] = 0
        return shares / max(float(shares.sum()), 1e-12)


def _first(limits: Limits) -> int:
    return next(i for i in range(256) if i not in limits.void)
