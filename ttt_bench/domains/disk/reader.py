"""A domain whose samples are files: reading them, hashing them, and what is to be said of them, for all readers."""

from __future__ import annotations

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ttt_bench.domains.contract import SPLITS, Domain, Split
from ttt_bench.domains.disk.contents import hash_files, name_files
from ttt_bench.domains.disk.options import options_now
from ttt_bench.domains.pixels.axes import Axes, Evidence, measure_axes
from ttt_bench.domains.pixels.files import digest
from ttt_bench.domains.pixels.images import Array
from ttt_bench.domains.pixels.kinds import Find, Kind, load
from ttt_bench.domains.pixels.opening import FileError
from ttt_bench.domains.pixels.plausible import Limits, Tally
from ttt_bench.identity import identity

PROBED = 8
"""Images on which the axes of normals are measured, and depths and ids looked at, spread over the splits."""
SHOWN = 5


class DiskDomain(Domain):
    """A domain that is read from files."""

    def set_doubts(self) -> tuple[str, ...]:
        """What is implausible about the set as a whole, in words."""
        return ()


class FileDomain(DiskDomain):
    """Images that are files below one folder, each with a file of every kind.

    Args:
        root: the folder.
        size: (H, W).
    """

    kinds: tuple[Kind, ...]
    """What every image has, the image itself first."""
    depth_kind: str = ""
    """The kind that is read as metres, 0 = missing; empty: there is none."""
    ids_kind: str = ""
    normals_kind: str = ""
    limits: Limits = Limits()

    def __init__(self, root: Path, size: tuple[int, int]) -> None:
        self.size = size
        self._root = Path(root)
        self._options = options_now()
        self._left_out: list[str] = []

    def __getstate__(self) -> dict[str, Any]:
        # The hashes of a million files are no worker's business: the content that they make up goes along.
        return {key: value for key, value in vars(self).items() if key != "_files"}

    @abstractmethod
    def find(self, split: Split, index: int) -> Find:
        """Kind -> the file of an image."""

    @abstractmethod
    def image_name(self, split: Split, index: int) -> str:
        """An image as lists and ``--skip-bad`` name it."""

    @abstractmethod
    def described(self) -> dict[str, Any]:
        """What decides the pixels of every image besides its files: version, definitions."""

    @abstractmethod
    def listed(self) -> dict[str, Any]:
        """Which images each split has, as hashes."""

    def evidence(self, content: Mapping[str, Array]) -> Evidence:
        """What an image says about the axes of its normals, for readers that have depth and normals.

        Raises:
            NotImplementedError: the reader has not both.
        """
        raise NotImplementedError

    def load(self, split: Split, index: int) -> dict[str, Array]:
        """The content of all files of an image.

        Raises:
            FileError: something is wrong with one of them.
        """
        self.check_index(split, index)
        return load(self.kinds, self.find(split, index))

    def content(self) -> Any:
        """What decides the pixels: the contents of all files, the splits, and the axes of the normals."""
        return self._content

    @cached_property
    def _content(self) -> Any:
        trusted = {"names only": True} if self._options.trust_names else {}
        files = digest(sorted(self._lines()))
        return {**self._decoded_by, **self.listed(), "files": files, **trusted}

    @cached_property
    def _decoded_by(self) -> dict[str, Any]:
        """What decides an image besides its own files."""
        return {**self.described(), **({"axes": self.axes.signs} if self.axes else {})}

    def sample_key(self, split: Split, index: int) -> str:
        """The contents of the image's files, its name, and how they are read."""
        find, name = self.find(split, index), self.image_name(split, index)
        files = {kind.name: self._files[self._relative(find(kind.name))] for kind in self.kinds}
        return identity({"by": self._decoded_by, "size": self.size, "name": name, "files": files})

    @cached_property
    def _files(self) -> dict[str, str]:
        """Path below the root -> hash of the contents (or the size, where names are trusted)."""
        return (name_files if self._options.trust_names else hash_files)(self._root, self._used())

    def _lines(self) -> Iterator[str]:
        """Kind, image and hash of every file: neither folders nor endings of names matter."""
        for split in SPLITS:
            for index in range(self.length(split)):
                find, name = self.find(split, index), self.image_name(split, index)
                for kind in self.kinds:
                    yield f"{kind.name}/{name} {self._files[self._relative(find(kind.name))]}"

    def _used(self) -> Iterator[str]:
        return (self._relative(path) for split in SPLITS for path in self._paths(split))

    def _paths(self, split: Split) -> Iterator[Path]:
        for index in range(self.length(split)):
            find = self.find(split, index)
            yield from (find(kind.name) for kind in self.kinds)

    def _relative(self, path: Path) -> str:
        return str(path)[len(str(self._root)) + 1 :]  # a million paths: no Path for each

    @cached_property
    def axes(self) -> Axes | None:
        """Which way the axes of the stored normals point; None where normals are not stored.

        Raises:
            UserError: they fit no convention.
        """
        return self._measured() if self.depth_kind and self.normals_kind else None

    def _measured(self) -> Axes:
        evidence = [self.evidence(content) for content in self._probes()]
        return measure_axes(evidence or [np.zeros((5, 3))], self.usual_signs, str(self._root))

    usual_signs: tuple[int, int, int] = (1, 1, 1)

    def _probes(self) -> list[dict[str, Array]]:
        """The content of some images that can be read: one bad file must not keep all others from being used."""
        found: list[dict[str, Array]] = []
        for split, index in self._probed():
            try:
                found.append(self.load(split, index))
            except FileError:
                continue  # named when it is read for itself, by ``data check`` or a decoding
            if len(found) == PROBED:
                break
        return found

    def _probed(self) -> list[tuple[Split, int]]:
        """Twice as many images as are wanted, from each split alike, evenly spread."""
        spread: dict[Split, list[int]] = {}
        for split in SPLITS:
            count = self.length(split)
            spread[split] = list(dict.fromkeys(int(i) for i in np.linspace(0, max(count - 1, 0), PROBED)))[:count]
        order = [(split, spread[split][i]) for i in range(PROBED) for split in SPLITS if i < len(spread[split])]
        return order[: 2 * PROBED]

    def notes(self) -> tuple[str, ...]:
        """Axes that were measured or assumed, images that were left out, names that were trusted."""
        said = [f"{self.name}: {self.axes}"] if self.axes else []
        if self._left_out:
            shown = ", ".join(sorted(self._left_out)[:SHOWN])
            more = f" and {len(self._left_out) - SHOWN} more" if len(self._left_out) > SHOWN else ""
            plural = "image is" if len(self._left_out) == 1 else "images are"
            said.append(f"{self.name}: {len(self._left_out)} {plural} left out by --skip-bad: {shown}{more}")
        if self._options.trust_names:
            said.append(f"{self.name}: files are known by name and size (--trust-names); edited ones go unnoticed")
        return tuple(said)

    def doubts(self) -> tuple[str, ...]:
        """Implausible depths and ids of a few images, and pictures that are in two splits."""
        return self._doubts

    @cached_property
    def _doubts(self) -> tuple[str, ...]:
        tally = Tally(self.limits)
        for content in self._probes():
            tally.add(content.get(self.depth_kind), content.get(self.ids_kind))
        return tuple(f"{self.name}: {text}" for text in (*tally.doubts(), *self.set_doubts()))

    def set_doubts(self) -> tuple[str, ...]:
        """Pictures that occur in two splits under different names, found by their contents."""
        if self._options.trust_names or sum(self.length(split) > 0 for split in SPLITS) < 2:
            return ()
        places: defaultdict[str, dict[Split, str]] = defaultdict(dict)
        first = self.kinds[0].name
        for split in SPLITS:
            for index in range(self.length(split)):
                name = self._relative(self.find(split, index)(first))
                places[self._files[name]].setdefault(split, name)
        twice = [spots for spots in places.values() if len(spots) > 1]
        if not twice:
            return ()
        example = " = ".join(f"{name} ({split})" for split, name in twice[0].items())
        plural = "picture is" if len(twice) == 1 else "pictures are"
        return (f"{len(twice)} {plural} in two splits: {example}",)

    def left_out(self) -> frozenset[str]:
        """What ``--skip-bad`` named of this data set."""
        return frozenset(self._left_out)

    def _kept(self, names: list[str]) -> list[str]:
        """``names`` without those that ``--skip-bad`` leaves out."""
        self._left_out += [name for name in names if name in self._options.skipped]
        return [name for name in names if name not in self._options.skipped]
