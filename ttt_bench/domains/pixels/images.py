"""Decoding PNG and JPEG files into what their pixels mean. The only place that opens an image; Pillow loads here."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ttt_bench.domains.pixels.opening import FileError, open_file

Array = npt.NDArray[Any]
Content = Literal["photo", "vectors", "ids", "grey", "deep"]
"""photo, vectors: (h, w, 3) uint8; ids: (h, w) integers; grey: (h, w) uint8; deep: (h, w) 16-bit integers."""
FORMATS = ("PNG", "JPEG")
"""Whatever a file is called, it is opened as one of these: other formats may run programs (PostScript)."""
MAX_PIXELS = 50_000_000
"""The largest frames of the data sets have a hundredth of it."""
SIXTEEN_BITS = ("I;16", "I", "I;16B", "I;16L", "I;16N")
_WANTED = {
    "photo": "a photograph of three 8-bit channels", "vectors": "three 8-bit channels that encode a vector",
    "ids": "class ids, one 8-bit channel", "grey": "one 8-bit channel", "deep": "one 16-bit channel",
}  # fmt: skip


def read_pixels(path: Path, content: Content) -> Array:
    """Pixels of an image file, turned as its EXIF orientation says.

    Other modes than the usual one are converted where their meaning is certain (a grey photograph, an opaque alpha
    channel, a palette) and refused where it is not (CMYK, transparency, depth of 8 bits).

    Args:
        path: the file; its contents decide what it is, not its name.
        content: what the pixels mean.

    Raises:
        FileError: it is missing, is no PNG or JPEG file, is damaged, too large, or of a mode without this meaning.
    """
    image = _decode(path)
    pixels = _CONVERTERS[content](image)
    if pixels is None:
        why = "has transparent pixels" if _transparent(image) else f"is a picture of mode {image.mode}"
        raise FileError(f"{path} {why}; needed is {_WANTED[content]}.", "Copy the original file again, or convert it.")
    return pixels


def _decode(path: Path) -> Any:
    from PIL import Image, ImageOps, UnidentifiedImageError

    with open_file(path) as file, warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(file, formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise Image.DecompressionBombError
                return ImageOps.exif_transpose(image)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise FileError(
                f"{path} claims to have more than {MAX_PIXELS:,} pixels.", "This is no file of the data set."
            ) from error
        except UnidentifiedImageError as error:
            raise FileError(
                f"{path} cannot be read: it is no {' or '.join(FORMATS)} file.", "Copy the file again."
            ) from error
        except (
            Exception
        ) as error:  # a damaged file fails in many ways inside Pillow: SyntaxError, struct and zlib errors
            raise FileError(f"{path} cannot be read: {error}.", "Copy the file again.") from error


def _transparent(image: Any) -> bool:
    if image.mode in ("RGBA", "LA", "PA") or (image.mode == "P" and "transparency" in image.info):
        return bool(np.asarray(image.convert("RGBA"))[..., 3].min(initial=255) < 255)
    return False


def _photo(image: Any) -> Array | None:
    if image.mode not in ("RGB", "RGBA", "L", "LA", "P", "PA", "1") or _transparent(image):
        return None
    return np.asarray(image if image.mode == "RGB" else image.convert("RGBA").convert("RGB"))


def _vectors(image: Any) -> Array | None:
    return _photo(image) if image.mode in ("RGB", "RGBA", "P") else None


def _ids(image: Any) -> Array | None:
    if image.mode in ("L", "P"):
        return np.asarray(image)
    if image.mode == "1":
        return np.asarray(image, np.uint8)
    if image.mode in SIXTEEN_BITS:
        values = np.asarray(image)
        return values.astype(np.uint8) if values.min(initial=0) >= 0 and values.max(initial=0) < 256 else values
    return _one_channel(image)


def _grey(image: Any) -> Array | None:
    if image.mode in ("1", "P"):
        return _one_channel(image.convert("RGB"))
    return np.asarray(image) if image.mode == "L" else _one_channel(image)


def _deep(image: Any) -> Array | None:
    return np.asarray(image) if image.mode in SIXTEEN_BITS else None


def _one_channel(image: Any) -> Array | None:
    """The one channel of a picture that has it several times."""
    if image.mode not in ("RGB", "RGBA", "LA") or _transparent(image):
        return None
    pixels = np.asarray(image.convert("RGB"))
    return pixels[..., 0] if (pixels == pixels[..., :1]).all() else None


_CONVERTERS = {"photo": _photo, "vectors": _vectors, "ids": _ids, "grey": _grey, "deep": _deep}
