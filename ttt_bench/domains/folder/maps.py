"""The dense track of ``folder``: pictures with label maps side by side."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ttt_bench.domains.contract import SPLITS, Sample, Split
from ttt_bench.domains.disk.reader import FileDomain
from ttt_bench.domains.folder.description import FILE, Depth, Description
from ttt_bench.domains.folder.splits import in_ten, listed_splits
from ttt_bench.domains.pixels.arrays import read_npy
from ttt_bench.domains.pixels.axes import Axes, Evidence, Signs, agreement
from ttt_bench.domains.pixels.files import Framing, digest, list_files, unit_normals
from ttt_bench.domains.pixels.images import Array, read_pixels
from ttt_bench.domains.pixels.kinds import Find, Kind, ids_up_to, pixels
from ttt_bench.domains.pixels.opening import FileError, is_folder
from ttt_bench.domains.pixels.planes import Pinhole, fit_normals
from ttt_bench.domains.pixels.plausible import Limits
from ttt_bench.errors import UserError

VERSION = 2
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


def limits_of(about: Description) -> Limits:
    """What nobody's depths are, and the ids that a set of many images has."""
    semseg = about.semseg
    last = semseg.first_id + len(semseg.classes) - 1
    void = tuple(i for i in range(256) if i in semseg.ignore or i < semseg.first_id)
    return Limits(depth=(0.1, 100.0), where="metres", largest_id=last, void=void, always_void=False)


def _unknown_id(first: int, last: int, ignore: tuple[int, ...], values: Array) -> str:
    known = np.isin(values, ignore) | (values >= first)
    if not known.all():
        return f"class id {values[~known][0]} is below the first one, {first}, and not ignored"
    return ids_up_to(last)(np.where(np.isin(values, ignore), first, values))


class Maps(FileDomain):
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
        super().__init__(root, size)
        self.name, self._about = name, about
        self._maps = maps_of(root)
        self.kinds = kinds_of(about, self._maps)
        self.depth_kind, self.ids_kind, self.normals_kind = (
            kind if kind in self._maps else "" for kind in ("depth", "semseg", "normal")
        )
        self.limits = limits_of(about)
        fitted = about.camera is not None and "depth" in self._maps and "normal" not in self._maps
        self.tasks = tuple(task for task in MAPS if task in self._maps or (task == "normal" and fitted))
        self.classes = about.semseg.classes if "semseg" in self.tasks else ()
        if "semseg" in self.tasks and not self.classes:
            raise FileError(
                f"{root / FILE} does not name the classes of semseg/.", 'Add [semseg] with classes = ["wall", ...].'
            )
        self.edge_definition = EDGE_DEFINITION if "edge" in self.tasks else ""
        self._names, self._found = self._names_and_files()

    def _names_and_files(self) -> tuple[dict[Split, list[str]], dict[str, dict[str, str]]]:
        files = {
            kind: list_files(self._root / kind, SUFFIXES.get(kind, (".png", ".jpg", ".jpeg")))
            for kind in ("images", *self._maps)
        }
        names = sorted(files["images"])
        if not names:
            raise FileError(f"{self._root / 'images'} holds no pictures.", "They are PNG or JPEG files.", "missing")
        listed = listed_splits(self._root, self._about.splits)
        given = in_ten(names) if listed is None else {s: [_stem(n) for n in given] for s, given in listed.items()}
        splits = {split: self._kept(some) for split, some in given.items()}
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
        return lambda kind: self._root / kind / self._found[kind][name]

    def image_name(self, split: Split, index: int) -> str:
        """Its file's name without the ending."""
        return self._names[split][index]

    def evidence(self, content: Mapping[str, Array]) -> Evidence:
        """What one image says about the axes of its normals."""
        height, width = content["depth"].shape
        # For signs a field of view of about 60 degrees is near enough.
        guess = Pinhole(0.87 * width, 0.87 * width, width / 2, height / 2)
        camera = self._about.camera.pinhole if self._about.camera else guess
        return agreement(content["depth"], unit_normals(content["normal"], (1, 1, 1)), camera)

    @cached_property
    def axes(self) -> Axes | None:
        """As the description says, as the depth tells, or both.

        Raises:
            UserError: they contradict each other, or the depth fits no convention.
        """
        if not self.normals_kind:
            return None
        said: Signs = self._about.normal.axes or (1, 1, 1)  # type: ignore[assignment]
        if not self.depth_kind:
            return Axes(said, f"as {FILE} says" if self._about.normal.axes else "assumed, as there is no depth")
        self.usual_signs = said
        measured = self._measured()
        if self._about.normal.axes and measured.signs != said:
            raise UserError(
                f"{self._root / FILE}: [normal] axes are {list(said)}; the depth says {list(measured.signs)}: "
                f"{measured.origin}.",
                "Correct them, or leave the line out: the depth then decides.",
            )
        return measured

    def sample(self, split: Split, index: int) -> Sample:
        """Read image ``index`` of ``split``."""
        content = self.load(split, index)
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
        if self.axes is not None:
            return framing.labels(unit_normals(content["normal"], self.axes.signs))
        assert self._about.camera is not None
        return framing.labels(fit_normals(content["depth"], self._about.camera.pinhole))

    def described(self) -> dict[str, Any]:
        """The reader's version, and the description."""
        return {"folder": VERSION, "about": self._about}

    def listed(self) -> dict[str, Any]:
        """The names of each split."""
        return {"splits": {split: digest(self._names.get(split, ())) for split in SPLITS}}


def _stem(name: str) -> str:
    path = Path(name)
    return path.stem if path.suffix.lower() in (".png", ".jpg", ".jpeg") else name


def _more(count: int) -> str:
    return f" and {count} more" if count else ""
