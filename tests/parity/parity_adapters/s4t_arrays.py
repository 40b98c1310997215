"""How the S4T release turns files into network inputs and labels: arrays in, arrays out, and through our readers.

No domain hands these out: they show what each convention of the release is. Every label uses 255 for invalid.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from ttt_bench.domains.contract import Split
from ttt_bench.domains.nyudv2.package import NYUDv2Package
from ttt_bench.domains.pascal.reader import NORMAL_CLASSES, Pascal
from ttt_bench.domains.pixels.images import read_pixels
from ttt_bench.domains.pixels.thinning import boundaries
from ttt_bench.domains.taskonomy.reader import Taskonomy
from ttt_bench.tasks.contract import IGNORE

Array = npt.NDArray[np.float32]
Integers = npt.NDArray[np.integer]

IMAGENET_MEAN = np.array((0.485, 0.456, 0.406), np.float32)
IMAGENET_STD = np.array((0.229, 0.224, 0.225), np.float32)


def shared_classes(labels: Integers, ids: Sequence[int]) -> Array:
    """Class ids -> positions in ``ids``; everything else becomes 255."""
    table = np.full(65536, IGNORE, np.float32)
    table[list(ids)] = np.arange(len(ids))
    return table[labels]


# --- Taskonomy ---------------------------------------------------------------------------------


def resize_bilinear(pixels: Integers, side: int) -> Integers:
    """PIL's bilinear resize (antialiased) to a square, rounding to integers; 16-bit files as 32-bit ones.

    The release runs every domain through it, class ids included, which invents classes along boundaries.
    """
    if pixels.shape[:2] == (side, side):
        return pixels
    wide = pixels.astype(np.int32) if pixels.dtype == np.uint16 else pixels
    return np.asarray(Image.fromarray(wide).resize((side, side), Image.Resampling.BILINEAR))


def taskonomy_image(pixels: Integers, side: int) -> Array:
    """(H, W, 3) uint8 -> (3, side, side) in [-1, 1]; no ImageNet statistics."""
    return _channels_first(resize_bilinear(pixels, side) / np.float32(127.5) - 1)


def taskonomy_normal(pixels: Integers, side: int) -> Array:
    """(H, W, 3) uint8 -> (3, side, side): minus the decoded vector, not of unit length."""
    return taskonomy_image(255 - pixels, side)


def taskonomy_depth(pixels: Integers, side: int) -> Array:
    """(H, W) uint16 in 1/512 m -> (side, side) of ln(1 + d) / ln 65536 in [0, 1]; missing (65535) becomes 1."""
    # Adding 1 to a uint16 would wrap around at the missing value.
    raw = resize_bilinear(pixels, side).astype(np.float64)
    return np.asarray(np.log1p(raw) / np.log(65536), np.float32)


def taskonomy_edge(pixels: Integers, side: int) -> Array:
    """(H, W) uint16 -> (side, side): 2 v / 409.6 - 1, then a Gaussian blur of 4 pixels; not clipped."""
    scaled = 2 * resize_bilinear(pixels, side).astype(np.float64) / (0.00625 * 65536) - 1
    return np.asarray(ndimage.gaussian_filter(scaled, sigma=4), np.float32)


def taskonomy_semseg(pixels: Integers, side: int, ids: Sequence[int]) -> Array:
    """(H, W) uint8 -> (side, side) positions in ``ids`` or 255."""
    return shared_classes(resize_bilinear(pixels, side), ids)


# --- NYUD and PASCAL ---------------------------------------------------------------------------


def imagenet_image(pixels: Integers, size: tuple[int, int]) -> Array:
    """(H, W, 3) uint8 -> (3, *size), normalised with ImageNet's statistics, then padded with 0."""
    scaled = (pixels / np.float32(255) - IMAGENET_MEAN) / IMAGENET_STD
    return _channels_first(pad(scaled, size, 0))


def nyud_semseg(pixels: Integers, size: tuple[int, int], ids: Sequence[int]) -> Array:
    """(H, W) uint8, 0 = none, else class + 1 -> (1, *size) positions in ``ids`` or 255."""
    classes = pixels.astype(np.int64) - 1
    classes[classes < 0] = IGNORE
    return pad(shared_classes(classes, ids), size, IGNORE)[None]


