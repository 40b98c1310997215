"""Where the files of a domain are: from an option, an environment variable or the user's configuration file."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ttt_bench.errors import UserError, did_you_mean


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
    return "TTT_BENCH_" + re.sub(r"\W", "_", name).upper()


def config_file() -> Path:
    """The user's configuration file; it need not exist."""
    home = os.environ.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path.home() / ".config") / "ttt_bench" / "data.toml"


def configured_roots(names: Iterable[str]) -> dict[str, Path]:
    """Folders in the user's configuration file, by domain; empty without that file.

    Args:
        names: domains that may be configured.

    Raises:
        UserError: the file is not TOML, or has a key or value that means nothing.
    """
    path, valid = config_file(), tuple(names)
    if not path.is_file():
        return {}
    roots = {}
    for key, value in _read_toml(path).items():
        if key not in valid:
            raise UserError(f"{path}: unknown key {key!r}.", did_you_mean(key, valid))
        if not isinstance(value, str) or not value:
            raise UserError(f"{path}: {key} is not the name of a folder.", f'Write for example {key} = "/data/{key}".')
        # A path that is not absolute would mean something else in every working folder.
        roots[key] = path.parent / Path(value).expanduser()
    return roots


def locate(name: str, given: Mapping[str, Path], names: Iterable[str], where: str = "") -> Located:
    """The folder of domain ``name``: ``--data`` first, then the environment, then the configuration file.

    Args:
        name: a domain that needs a root.
        given: folders from ``--data``.
        names: every domain that may be configured.
        where: in words, where the data can be had.

    Raises:
        UnnamedRootError: nobody named a folder.
        UserError: there is no folder of that name, or the configuration file is broken.
    """
    found = _find(name, given, tuple(names))
    if found is None:
        download = f" It can be had from {where}." if where else ""
        raise UnnamedRootError(
            f"Domain {name!r} needs to know where its files are.",
            f"Give --data {name}=/path/to/{name}, or set the environment variable {environment_variable(name)}, "
            f'or write {name} = "/path/to/{name}" into {config_file()}.{download}',
        )
    if not found.path.is_dir():
        raise UserError(f"{found.origin}: there is no such folder.", "Check the path.")
    return found


def _find(name: str, given: Mapping[str, Path], names: tuple[str, ...]) -> Located | None:
    variable = environment_variable(name)
    if name in given:
        return Located(Path(given[name]).expanduser(), f"--data {name}={given[name]}")
    if os.environ.get(variable):
        return Located(Path(os.environ[variable]).expanduser(), f"{variable}={os.environ[variable]}")
    configured = configured_roots(names).get(name)
    return Located(configured, f"{name} = {configured} in {config_file()}") if configured else None


def _read_toml(path: Path) -> dict[str, object]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        content: dict[str, object] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(
            f"{path} cannot be read: {error}.", 'It holds lines such as nyudv2 = "/data/NYUDv2".'
        ) from error
    return content
