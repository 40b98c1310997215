"""Recognising how a data set lies on disk, and opening it. Touches folder names only; numpy at most."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ttt_bench.domains.contract import Domain
from ttt_bench.domains.taskonomy.scenes import find_base
from ttt_bench.errors import UserError


@dataclass(frozen=True)
class Layout:
    """One way in which one data set lies on disk."""

    name: str
    domain: str
    """The domain that reads it."""
    holds: str
    """Its folders, in words."""
    fits: Callable[[Path], bool]
    open: Callable[[Path, tuple[int, int]], Domain]


@dataclass(frozen=True)
class Found:
    """A data set on disk."""

    layout: Layout
    root: Path


def _has(folder: Path, *names: str) -> bool:
    return all((folder / name).is_dir() for name in names)


def _open_frames(root: Path, size: tuple[int, int]) -> Domain:
    from ttt_bench.domains.nyudv2.frames import NYUDv2

    return NYUDv2(root, size)


def _open_package(root: Path, size: tuple[int, int]) -> Domain:
    from ttt_bench.domains.nyudv2.package import NYUDv2Package

    return NYUDv2Package(root, size)


def _open_pascal(root: Path, size: tuple[int, int]) -> Domain:
    from ttt_bench.domains.pascal.reader import Pascal

    return Pascal(root, size)


def _open_taskonomy(root: Path, size: tuple[int, int]) -> Domain:
    from ttt_bench.domains.taskonomy.reader import Taskonomy

    return Taskonomy(root, size)


LAYOUTS = (
    Layout(
        "nyudv2-package", "nyudv2", "images/, segmentation/, depth/, normals/, edge/ and gt_sets/",
        lambda root: _has(root, "gt_sets"), _open_package,
    ),
    Layout(
        "nyudv2-frames", "nyudv2", "image/, depth/, label40/ and splits/",
        lambda root: _has(root, "splits") and (_has(root, "label40") or _has(root, "image")), _open_frames,
    ),
    Layout(
        "pascal", "pascal", "JPEGImages/, pascal-context/, semseg/, normals_distill/ and ImageSets/Context/",
        lambda root: _has(root, "ImageSets") and (_has(root, "JPEGImages") or _has(root, "pascal-context")),
        _open_pascal,
    ),
    Layout(
        "taskonomy", "taskonomy", "rgb/, normal/, depth_zbuffer/, edge_occlusion/ and segment_semantic/",
        lambda root: find_base(root) is not None, _open_taskonomy,
    ),
)  # fmt: skip
USUAL_FOLDERS = ("NYUDv2", "PASCALContext")
"""What the packages' archives unpack to; a root may be the folder above."""


def recognise(folder: Path) -> Iterator[Found]:
    """Every data set in ``folder`` itself, else in the folders directly below it, by name.

    Raises:
        UserError: there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}.", "Check the path.")
    for place in (folder, *sorted(child for child in folder.iterdir() if child.is_dir())):
        found = [Found(layout, place) for layout in LAYOUTS if layout.fits(place)]
        yield from found
        if found and place == folder:
            return


def open_layout(domain: str, root: Path, size: tuple[int, int]) -> Domain:
    """Open ``domain`` at ``root`` or in the usual folder below it, in whichever of its layouts that is.

    Raises:
        UserError: it is in none of them.
    """
    mine = [layout for layout in LAYOUTS if layout.domain == domain]
    for place in (root, *(root / name for name in USUAL_FOLDERS)):
        for layout in mine:
            if layout.fits(place):
                return layout.open(place, size)
    raise UserError(
        f"{root} does not look like {domain}.",
        "It should hold " + ", or ".join(layout.holds for layout in mine) + ".",
    )
