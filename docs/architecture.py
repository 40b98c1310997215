"""Draws docs/images/architecture.svg: the rooms of the package on their floors, and which imports which.

Imports are read as text; `tests/test_architecture.py` uses the same two tables.
"""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "images" / "architecture.svg"

FLOORS: tuple[tuple[str, ...], ...] = (
    ("ground",),
    ("metrics", "tasks", "statistics"),
    ("domains", "store"),
    ("networks",),
    ("toolbox", "samples", "method"),
    ("methods", "source", "adaptation"),
    ("cell", "audit", "parity", "synthetic"),
    ("plan", "report"),
    ("forecast", "measurements", "selection"),
    ("launch", "bench"),
    ("studies",),
    ("cli",),
)
"""From the ground up. A room imports from its own floor and from floors below it."""
LIVING = frozenset({"synthetic"})
"""Single files of the package that are rooms of their own; all others are the ground, which any room may use."""


def room(module: str) -> str:
    """``ttt_bench.samples.cache`` -> ``samples``; files of the ground and ``methods/`` by those names."""
    if module.startswith("methods"):
        return "methods"
    first = module.split(".")[1] if "." in module else "__init__"
    if first == "__main__":
        return "cli"
    file = (ROOT / "ttt_bench" / f"{first}.py").is_file() or first.startswith("_")
    return "ground" if file and first not in LIVING else first


def imports() -> dict[tuple[str, str], set[str]]:
    """(importing room, imported room) -> the files that do it, everywhere but at type-checking time."""
    found: dict[tuple[str, str], set[str]] = {}
    for file in sorted([*(ROOT / "ttt_bench").rglob("*.py"), *(ROOT / "methods").glob("*.py")]):
        name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for module in _imported(ast.parse(file.read_text(encoding="utf-8"))):
            edge = (room(name), room(module))
            if edge[0] != edge[1]:
                found.setdefault(edge, set()).add(name)
    return found


def _imported(tree: ast.AST) -> set[str]:
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            skipped |= {child for statement in node.body for child in ast.walk(statement)}
    modules: set[str] = set()
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "ttt_bench":
            # `from ttt_bench import x` names rooms, `from ttt_bench.room import x` names what is inside one.
            modules |= {f"ttt_bench.{a.name}" for a in node.names} if node.module == "ttt_bench" else {node.module}
        elif isinstance(node, ast.Import):
            modules |= {a.name for a in node.names if a.name.split(".")[0] == "ttt_bench"}
    return modules


def floor(name: str) -> int:
    """Which floor a room stands on, from 0.

    Raises:
        KeyError: the room is in no floor of ``FLOORS``.
    """
    for level, names in enumerate(FLOORS):
        if name in names:
            return level
    raise KeyError(f"The room {name!r} stands on no floor: add it to FLOORS in docs/architecture.py.")


def draw() -> str:
    """The picture as SVG text, the same for the same imports."""
    width, step, box = 900, 74, (118, 34)
    height = step * len(FLOORS) + 30
    centre = {
        name: (width * (i + 1) / (len(names) + 1), height - 40 - step * level)
        for level, names in enumerate(FLOORS)
        for i, name in enumerate(names)
    }
    edges = imports()
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="14">',
        "<title>Rooms of ttt_bench and their imports; each arrow goes to what is imported</title>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for (upper, lower), files in sorted(edges.items()):
        if lower == "ground":
            continue  # everybody stands on it
        (x1, y1), (x2, y2) = centre[upper], centre[lower]
        thick = 0.6 + 0.25 * min(len(files), 10)
        lines.append(
            f'<path d="M{x1:.0f} {y1 + box[1] / 2:.0f} L{x2:.0f} {y2 - box[1] / 2:.0f}" stroke="#4477aa" '
            f'stroke-width="{thick:.2f}" opacity="0.45" fill="none"><title>{upper} imports {lower}: '
            f"{len(files)} files</title></path>"
        )
    for name, (x, y) in centre.items():
        lines.append(
            f'<rect x="{x - box[0] / 2:.0f}" y="{y - box[1] / 2:.0f}" width="{box[0]}" height="{box[1]}" rx="6" '
            f'fill="#f4f1e8" stroke="#333"/><text x="{x:.0f}" y="{y + 5:.0f}" text-anchor="middle">{name}</text>'
        )
    return "\n".join([*lines, "</svg>"]) + "\n"


if __name__ == "__main__":
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_text(draw(), encoding="utf-8")
