"""The packages stand on each other without circles, wherever in a file an import is written."""

import ast
from graphlib import CycleError, TopologicalSorter

import pytest
from tiny_sweep import REPOSITORY

PACKAGE = REPOSITORY / "ttt_bench"


def imports():
    """Room -> rooms that any of its files loads; annotations alone load nothing."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        unread = {id(node) for test in _type_checking(tree) for node in ast.walk(test)}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and id(node) not in unread:
                found.setdefault(room, set()).update(_rooms(node) - {room})
    return found


def _type_checking(tree):
    return [n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.dump(n.test)]


def _rooms(node):
    if node.module == "ttt_bench":
        return {alias.name for alias in node.names if not alias.name.startswith("_")}
    return {node.module.split(".")[1]} if (node.module or "").startswith("ttt_bench.") else set()


def test_no_circle_of_imports_joins_two_packages():
    try:
        order = list(TopologicalSorter(imports()).static_order())
    except CycleError as error:
        pytest.fail(f"imports go round: {' -> '.join(error.args[1])}")
    assert order.index("errors") < order.index("store") < order.index("launch") < order.index("cli")


def test_a_circle_would_be_seen():
    with pytest.raises(CycleError):
        list(TopologicalSorter({**imports(), "errors": {"cli"}}).static_order())
