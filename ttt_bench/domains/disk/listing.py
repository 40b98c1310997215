"""Images that lists name, with files found by those names: the same for readers and for ``data check``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from ttt_bench.domains.contract import Split
from ttt_bench.domains.disk.checking import Checklist, Item, Problem
from ttt_bench.domains.disk.reader import FileDomain
from ttt_bench.domains.pixels.files import choose_files, digest, read_names
from ttt_bench.domains.pixels.kinds import Find
from ttt_bench.domains.pixels.opening import FileError, look_at
from ttt_bench.errors import UserError

LISTS = ("train", "val")
HOLD_OUT = 10
"""Every tenth image of train.txt is the validation split; those of val.txt are the test split."""
Folders = Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]
"""Kind of file -> folders, the first that has it counts, and how its name may end."""


@dataclass(frozen=True)
class Listed:
    """Names by list, and for each kind the file of every name, whether it is there or not."""

    names: dict[str, list[str]]
    files: dict[str, dict[str, str]]
    problems: tuple[UserError, ...] = ()
    """Lists that cannot be read."""


def read_lists(root: Path, lists: str, folders: Folders) -> Listed:
    """What train.txt and val.txt name.

    Args:
        root: the data set.
        lists: the folder of the two lists, below ``root``.
        folders: where the files of each kind are.
    """
    names: dict[str, list[str]] = {}
    problems: list[UserError] = []
    for split in LISTS:
        try:
            names[split] = read_names(root / lists / f"{split}.txt")
        except UserError as error:
            problems.append(error)
    both = sorted(set(names.get("train", ())).intersection(names.get("val", ())))
    if both:
        more = f" and {len(both) - 1} more" if len(both) > 1 else ""
        text = f"{root / lists}: {both[0]}{more} in train.txt and in val.txt: one image in two splits."
        problems.append(FileError(text, "Take it out of one of the lists."))
    every = list(dict.fromkeys(name for split in LISTS for name in names.get(split, ())))
    files: dict[str, dict[str, str]] = {}
    for kind, (choices, suffixes) in folders.items():
        try:
            files[kind] = choose_files(root, choices, every, suffixes)
        except UserError as error:
            problems.append(error)
            files[kind] = {name: f"{choices[0]}/{name}{suffixes[0]}" for name in every}
    return Listed(names, files, tuple(problems))


class ListedDomain(FileDomain):
    """A domain whose images are named by train.txt and val.txt.

    Raises:
        UserError: a list of names or a file that it names is missing.
    """

    lists: ClassVar[str]
    folders: ClassVar[Folders]

    def __init__(self, root: Path, size: tuple[int, int]) -> None:
        super().__init__(root, size)
        listed = read_lists(self._root, self.lists, self.folders)
        if listed.problems:
            raise listed.problems[0]
        train, test = listed.names["train"], listed.names["val"]
        kept = [name for position, name in enumerate(train) if position % HOLD_OUT]
        self._names: dict[Split, list[str]] = {
            "train": self._kept(kept), "val": self._kept(train[::HOLD_OUT]), "test": self._kept(test),
        }  # fmt: skip
        self._by_kind = listed.files
        self._require()

    def _require(self) -> None:
        """All files are there.

        Raises:
            FileError: one is not.
        """
        faults: list[FileError] = []
        for names in self._names.values():
            for name in names:
                for kind in self.kinds:
                    try:
                        look_at(self._root / self._by_kind[kind.name][name])
                    except FileError as error:
                        faults.append(error)
        if faults:
            more = f" (and {len(faults) - 1} more files)" if len(faults) > 1 else ""
            raise FileError(
                f"{faults[0].message.rstrip('.')}{more}.",
                f"{faults[0].hint} `python -m ttt_bench data check` lists everything that is missing.",
                faults[0].kind,
            )

    def length(self, split: Split) -> int:
        """How many images ``split`` has."""
        return len(self._names[split])

    def image_name(self, split: Split, index: int) -> str:
        """As the list names it."""
        return self._names[split][index]

    def find(self, split: Split, index: int) -> Find:
        """Kind -> the file of an image."""
        name = self._names[split][index]
        return lambda kind: self._root / self._by_kind[kind][name]

    def listed(self) -> dict[str, Any]:
        """The names of each split."""
        return {"names": {split: digest(names) for split, names in self._names.items()}}


def listed_checklist(
    reader: type[ListedDomain], root: Path, paper: dict[str, int], usual_size: tuple[int, int] | None = None
) -> Checklist:
    """Everything that a data set with lists should have, read as its reader reads it; touches names only.

    Args:
        reader: what reads it.
        root: its folder.
        paper: what the paper counts, by list.
        usual_size: that all its images should have; None: they differ.
    """
    listed = read_lists(root, reader.lists, reader.folders)
    items = [
        Item(split, name, _finder(root, listed.files, name)) for split, names in listed.names.items() for name in names
    ]
    problems = tuple(Problem.of(error) for error in listed.problems)
    opened = partial(reader, root)
    return Checklist(reader.kinds, tuple(items), paper, usual_size, usual_size is not None, reader, (opened,), problems)


def _finder(root: Path, files: Mapping[str, Mapping[str, str]], name: str) -> Find:
    return lambda kind: root / files[kind][name]
