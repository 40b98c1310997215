"""The rooms of the package stand on floors, as docs/architecture.md says, and its picture shows today's imports."""

import importlib.util

import pytest
from tiny_sweep import REPOSITORY

spec = importlib.util.spec_from_file_location("architecture", REPOSITORY / "docs" / "architecture.py")
architecture = importlib.util.module_from_spec(spec)
spec.loader.exec_module(architecture)


def test_a_room_imports_from_its_own_floor_and_below():
    upward = {
        f"{upper} -> {lower}": sorted(files)
        for (upper, lower), files in architecture.imports().items()
        if architecture.floor(lower) > architecture.floor(upper)
    }
    assert not upward


def test_the_floors_are_told_apart():
    assert architecture.floor("cli") > architecture.floor("launch") > architecture.floor("plan")
    assert architecture.room("ttt_bench.errors") == "ground"
    with pytest.raises(KeyError, match="FLOORS"):
        architecture.floor("attic")


def test_the_picture_is_todays():
    assert architecture.PICTURE.read_text(encoding="utf-8") == architecture.draw(), "run: python docs/architecture.py"
