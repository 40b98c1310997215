"""Where a number comes from: code, versions, machine kind, command. Never host names or paths."""

from __future__ import annotations

import platform
import re
import shlex
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ttt_bench import __version__


@cache
def git_sha() -> str:
    """Commit of the checkout this code runs from, with ``+dirty`` when files differ; ``unknown`` elsewhere."""
    root = Path(__file__).resolve().parent.parent
    try:
        sha = _git(root, "rev-parse", "HEAD")
        dirty = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return sha + ("+dirty" if dirty else "")


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@cache
def versions() -> dict[str, str]:
    """Versions of the packages that can change a number."""
    found = {"ttt_bench": __version__, "python": platform.python_version()}
    for package in ("torch", "torchvision", "numpy", "scipy", "pillow"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "missing"
    return found


def command() -> str:
    """The command line, quoted for a shell; the program is called as a reader types it, folders by their last name."""
    return shlex.join(["python", "-m", "ttt_bench", *map(without_folders, sys.argv[1:])]) if sys.argv else ""


def without_folders(word: str) -> str:
    """``/home/me/data`` -> ``.../data``, also after ``key=`` and in lists: where things lie is nobody's business."""
    if word.startswith("/"):
        return ",".join(f".../{path.rstrip('/').rpartition('/')[2]}" for path in re.split(r",(?=/)", word))
    key, sign, rest = word.partition("=/")
    return f"{key}={without_folders('/' + rest)}" if sign else word


def with_folders(line: str) -> str:
    """``line``, a command out of ``command``, with the folders of this process's own put back: for the screen, to be
    pasted. Those that this process was not given stay as they are."""
    for word in sys.argv[1:]:
        short, whole = shlex.quote(without_folders(word)), shlex.quote(word).replace("\\", "\\\\")
        line = re.sub(rf"(?<!\S){re.escape(short)}(?!\S)", whole, line)
    return line


def provenance(**more: Any) -> dict[str, Any]:
    """Everything above, plus ``more``."""
    return {"git_sha": git_sha(), "versions": versions(), "platform": platform.machine(), **more}
