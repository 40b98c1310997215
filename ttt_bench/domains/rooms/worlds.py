"""How rooms are furnished and where the camera stands: shifts of what labels are made from, which no look can bring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ttt_bench.domains.rooms import other_furniture
from ttt_bench.domains.rooms.family import CLASSES
from ttt_bench.domains.rooms.furniture import BUILDERS
from ttt_bench.domains.rooms.parts import Dice, Piece

Range = tuple[float, float]
Theme = tuple[dict[str, float], float]

THEMES: tuple[Theme, ...] = (
    ({"sofa": 3, "tv": 2.5, "table": 2, "chair": 2, "potted plant": 2.5, "bottle": 1.5}, 1.0),
    ({"bed": 4, "chair": 2, "tv": 1.5, "table": 1.5, "potted plant": 1.5, "bottle": 1}, 1.0),
    ({"refrigerator": 3.5, "sink": 3, "table": 2, "chair": 2.5, "bottle": 2.5, "potted plant": 1}, 0.88),
    ({"toilet": 4.5, "sink": 3.5, "potted plant": 2, "bottle": 2, "chair": 1.5, "refrigerator": 0.5}, 0.75),
    (dict.fromkeys(CLASSES, 1.0), 0.95),
)
"""What tends to stand together, and how large such rooms are; in the last one anything goes."""

OTHER_THEMES: tuple[Theme, ...] = (
    ({"toilet": 3, "tv": 3, "bottle": 3, "bed": 1.5, "refrigerator": 1.5, "chair": 1, "table": 0.5}, 1.0),
    ({"refrigerator": 3, "potted plant": 3, "sofa": 2, "sink": 2, "toilet": 1.5, "table": 0.5}, 0.95),
    ({"bottle": 4, "sink": 3, "bed": 2, "potted plant": 2, "sofa": 1, "chair": 0.5}, 0.85),
)
"""Company that furniture seldom keeps, and other shares of the classes."""


@dataclass(frozen=True)
class World:
    """One world. Lengths in metres."""

    height: Range = (1.15, 1.75)
    """Of the camera above the floor."""
    aim: Range = (0.35, 0.85)
    """Height of what it looks at."""
    reach: Range = (0.18, 0.40)
    """Where that lies, as a share of the room's depth from the far wall."""
    lens: Range = (0.56, 0.74)
    """``Camera.tangent``: these are fields of view of 58 to 73 degrees."""
    roll: float = 0.04
    """Largest tilt to a side."""
    themes: tuple[Theme, ...] = THEMES
    builders: tuple[Callable[[Dice], Piece], ...] = BUILDERS
    """Of the furniture, in the order of ``family.CLASSES``."""
    clutter: tuple[int, int] = (0, 0)
    """Fewest and most unlabelled things that lie about and hang in front of the furniture."""

    def described(self) -> dict[str, object]:
        """All that decides it, JSON-able."""
        return {
            **{name: value for name, value in vars(self).items() if name != "builders"},
            "builders": [f"{build.__module__.rpartition('.')[2]}.{build.__name__}" for build in self.builders],
        }


USUAL = World()
"""What every look shows."""

WORLDS: dict[str, World] = {
    "cctv": World(height=(2.05, 2.25), aim=(0.0, 0.2), reach=(0.40, 0.58), lens=(0.85, 1.05), roll=0.10),
    "crawl": World(height=(0.14, 0.28), aim=(0.9, 1.3), reach=(0.10, 0.30), lens=(0.75, 0.95), roll=0.12),
    "loft": World(themes=OTHER_THEMES, builders=other_furniture.BUILDERS),
    "clutter": World(clutter=(14, 22)),
}
"""By the name that follows ``rooms/``; seen as in the look studio."""