def nyud_depth(metres: Array, size: tuple[int, int]) -> Array:
    """(H, W) metres, 0 = missing -> (1, *size), missing = 255."""
    padded = pad(metres, size, 0)
    return np.where(padded == 0, np.float32(IGNORE), padded)[None]


def edge(pixels: Integers | npt.NDArray[np.bool_], size: tuple[int, int]) -> Array:
    """(H, W) edge map in {0, 1} (PASCAL) or {0, 255} (NYUD, divide first) -> (1, *size), padding = 255."""
    return pad(pixels.astype(np.float32), size, IGNORE)[None]


def normals(pixels: Integers, size: tuple[int, int], valid: npt.NDArray[np.bool_] | None = None) -> Array:
    """(H, W, 3) uint8 -> (3, *size): 2 v / 255 - 1; 255 where not ``valid`` (H, W) and in the padding."""
    vectors = 2 * pixels.astype(np.float32) / 255 - 1
    if valid is not None:
        vectors[~valid] = 0
    padded = pad(vectors, size, 0)
    padded[np.linalg.norm(padded, axis=-1) == 0] = IGNORE
    return _channels_first(padded)


def pad(values: npt.NDArray[np.generic], size: tuple[int, int], fill: float) -> Array:
    """Pad (H, W, ...) to ``size``, centred; an odd row or column goes to the bottom or right."""
    extra = [wanted - have for wanted, have in zip(size, values.shape[:2], strict=True)]
    widths = [(e // 2, e - e // 2) for e in extra] + [(0, 0)] * (values.ndim - 2)
    return np.pad(values.astype(np.float32), widths, constant_values=fill)


def _channels_first(values: npt.NDArray[np.generic]) -> Array:
    return np.ascontiguousarray(np.moveaxis(values.astype(np.float32), -1, 0))


# --- Files, by our readers ---------------------------------------------------------------------


def nyud_frame(
    domain: NYUDv2Package, split: Split, index: int, ids: Sequence[int], size: tuple[int, int] = (448, 576)
) -> dict[str, Array]:
    """Frame ``index`` padded to ``size``; ``ids``: 0-based class ids in the order of the pair's classes."""
    frame = domain.load(split, index)
    return {
        "image": imagenet_image(frame["images"], size),
        "semseg": nyud_semseg(frame["segmentation"], size, ids),
        "depth": nyud_depth(frame["depth"], size),
        "normals": normals(frame["normals"], size),
        "edge": edge(frame["edge"] > 127, size),
    }


def pascal_image(
    domain: Pascal, split: Split, index: int, ids: Sequence[int], size: tuple[int, int] = (512, 512)
) -> dict[str, Array]:
    """Image ``index`` padded to ``size``; ``ids``: VOC ids in the order of the pair's classes."""
    files = domain.load(split, index)
    regions = files["parts"]
    return {
        "image": imagenet_image(files["images"], size),
        "semseg": pad(shared_classes(files["semseg"], ids), size, IGNORE)[None],
        "normals": normals(files["normals"], size, np.isin(regions, NORMAL_CLASSES)),
        "edge": edge(boundaries(regions), size),
    }


def taskonomy_view(
    domain: Taskonomy, split: Split, index: int, ids: Sequence[int], side: int = 256
) -> dict[str, Array]:
    """View ``index``, everything bilinear at ``side``; ``ids``: file ids in the order of the pair's classes."""
    files = domain.load(split, index)
    depth = read_pixels(domain.find(split, index)("depth_zbuffer"), "deep").astype(np.uint16)
    return {
        "rgb": taskonomy_image(files["rgb"], side),
        "normal": taskonomy_normal(files["normal"], side),
        "depth_zbuffer": taskonomy_depth(depth, side),
        "edge_occlusion": taskonomy_edge(files["edge_occlusion"].astype(np.uint16), side),
        "segment_semantic": taskonomy_semseg(files["segment_semantic"], side, ids),
    }
