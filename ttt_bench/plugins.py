"""Finding plug-ins: methods, tasks, families of domains and networks are files, and all four are found alike.

A file lies in the kind's own folder, is named by an installed package's entry point (``ttt_bench.methods``, ``.tasks``,
``.domains``, ``.networks``), or is given by its path (``--method``, ``--task``, ``--domain``, ``--network``). No torch:
finding a file does not run it; ``load`` does.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import stat
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Literal, TypeVar

from ttt_bench.errors import UserError

Kind = Literal["method", "task", "domain", "network"]
KINDS: tuple[Kind, ...] = ("method", "task", "domain", "network")
LARGEST = 2_000_000
"""Bytes; a source file beyond is something else."""

T = TypeVar("T")


@dataclass(frozen=True)
class PluginFile:
    """One file with a plug-in in it."""

    kind: Kind
    path: Path
    """Absolute."""
    outside: bool = False
    """Whether it is not the project's own."""

    @property
    def code(self) -> str:
        """Hash of an outside file, "" of the project's own: results must not outlive an edit, and the project's own
        files raise ``SCHEMA`` instead, so that a comment does not cost a sweep."""
        return hashlib.sha256(read_source(self).encode()).hexdigest()[:16] if self.outside else ""


_given: dict[Kind, tuple[Path, ...]] = {}
_followers: list[Callable[[], None]] = []


def use(files: Mapping[Kind, Iterable[Path]]) -> None:
    """From here on, this process also finds ``files``, and no others that were given before.

    Called where a command line is read, and first thing in every worker process and cluster task.
    """
    _given.clear()
    _given.update({kind: tuple(Path(path).absolute() for path in paths) for kind, paths in files.items() if paths})
    for follower in _followers:
        follower()


def follow(follower: Callable[[], None]) -> None:
    """Call ``follower`` now and whenever ``use`` changes what is found: for a kind that keeps what it has loaded."""
    _followers.append(follower)
    follower()


def in_use() -> dict[Kind, tuple[Path, ...]]:
    """What ``use`` was told, to hand on to another process."""
    return dict(_given)


def found(kind: Kind, folder: Path | None = None, extra: Iterable[Path] = ()) -> tuple[PluginFile, ...]:
    """Every file of ``kind``: the folder's, the installed packages', and those given by path, each once.

    Args:
        kind: of plug-in.
        folder: the project's own; files of editors and others that begin with ``_`` or ``.`` are passed over.
        extra: files given by path beside those of ``use``.

    Raises:
        UserError: an entry point names a module that cannot be found.
    """
    own = sorted(folder.glob("[!_.]*.py")) if folder else []
    given = [*_given.get(kind, ()), *extra]
    outside = [*_installed(kind), *(Path(os.path.realpath(path)) for path in given)]
    files = [PluginFile(kind, path) for path in own] + [PluginFile(kind, path, outside=True) for path in outside]
    return tuple({file.path: file for file in reversed(files)}.values())[::-1]


@cache
def _installed(kind: Kind) -> tuple[Path, ...]:
    """The files of installed packages; asked once, since reading all packages' metadata takes tens of milliseconds."""
    paths = []
    for point in entry_points(group=f"ttt_bench.{kind}s"):
        what = f"The entry point {point.name!r} of {kind}s: {point.module!r}"
        try:
            spec = importlib.util.find_spec(point.module)
        except (Exception, SystemExit) as error:  # a parent package is imported on the way
            raise UserError(f"{what} cannot be imported: {_said(error)}.") from error
        if spec is None or spec.origin is None:
            raise UserError(f"{what} cannot be found.")
        paths.append(Path(spec.origin))
    return tuple(paths)


def by_name(files: Iterable[PluginFile], read: Callable[[PluginFile], Iterable[tuple[str, T]]]) -> dict[str, T]:
    """What ``read`` finds in each file, by name.

    Raises:
        UserError: two files claim one name.
    """
    things: dict[str, T] = {}
    origin: dict[str, PluginFile] = {}
    for file in files:
        for name, thing in read(file):
            if name in origin:
                raise UserError(
                    f"{file.path} and {origin[name].path} both define the {file.kind} {name!r}.", "Rename one."
                )
            things[name], origin[name] = thing, file
    return things


def read_source(file: PluginFile) -> str:
    """The text of a plug-in's file.

    Raises:
        UserError: it is not there, is no regular file, or is no text.
    """
    what = f"The {file.kind} file {file.path}"
    hint = f"Give --{file.kind} a Python file."
    try:
        mode = file.path.stat()
        if not stat.S_ISREG(mode.st_mode):
            raise UserError(f"{what} is {'a folder' if stat.S_ISDIR(mode.st_mode) else 'no regular file'}.", hint)
        if mode.st_size > LARGEST:
            raise UserError(f"{what} has {mode.st_size:,} bytes, which no source file has.", hint)
        return file.path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise UserError(f"{what} does not exist.", hint) from error
    except (OSError, ValueError) as error:
        raise UserError(f"{what} cannot be read: {error}.", hint) from error


def load(file: PluginFile) -> ModuleType:
    """Import the file, once for each path and process.

    Raises:
        UserError: running it fails; the message says where.
    """
    name = f"ttt_bench_{file.kind}s.{file.path.stem}"
    module = sys.modules.get(name)
    if module is not None and os.path.realpath(str(module.__file__)) == os.path.realpath(file.path):
        return module
    read_source(file)  # refuses what is no file, such as a pipe, on which importing would wait
    spec = importlib.util.spec_from_file_location(name, file.path)
    if spec is None or spec.loader is None:
        raise UserError(f"The {file.kind} file {file.path} is no Python file.", "Its name must end in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up by name
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, UserError) or not isinstance(error, (Exception, SystemExit)):
            raise
        raise UserError(
            f"The {file.kind} file {file.path} cannot be imported: {_said(error)}{_line(error, file.path)}.",
            "Mend it, or leave it out.",
        ) from error
    return module


def _said(error: BaseException) -> str:
    text = re.sub(r"\s+", " ", str(error)).strip().rstrip(".")
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__


def _line(error: BaseException, path: Path) -> str:
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
    return f" (line {lines[-1]})" if lines else ""
