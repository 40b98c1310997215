"""Where the files of a domain are: from an option, an environment variable or the user's configuration file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ttt_bench.domains.disk.options import USUAL, FileOptions, Roots
from ttt_bench.domains.disk.toml import read_toml
from ttt_bench.domains.pixels.opening import exists, explained, is_folder
from ttt_bench.errors import UserError, did_you_mean

PREFIX = "TTT_BENCH_"


class UnnamedRootError(UserError):
    """Nobody said where a data set is; not to have it is no fault."""


@dataclass(frozen=True)
class Located:
    """A folder and who named it."""

    path: Path
    origin: str
    """As the user wrote it, e.g. ``--data pascal=/data/pascal`` or ``pascal in /home/me/.config/...``."""


def environment_variable(name: str) -> str:
    """The environment variable that may hold the folder of domain ``name``."""
    return PREFIX + re.sub(r"\W", "_", name).upper()


def config_file() -> Path:
    """The user's configuration file; it need not exist (and cannot, for a user without a home)."""
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")  # noqa: PTH111 - raises no error
    return Path(base) / "ttt_bench" / "data.toml"


def read_roots(
    items: Iterable[str], names: Iterable[str], users: tuple[str, ...] = (), options: FileOptions = USUAL
) -> Roots:
    """``--data NAME=FOLDER`` options as folders by domain; also refuses variables that name no domain.

    Args:
        items: what was given, in order, each one or several with commas between.
        names: every domain that may have a root.
        users: those of ``names`` after which the user may write a name of her own (``name/mine``).
        options: how their files are to be read.

    Raises:
        UserError: a key is unknown or given twice, or a variable ``TTT_BENCH_...`` names no domain.
    """
    valid = tuple(names)
    check_environment(valid, users)
    paths: dict[str, Path] = {}
    for item in (part for text in items for part in re.split(r",(?=[\w./-]+=)", text)):
        name, sign, path = (part.strip() for part in item.partition("="))
        if not sign or not name or not path:
            raise UserError(f"--data {item!r} is not NAME=FOLDER.", "Write for example --data nyudv2=/data/nyudv2.")
        if name not in valid and not (name.partition("/")[0] in users and name.partition("/")[2]):
            raise UserError(f"--data {item}: no domain {name!r} has files.", _nearest(name, valid))
        if name in paths:
            raise UserError(f"--data {name} is given twice: {paths[name]} and {path}.", "Leave one of them out.")
        paths[name] = at_home(path, f"--data {item}")
    return Roots(tuple(sorted(paths.items())), options)


def check_environment(names: Iterable[str], users: tuple[str, ...] = ()) -> None:
    """Refuse a variable that looks like a data set's and is none's: what it says would be ignored.

    Raises:
        UserError: there is one.
    """
    variables = {environment_variable(name): name for name in names}
    free = tuple(environment_variable(f"{name}/") for name in users)
    for variable in sorted(os.environ):
        if variable.startswith(PREFIX) and variable not in variables and not variable.startswith(free):
            hint = f"{_nearest(variable, variables)} Unset it, or correct its name."
            raise UserError(f"The environment variable {variable} names no domain.", hint)


def _nearest(name: str, valid: Iterable[str]) -> str:
    by_lower = {choice.lower(): choice for choice in valid}
    close = by_lower.get(name.lower())
    return f"Did you mean {close!r}? Valid: {', '.join(sorted(valid))}." if close else did_you_mean(name, valid)


def at_home(text: str, origin: str) -> Path:
    """A path as the user wrote it, ``~`` and ``~user`` resolved.

    Raises:
        UserError: the user has no home here.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise UserError(
            f"{origin}: there is no home folder for {text.split('/')[0]}.", "Write the whole path."
        ) from error


def configured_roots(names: Iterable[str], users: tuple[str, ...] = ()) -> dict[str, Path]:
    """Folders in the user's configuration file, by domain; empty without that file.

    Args:
        names: domains that may be configured.
        users: what other keys may begin with (``folder/``).

    Raises:
        UserError: the file is not TOML, or has a key or value that means nothing.
    """
    path, valid = config_file(), tuple(names)
    if not exists(path):
        return {}
    roots = {}
    for key, value in read_toml(path, 'It holds lines such as nyudv2 = "/data/NYUDv2".').items():
        if key not in valid and not (users and key.startswith(users)):
            raise UserError(f"{path}: unknown key {key!r}.", _nearest(key, valid))
        if not isinstance(value, str) or not value:
            raise UserError(f"{path}: {key} is not the name of a folder.", f'Write for example {key} = "/data/{key}".')
        # A path that is not absolute would mean something else in every working folder.
        roots[key] = path.parent / at_home(value, f"{path}: {key}")
    return roots


def locate(
    name: str, given: Mapping[str, Path], names: Iterable[str], where: str = "", users: tuple[str, ...] = ()
) -> Located:
    """The folder of domain ``name``: ``--data`` first, then the environment, then the configuration file.

    Args:
        name: a domain that needs a root.
        given: folders from ``--data``.
        names: every domain that may be configured.
        where: in words, where the data can be had.
        users: what names of the user's own begin with (``folder/``).

    Raises:
        UnnamedRootError: nobody named a folder.
        UserError: there is no folder of that name, or the configuration file is broken.
    """
    found = _find(name, given, tuple(names), users)
    if found is None:
        download = f" It can be had from {where}." if where else ""
        raise UnnamedRootError(
            f"Domain {name!r} needs to know where its files are.",
            f"Give --data {name}=/path/to/{name}, or set the environment variable {environment_variable(name)}, "
            f'or write {name} = "/path/to/{name}" into {config_file()}.{download}',
        )
    if not is_folder(found.path):
        raise UserError(f"{found.origin}: {_why_not(found.path)}.", "Check the path.")
    return found


def _why_not(path: Path) -> str:
    """Why ``path`` is no folder that can be used."""
    try:
        path.stat()
    except PermissionError:
        return "the folder may not be entered: permission denied"
    except OSError as error:
        return explained(path, error).message.rstrip(".") if path.is_symlink() else "there is no such folder"
    return "this is not a folder"


def _find(name: str, given: Mapping[str, Path], names: tuple[str, ...], users: tuple[str, ...]) -> Located | None:
    variable = environment_variable(name)
    if name in given:
        return Located(at_home(str(given[name]), f"--data {name}"), f"--data {name}={given[name]}")
    if os.environ.get(variable):
        origin = f"{variable}={os.environ[variable]}"
        return Located(at_home(os.environ[variable], origin), origin)
    configured = configured_roots(names, users).get(name)
    return Located(configured, f"{name} = {configured} in {config_file()}") if configured else None
