"""That no image which settings are chosen on was trained on: by the fingerprints of the images themselves."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ttt_bench.domains.catalogue import open_domain
from ttt_bench.domains.contract import Domain, Split
from ttt_bench.errors import UserError
from ttt_bench.files import write_json
from ttt_bench.identity import identity
from ttt_bench.samples.cache import SampleCache
from ttt_bench.source.spec import SourceSpec

Image = npt.NDArray[np.uint8]


def require_apart(source: SourceSpec, held_out: int, roots: Mapping[str, Path], cache: Path) -> None:
    """See that the held-out images of a source are not among those it was trained on; once for a cache.

    Args:
        source: what was trained.
        held_out: how many images of ``val`` are adapted to, corrupted or not.
        roots: folders of data sets.
        cache: decoded images, where they are, and the record of what was found apart.

    Raises:
        UserError: some are; a choice made on them would be made on training images.
    """
    key = identity({"fingerprint": source.fingerprint, "train": source.training.samples, "val": held_out})
    record = cache / "apart" / f"{key}.json"
    if record.exists():
        return
    domain = open_domain(source.domain, source.size, roots)
    shared = shared_images(
        images_of(domain, "train", source.training.samples, cache), images_of(domain, "val", held_out, cache)
    )
    if shared:
        raise UserError(
            f"{source.domain}: {len(shared)} of {held_out} held-out images (val) are training images too, the first "
            f"is number {shared[0]}. Settings chosen on them would be chosen on what was trained on.",
            "Mend the splits of the data set; `data check` names doubled pictures.",
        )
    write_json(record, {"domain": source.domain, "train": source.training.samples, "val": held_out, "shared": 0})


def shared_images(train: Iterator[Image], held_out: Iterator[Image]) -> list[int]:
    """Positions of held-out images whose pixels are those of a training image."""
    known = {fingerprint(image) for image in train}
    return [place for place, image in enumerate(held_out) if fingerprint(image) in known]


def fingerprint(image: Image) -> bytes:
    """Of an image's pixels."""
    return hashlib.blake2b(np.ascontiguousarray(image).tobytes(), digest_size=16).digest()


def images_of(domain: Domain, split: Split, count: int, cache: Path) -> Iterator[Image]:
    """The first ``count`` clean images of a split, from the cache where they are decoded already."""
    stored = SampleCache(domain, split, count, cache)
    if stored.complete:
        yield from np.load(stored.folder / "image.npy", mmap_mode="r")
        return
    for index in range(count):
        yield domain.sample(split, index).image
