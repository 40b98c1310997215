"""Building the NYUD-v2 package from plain labelled frames or from the official .mat file, with normals and edges."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from ttt_bench.domains.disk.listing import read_lists
from ttt_bench.domains.nyudv2.frames import CAMERA, CROP, FOLDERS, GAP_PIXELS, NYUDv2, fill_gaps, find_edges
from ttt_bench.domains.nyudv2.mat import MatFile
from ttt_bench.domains.pixels.images import Array
from ttt_bench.domains.pixels.kinds import load
from ttt_bench.domains.pixels.opening import exists, is_file, is_folder
from ttt_bench.domains.pixels.planes import Pinhole, fit_normals
from ttt_bench.errors import UserError
from ttt_bench.files import read_json, write_atomically, write_json, write_text

VERSION = 1
SPLITS = ("train", "val")
Progress = Callable[[int, int], None]
"""Called with (frames done, frames in all)."""


@dataclass(frozen=True)
class Prepared:
    """What ``prepare`` did."""

    written: int
    kept: int
    """Frames that were already there."""


class Frames:
    """Plain labelled frames of half size: image/, depth/, label40/ and splits/."""

    scale = 1

    def __init__(self, root: Path) -> None:
        self._root = root
        listed = read_lists(root, "splits", FOLDERS)
        if listed.problems:
            raise listed.problems[0]
        self.names, self._files = listed.names, listed.files

    def read(self, name: str) -> tuple[Array, Array, Array]:
        """Image (240, 320, 3), metres (240, 320) and ids 0..40 (240, 320) of a frame."""
        frame = load(NYUDv2.kinds, lambda kind: self._root / self._files[kind][name])
        return frame["image"], frame["depth"], frame["label40"]

    def close(self) -> None:
        """Nothing is held open."""


def prepare(source: Path, target: Path, progress: Progress | None = None) -> Prepared:
    """Write the package layout; every file appears whole or not at all, and finished frames are not done again.

    Normals are fitted to the depth and written in the frame x right, y up, z towards the viewer; edges are those of
    the plain frames. From half-size frames the package has 212x279 pixels, from the .mat file its usual 425x560.

    Args:
        source: a folder of plain labelled frames, or nyu_depth_v2_labeled.mat.
        target: an empty folder, or one where the same work was begun.
        progress: told after each frame.

    Raises:
        UserError: the source is incomplete, the target holds something else, or the disk is full.
    """
    with closing(MatFile(source) if is_file(source) else Frames(source)) as frames:
        return _prepare(frames, target, progress)


def _prepare(frames: Frames | MatFile, target: Path, progress: Progress | None) -> Prepared:
    names = [name for split in SPLITS for name in frames.names[split]]
    _claim(target, {"prepared": VERSION, "scale": frames.scale, "names": frames.names})
    written = 0
    for position, name in enumerate(names):
        files = _files(target, name)
        if not all(exists(path) for path in files.values()):
            for kind, content in _derive(*frames.read(name), frames.scale).items():
                _write(files[kind], content)
            written += 1
        if progress is not None:
            progress(position + 1, len(names))
    for split in SPLITS:  # last: without its lists, an unfinished package is not taken for a whole one
        write_text(target / "gt_sets" / f"{split}.txt", "\n".join(frames.names[split]) + "\n")
    return Prepared(written, len(names) - written)


def _claim(target: Path, about: dict[str, Any]) -> None:
    path = target / "prepared.json"
    if exists(path):
        if read_json(path) != about:
            raise UserError(f"{target} was prepared from something else.", "Choose an empty folder.")
    elif exists(target) and (not is_folder(target) or any(target.iterdir())):
        raise UserError(f"{target} is not empty.", "Choose an empty folder; it becomes the package.")
    else:
        write_json(path, about)


def _files(target: Path, name: str) -> dict[str, Path]:
    return {
        "images": target / f"images/{name}.png", "segmentation": target / f"segmentation/{name}.png",
        "depth": target / f"depth/{name}.npy", "normals": target / f"normals/{name}.png",
        "edge": target / f"edge/{name}.png",
    }  # fmt: skip


def _derive(image: Array, depth: Array, ids: Array, scale: int) -> dict[str, Array]:
    """Everything that one frame has in the package, cropped; ``scale`` 2 is the full 480x640."""
    camera = Pinhole(*(value * scale for value in CAMERA))
    normals = fit_normals(depth, camera, radius=6 * scale, step=2 * scale)
    edges = find_edges(depth, fill_gaps(ids, GAP_PIXELS * scale))
    # The usual crop is 45:470, 41:601 of 480x640; at half size it is taken inwards, so that no white border remains.
    crop = CROP if scale == 1 else (slice(45, 470), slice(41, 601))
    # Grey decodes to no direction at all, which readers know for a missing normal.
    pixels = np.where(normals == 255, 128, np.rint((normals + 1) * 127.5))
    return {
        "images": image[crop], "segmentation": ids[crop].astype(np.uint8), "depth": depth[crop].astype(np.float32),
        "normals": np.moveaxis(pixels, 0, -1)[crop].astype(np.uint8), "edge": (edges[crop] * 255).astype(np.uint8),
    }  # fmt: skip


def _write(path: Path, content: Array) -> None:
    from PIL import Image

    def write(file: IO[bytes]) -> None:
        if path.suffix == ".npy":
            np.save(file, content)
        else:
            Image.fromarray(content).save(file, "PNG")

    write_atomically(path, write)
