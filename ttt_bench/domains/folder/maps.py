"""The dense track of ``folder``: pictures with label maps side by side."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ttt_bench.domains.contract import SPLITS, Domain, Sample, Split
from ttt_bench.domains.disk.contents import hash_files, name_files
from ttt_bench.domains.disk.options import options_now
from ttt_bench.domains.folder.description import FILE, Depth, Description
from ttt_bench.domains.folder.splits import in_ten, listed_splits
from ttt_bench.domains.pixels.arrays import read_npy
from ttt_bench.domains.pixels.files import Framing, digest, list_files, unit_normals
from ttt_bench.domains.pixels.images import Array, read_pixels
from ttt_bench.domains.pixels.kinds import Find, Kind, ids_up_to, load, pixels
from ttt_bench.domains.pixels.opening import FileError, is_folder
from ttt_bench.domains.pixels.planes import fit_normals

VERSION = 1
MAPS = ("semseg", "depth", "normal", "edge")
"""Folders beside images/, which are also the tasks."""
SUFFIXES = {"depth": (".png", ".npy")}
EDGE_DEFINITION = "the data set's own lines, thinned to one pixel"


def maps_of(root: Path) -> tuple[str, ...]:
    """Which folders of labels are there."""
    return tuple(name for name in MAPS if is_folder(root / name))


def read_metres(about: Depth, path: Path) -> npt.NDArray[np.float32]:
    """(h, w) metres of a 16-bit picture or an array file, 0 = missing.

    Raises:
        FileError: the file is unreadable or no map.
    """
    array_file = path.suffix.lower() == ".npy"
    raw = np.asarray(read_npy(path) if array_file else read_pixels(path, "deep"))
    if raw.ndim != 2 or raw.dtype.kind not in "uif":
        raise FileError(f"{path} is {raw.dtype} of shape {raw.shape}, not a map of depths.", "Store (h, w) numbers.")
    unit = about.unit or (1.0 if array_file else 0.001)
    missing = np.isin(raw, about.ignore) | ~np.isfinite(raw)
    metres = np.where(missing, 0, raw.astype(np.float64) * unit).astype(np.float32)
    if metres.max(initial=0) >= 255 or metres.min(initial=0) < 0:
        worst = float(metres.max(initial=0)) if metres.min(initial=0) >= 0 else float(metres.min())
        raise FileError(
            f"{path} holds {worst:g} m; depths are between 0 and 255 m.",
            f"Say in {FILE} how long a unit is ([depth] unit = 0.001) and what to ignore.", "out of range",
        )  # fmt: skip
    return metres


def kinds_of(about: Description, maps: tuple[str, ...]) -> tuple[Kind, ...]:
    """What every image has, the image first."""
    semseg = about.semseg
    last = semseg.first_id + len(semseg.classes) - 1
    made = {
        "semseg": Kind("semseg", pixels("ids"), partial(_unknown_id, semseg.first_id, last, semseg.ignore)),
        "depth": Kind("depth", partial(read_metres, about.depth)),
        "normal": Kind("normal", pixels("vectors")),
        "edge": Kind("edge", pixels("grey")),
    }
    return (Kind("images", pixels("photo")), *(made[name] for name in maps))


def _unknown_id(first: int, last: int, ignore: tuple[int, ...], values: Array) -> str:
    known = np.isin(values, ignore) | (values >= first)
    if not known.all():
        return f"class id {values[~known][0]} is below the first one, {first}, and not ignored"
    return ids_up_to(last)(np.where(np.isin(values, ignore), first, values))


class Maps(Domain):
    """Pictures with a map for each task.

    Args:
        name: of the domain.
        root: the folder with images/ and the maps beside it.
        size: (H, W).
        about: units, ids, axes, intrinsics, splits.

    Raises:
        UserError: an image lacks a map, or the description does not fit.
    """

    def __init__(self, name: str, root: Path, size: tuple[int, int], about: Description) -> None:
        self.name, self.size = name, size
        self._root, self._about, self._options = root, about, options_now()
        self._maps = maps_of(root)
        fitted = about.camera is not None and "depth" in self._maps and "normal" not in self._maps
        self.tasks = tuple(task for task in MAPS if task in self._maps or (task == "normal" and fitted))
        self.classes = about.semseg.classes if "semseg" in self.tasks else ()
        if "semseg" in self.tasks and not self.classes:
            raise FileError(
                f"{root / FILE} does not name the classes of semseg/.", 'Add [semseg] with classes = ["wall", ...].'
            )
        self.edge_definition = EDGE_DEFINITION if "edge" in self.tasks else ""
        self._names, self._files = self._listed()

    def _listed(self) -> tuple[dict[Split, list[str]], dict[str, dict[str, str]]]:
        files = {
            kind: list_files(self._root / kind, SUFFIXES.get(kind, (".png", ".jpg", ".jpeg")))
            for kind in ("images", *self._maps)
        }
        names = sorted(files["images"])
        if not names:
            raise FileError(f"{self._root / 'images'} holds no pictures.", "They are PNG or JPEG files.", "missing")
        listed = listed_splits(self._root, self._about.splits)
        splits = in_ten(names) if listed is None else {s: [_stem(n) for n in given] for s, given in listed.items()}
        for kind, found in files.items():
            lacking = [name for given in splits.values() for name in given if name not in found]
            if lacking:
                raise FileError(
                    f"{self._root / kind} has no file for {lacking[0]!r}" + _more(len(lacking) - 1) + ".",
                    "Every image has one file of its own name in each folder; `data check` lists them.", "missing",
                )  # fmt: skip
        return splits, files

    def length(self, split: Split) -> int:
        """How many images ``split`` has."""
        return len(self._names.get(split, ()))

    def find(self, split: Split, index: int) -> Find:
        """Kind -> the file of an image."""
        name = self._names[split][index]
        return lambda kind: self._root / kind / self._files[kind][name]

    def sample(self, split: Split, index: int) -> Sample:
        """Read image ``index`` of ``split``."""
        self.check_index(split, index)
        content = load(kinds_of(self._about, self._maps), self.find(split, index))
        framing = Framing(content["images"].shape[:2], self.size)
        labels = {task: self._label(task, content, framing) for task in self.tasks}
        return Sample(framing.image(content["images"]), labels)

    def _label(self, task: str, content: dict[str, Array], framing: Framing) -> Array:
        if task == "semseg":
            ids, about = content["semseg"].astype(np.int64), self._about.semseg
            return framing.labels(np.where(np.isin(ids, about.ignore), 255, ids - about.first_id).astype(np.uint8))
        if task == "edge":
            return framing.lines(content["edge"] > 127).astype(np.float32)[None]
        if task == "depth":
            depth = content["depth"]
            return framing.labels(np.where(depth > 0, depth, np.float32(255)))[None]
        if "normal" in content:
            x, y, z = self._about.normal.axes
            return framing.labels(unit_normals(content["normal"], (x, y, z)))
        assert self._about.camera is not None
        return framing.labels(fit_normals(content["depth"], self._about.camera.pinhole))

    def content(self) -> Any:
        """The reader's version, the description, and the contents of all files by split."""
        return self._content

    @cached_property
    def _content(self) -> Any:
        hashed = (name_files if self._options.trust_names else hash_files)(self._root, list(self._paths()))
        splits = {split: digest(self._names.get(split, ())) for split in SPLITS}
        files = digest(f"{name} {said}" for name, said in sorted(hashed.items()))
        return {"folder": VERSION, "about": self._about, "splits": splits, "files": files}

    def _paths(self) -> Iterator[str]:
        for names in self._names.values():
            for name in names:
                yield from (f"{kind}/{self._files[kind][name]}" for kind in ("images", *self._maps))


def _stem(name: str) -> str:
    path = Path(name)
    return path.stem if path.suffix.lower() in (".png", ".jpg", ".jpeg") else name


def _more(count: int) -> str:
    return f" and {count} more" if count else ""
