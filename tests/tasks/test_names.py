"""Outside a few places the package asks what kind a task is, never what it is called."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import ttt_bench
from ttt_bench.tasks import TASKS

PACKAGE = Path(ttt_bench.__file__).parent
MAY = re.compile(r"(tasks|studies|domains/[^/]+)/|report/paper\.py")
"""Tasks themselves, readers of one family of domains, studies of one paper, the paper's own numbers."""
NAME = "|".join(map(re.escape, TASKS))
LISTED = re.compile(rf"\s*({NAME})(/\w*|\s*,\s*({NAME}))*\s*")
"""A task's name alone, a list of names, or an id that begins with one; "class" alone is also a word of many tools."""
WORDS_TOO = {"class"}


def strings(path: Path) -> list[tuple[int, str]]:
    """Every string of a file but its docstrings, with its line."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    spoken = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in spoken
    ]


def named(text: str) -> bool:
    """Whether a string names a task."""
    return bool((LISTED.fullmatch(text) and text.strip() not in WORDS_TOO) or re.search(r"\bsemseg\b", text))


def test_what_counts_as_a_name():
    for text in ("semseg", "depth/rmse", "normal,edge", "no semseg here", "class/accuracy", "prediction/semseg"):
        assert named(text), text
    for text in ("class", "the depth of a network", "edgecolor", "normalise", "classes", "NORMAL"):
        assert not named(text), text


def test_no_string_names_a_task():
    files = sorted(path for path in PACKAGE.rglob("*.py") if not MAY.match(path.relative_to(PACKAGE).as_posix()))
    assert len(files) > 80
    found = [f"{path.relative_to(PACKAGE)}:{line}: {text!r}"
             for path in files for line, text in strings(path) if named(text)]  # fmt: skip
    assert not found, "\n".join(found)
