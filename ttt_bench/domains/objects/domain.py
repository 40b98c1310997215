"""``objects/<look>``: one piece of furniture an image; every look shows the same pieces."""

from __future__ import annotations

from typing import Any

import numpy as np

from ttt_bench.domains.contract import SPLITS, Domain, Sample, Split
from ttt_bench.domains.objects.family import CLASSES
from ttt_bench.domains.objects.stage import build_stage
from ttt_bench.domains.rooms.cast import cast
from ttt_bench.domains.rooms.domain import LENGTHS, SMALLEST
from ttt_bench.domains.rooms.looks import LOOKS, get_look
from ttt_bench.domains.rooms.paint import paint
from ttt_bench.errors import UserError

VERSION = 1
"""Raise it whenever a pixel or a label of any sample changes: it is part of the fingerprint."""
ROOT_SEED = 20507


class Objects(Domain):
    """Ray-cast pictures of ten kinds of furniture, deterministic by (split, index), as many of each kind.

    Args:
        look: one of those of the rooms.
        size: (H, W).
    """

    def __init__(self, look: str, size: tuple[int, int] = (64, 64)) -> None:
        self._look = get_look(look)
        if min(size) < SMALLEST:
            raise UserError(
                f"Images of {size[0]}x{size[1]} are too small for 'objects'.", f"Use at least {SMALLEST}x{SMALLEST}."
            )
        self.name, self.tasks, self.classes, self.size = f"objects/{look}", ("class",), CLASSES, size
        self._look_id = list(LOOKS).index(look)

    def length(self, split: Split) -> int:
        """How many samples ``split`` offers."""
        return LENGTHS[split]

    def sample(self, split: Split, index: int) -> Sample:
        """Render sample ``index``; only exactly rounded arithmetic is used, so all machines agree."""
        self.check_index(split, index)
        world = (ROOT_SEED, SPLITS.index(split), index)
        label = self._label(split, index)
        scene = build_stage(_generator(*world), label)
        image = paint(cast(scene, self.size), scene, self._look, _generator(*world, 1 + self._look_id))
        return Sample(image, {"class": np.asarray(label, np.int64)})

    def content(self) -> Any:
        """The version of the generator and the numbers of the look."""
        return {"objects": VERSION, "seed": ROOT_SEED, "look": self._look.described()}

    def _label(self, split: Split, index: int) -> int:
        """Every run of ten images holds each class once, in an order of its own."""
        group, place = divmod(index, len(CLASSES))
        return int(_generator(ROOT_SEED, 3 + SPLITS.index(split), group).permutation(len(CLASSES))[place])


def _generator(*key: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))
