"""What the user decides about reading a data set: which images to leave out, and whether names are trusted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from ttt_bench.domains.pixels.opening import read_text
from ttt_bench.errors import UserError


@dataclass(frozen=True)
class FileOptions:
    """How files are read; the same for every data set of a command."""

    trust_names: bool = False
    """Whether names and sizes of files stand for their contents in fingerprints."""
    skipped: frozenset[str] = frozenset()
    """Images to leave out, by the name that a list or the split gives them (Taskonomy: ``scene/point_1_view_2``)."""


@dataclass(frozen=True)
class Roots(Mapping[str, Path]):
    """Folder by domain name, and what else decides how domains are opened; hashable, pickled to workers and nodes."""

    paths: tuple[tuple[str, Path], ...] = ()
    options: FileOptions = field(default_factory=FileOptions)
    declared: tuple[Path, ...] = ()
    """Files that declare families, from ``--domain``."""

    @classmethod
    def of(cls, roots: Mapping[str, Path]) -> Roots:
        """``roots`` itself, or a plain mapping with the usual options."""
        return roots if isinstance(roots, cls) else cls(tuple(sorted(roots.items())))

    def absolute(self) -> Roots:
        """The same folders as another working folder sees them."""
        paths = tuple((name, path.absolute()) for name, path in self.paths)
        return Roots(paths, self.options, tuple(path.absolute() for path in self.declared))

    def __getitem__(self, name: str) -> Path:
        return dict(self.paths)[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self.paths)

    def __len__(self) -> int:
        return len(self.paths)

    def __bool__(self) -> bool:
        return True  # without a folder it still says how files are read and which files declare families


USUAL = FileOptions()
_options: ContextVar[FileOptions] = ContextVar("file options", default=USUAL)


@contextmanager
def reading_with(options: FileOptions) -> Iterator[None]:
    """Domains that are opened inside take ``options``: what opens them is found by name and knows a root and a size."""
    token = _options.set(options)
    try:
        yield
    finally:
        _options.reset(token)


def options_now() -> FileOptions:
    """The options of the ``reading_with`` around this call."""
    return _options.get()


def read_skipped(path: Path | None) -> frozenset[str]:
    """The images that ``--skip-bad`` names: one a line, as in the lists of the data set; # begins a remark.

    Raises:
        UserError: the file is unreadable or names nothing.
    """
    if path is None:
        return frozenset()
    names = frozenset(_names(read_text(path, "It names one image per line.").splitlines()))
    if not names:
        raise UserError(f"--skip-bad {path} names no image.", "Write one name per line, as in the data set's lists.")
    return names


def _names(lines: Iterable[str]) -> Iterator[str]:
    return (name for line in lines if (name := line.partition("#")[0].strip()))
