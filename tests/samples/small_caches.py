"""Small caches of decoded samples to spoil."""

from pathlib import Path

from ttt_bench.domains.rooms.domain import Rooms
from ttt_bench.samples.cache import SampleCache

SIZE = (16, 16)

ROOT = Path(__file__).resolve().parents[2]


def make(root, count=8, look="studio", split="test"):
    return SampleCache(Rooms(look, SIZE), split, count, root)


def leftovers(root):
    return list((root / "samples").glob("*.tmp"))
