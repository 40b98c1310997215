"""``rooms/<look>``: a procedural domain with exact labels; every look shows the same rooms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ttt_bench.domains.contract import SPLITS, Domain, Sample, Split
from ttt_bench.domains.pixels.planes import Pinhole
from ttt_bench.domains.rooms.cast import cast
from ttt_bench.domains.rooms.family import CLASSES
from ttt_bench.domains.rooms.labels import EDGE_DEFINITION, make_labels
from ttt_bench.domains.rooms.looks import LOOKS, get_look
from ttt_bench.domains.rooms.paint import paint
from ttt_bench.domains.rooms.scene import build_scene
from ttt_bench.domains.rooms.worlds import USUAL, WORLDS
from ttt_bench.errors import UserError

VERSION = 1
"""Raise it whenever a pixel or a label of any sample changes: it is part of the fingerprint."""
ROOT_SEED = 20251
LENGTHS: dict[Split, int] = {"train": 100_000, "val": 10_000, "test": 10_000}
SMALLEST = 16
TANGENT = 0.65
"""Of half the usual field of view: see ``scene``."""


class Rooms(Domain):
    """Ray-cast rooms with ten kinds of furniture, deterministic by (split, index).

    Labels do not depend on the look, so a pair of looks differs in appearance only; a world (``worlds``) has other
    rooms or another camera, in the look studio. Walls, floor, ceiling,
    doors, windows, rugs, lamps, cupboards and pictures are unlabelled (255), as in the paper.
    """

    edge_definition = EDGE_DEFINITION

    def __init__(self, look: str, size: tuple[int, int] = (64, 64)) -> None:
        self._world = WORLDS.get(look, USUAL)
        shown = "studio" if look in WORLDS else look
        self._look = get_look(shown)
        if min(size) < SMALLEST:
            raise UserError(
                f"Images of {size[0]}x{size[1]} are too small for 'rooms'.",
                f"Use at least {SMALLEST}x{SMALLEST}.",
            )
        self.name = f"rooms/{look}"
        self.tasks = ("semseg", "depth", "normal", "edge")
        self.classes = CLASSES
        self.size = size
        self._look_id = list(LOOKS).index(shown)

    def length(self, split: Split) -> int:
        """How many samples ``split`` offers."""
        return LENGTHS[split]

    def sample(self, split: Split, index: int) -> Sample:
        """Render sample ``index``; only exactly rounded arithmetic is used, so all machines agree."""
        self.check_index(split, index)
        world = (ROOT_SEED, SPLITS.index(split), index)
        scene = build_scene(_generator(*world), self._world)
        frame = cast(scene, self.size)
        image = paint(frame, scene, self._look, _generator(*world, 1 + self._look_id))
        return Sample(image, make_labels(frame, scene.camera))

    def scene(self, split: Split, index: int) -> str:
        """What kind of room it is: living room, bedroom, kitchen, bathroom or anything."""
        self.check_index(split, index)
        return str(build_scene(_generator(ROOT_SEED, SPLITS.index(split), index), self._world).theme)

    def camera(self) -> Pinhole:
        """The middle of what the rooms are seen with: their fields of view differ by 14 % either way."""
        height, width = self.size
        focal = 0.5 * math.sqrt(height * width) / TANGENT
        return Pinhole(focal, focal, width / 2 - 0.5, height / 2 - 0.5)

    def content(self) -> Any:
        """The version of the generator and the numbers of the look, and of a world that is not the usual one."""
        said = {"rooms": VERSION, "seed": ROOT_SEED, "look": self._look.described(), "edge": EDGE_DEFINITION}
        return said if self._world is USUAL else {**said, "world": self._world.described()}


def _generator(*key: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))
