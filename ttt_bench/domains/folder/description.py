"""``dataset.toml``: what nobody can see from the files themselves. Every field has a usual value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from ttt_bench.domains.disk.toml import read_toml
from ttt_bench.domains.pixels.planes import Pinhole
from ttt_bench.errors import UserError, did_you_mean

FILE = "dataset.toml"
HINT = "What it may hold stands on the page docs/data.md."


@dataclass(frozen=True)
class Splits:
    """Files with one image name per line; all empty: the images in ten parts, one of them val, one test."""

    train: str = ""
    val: str = ""
    test: str = ""


@dataclass(frozen=True)
class Classes:
    """Of the class track."""

    names: tuple[str, ...] = ()
    """In the order of their ids; empty: those that are found, sorted."""
    labels: str = "labels.csv"
    """A table with the columns file, label and perhaps split; without it, folders below images/ are the classes."""


@dataclass(frozen=True)
class Semseg:
    """Pixels of semseg/."""

    classes: tuple[str, ...] = ()
    """In the order of their ids."""
    first_id: int = 0
    ignore: tuple[int, ...] = (255,)


@dataclass(frozen=True)
class Depth:
    """Pixels of depth/."""

    unit: float = 0.0
    """Metres for one unit; 0: 0.001 for 16-bit pictures, 1 for .npy files."""
    ignore: tuple[float, ...] = (0.0,)


@dataclass(frozen=True)
class Normal:
    """Pixels of normal/: 2 v / 255 - 1 is a component."""

    axes: tuple[int, ...] = ()
    """What the components are multiplied by to be x right, y up, z towards the viewer; empty: as the depth tells,
    where there is depth, else (1, 1, 1)."""


@dataclass(frozen=True)
class Camera:
    """Intrinsics of the pictures, in pixels; normals are then fitted to the depth where normal/ is missing."""

    fx: float
    fy: float
    cx: float
    cy: float

    @property
    def pinhole(self) -> Pinhole:
        """As the fit of normals takes them."""
        return Pinhole(self.fx, self.fy, self.cx, self.cy)


@dataclass(frozen=True)
class Description:
    """All of ``dataset.toml``."""

    splits: Splits = Splits()
    classes: Classes = Classes()
    semseg: Semseg = Semseg()
    depth: Depth = Depth()
    normal: Normal = Normal()
    camera: Camera | None = None


TABLES: dict[str, type] = {
    "splits": Splits, "classes": Classes, "semseg": Semseg, "depth": Depth, "normal": Normal, "camera": Camera,
}  # fmt: skip
T = TypeVar("T")


def read_description(root: Path) -> Description:
    """The description of the data set at ``root``.

    Raises:
        UserError: the file is missing, no TOML, or says something that means nothing here.
    """
    path = root / FILE
    content = read_toml(path, HINT)
    for key, value in content.items():
        if key not in TABLES:
            raise UserError(f"{path}: {key!r} means nothing.", did_you_mean(key, TABLES))
        if not isinstance(value, dict):
            raise UserError(f"{path}: {key} is no table.", f"Write [{key}] on a line of its own. {HINT}")
    made: dict[str, Any] = {key: _made(TABLES[key], value, path, key) for key, value in content.items()}
    found = Description(**made)
    if found.normal.axes and (len(found.normal.axes) != 3 or set(found.normal.axes) - {1, -1}):
        raise UserError(f"{path}: [normal] axes are three numbers, each 1 or -1.", "The usual ones are [1, 1, 1].")
    if found.depth.unit < 0:
        raise UserError(f"{path}: [depth] unit is {found.depth.unit:g}.", "It is a length in metres.")
    return found


def _made(kind: type[T], table: Mapping[str, Any], path: Path, name: str) -> T:
    known = {field.name: str(field.type) for field in fields(kind)}  # type: ignore[arg-type]
    values = {}
    for key, value in table.items():
        if key not in known:
            raise UserError(f"{path}: [{name}] has no {key!r}.", did_you_mean(key, known))
        values[key] = _value(value, known[key], f"{path}: [{name}] {key}")
    try:
        return kind(**values)
    except TypeError as error:
        raise UserError(f"{path}: [{name}] lacks one of {', '.join(known)}.", HINT) from error


def _value(value: Any, wanted: str, where: str) -> Any:
    many = wanted.startswith("tuple")
    inner = wanted[6:].partition(",")[0] if many else wanted
    types: tuple[type, ...] = {"str": (str,), "int": (int,), "float": (int, float)}[inner]
    items = value if many else [value]
    if not isinstance(items, list) or any(not isinstance(v, types) or isinstance(v, bool) for v in items):
        raise UserError(f"{where} should be {'a list of ' if many else ''}{inner}, not {value!r}.", HINT)
    return tuple(items) if many else value
