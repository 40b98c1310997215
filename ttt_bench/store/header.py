"""What the header of a stored cell may say. It may come from anywhere, so every value that is used is looked at."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ttt_bench.identity import canonical

MOST_BYTES = 16 * 2**20
"""Of a header; a real one has a few thousand."""
MOST_TEXT = 4096
"""Characters of a name."""
_LARGEST = 2**63


@dataclass(frozen=True)
class Header:
    """A checked header."""

    schema: object
    cell_id: str
    cell: dict[str, Any]
    provenance: dict[str, Any]
    eval_steps: tuple[int, ...]
    summary: dict[str, Any]


def parse_header(text: bytes) -> Header:
    """Read and check a header.

    Raises:
        ValueError: it is not JSON, nests too deep, or a value is not what its name promises; says which.
    """
    try:
        content = json.loads(text)
    except RecursionError:
        raise ValueError("its header nests too deep") from None
    if not isinstance(content, dict):
        raise ValueError("its header is no object")
    parts = {key: content.get(key) for key in ("cell", "provenance", "summary")}
    for key, part in parts.items():
        if not isinstance(part, dict):
            raise ValueError(f"its {key} is no object")
    cell, provenance, summary = (dict(part) for part in parts.values() if isinstance(part, dict))
    _check(cell, _CELL, "cell")
    _check(provenance, _PROVENANCE, "provenance")
    _check(summary, _SUMMARY, "summary")
    for part in (cell, provenance):
        # Both go into identities and frames: no infinite number, no half of a surrogate pair.
        json.dumps(part, ensure_ascii=False).encode()
        canonical(part)
    if not _name(content.get("cell_id")):
        raise ValueError("its cell_id is no name")
    return Header(content.get("schema"), content["cell_id"], cell, provenance, _steps(content), summary)


def _steps(content: Mapping[str, Any]) -> tuple[int, ...]:
    steps = content.get("eval_steps")
    if not isinstance(steps, list) or not all(_count(step) for step in steps):
        raise ValueError("its eval_steps are no list of steps")
    if any(later <= step for step, later in pairwise(steps)):
        raise ValueError("its eval_steps do not rise")
    return tuple(steps)


def _check(part: Mapping[str, Any], rules: Mapping[str, Callable[[object], bool]], where: str) -> None:
    for key, holds in rules.items():
        if key in part and not holds(part[key]):
            raise ValueError(f"{key} in its {where} is not what it should be")


def _name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MOST_TEXT


def _text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MOST_TEXT


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -_LARGEST <= value < _LARGEST


def _count(value: object) -> bool:
    return _whole(value) and isinstance(value, int) and 0 <= value < 2**31


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _LARGEST


def _or_none(rule: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: value is None or rule(value)


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(_text(each) for each in value)


def _mapping(value: object) -> bool:
    return isinstance(value, dict)


def _size(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(_count(each) for each in value)


def _scores(value: object) -> bool:
    # A source score may be NaN: nothing valid to score.
    return isinstance(value, dict) and all(
        each is None or _number(each) or (isinstance(each, float) and math.isnan(each)) for each in value.values()
    )


def _segments(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, dict) and _text(each.get("name")) and _count(each.get("batches")) for each in value
    )


def _value(value: object) -> bool:
    return isinstance(value, bool) or _text(value) or _number(value)


def _pairs(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, list) and len(each) == 2 and _text(each[0]) and _value(each[1]) for each in value
    )


def _half(value: object) -> bool:
    return _whole(value) and isinstance(value, int) and abs(value) < 1000


def _tried(value: object) -> bool:
    return (
        isinstance(value, dict)
        and _half(value.get("half"))
        and _pairs(value.get("options"))
        and _or_none(_number)(value.get("score"))
        and isinstance(value.get("collapsed"), bool)
    )


def _choice(value: object) -> bool:
    return (
        isinstance(value, dict)
        and _text(value.get("strategy"))
        and isinstance(value.get("settings"), dict)
        and all(map(_value, value["settings"].values()))
        and _number(value.get("multiple"))
        and isinstance(value.get("at_edge"), bool)
        and isinstance(value.get("tried"), list)
        and all(map(_tried, value["tried"]))
    )


_CELL: dict[str, Callable[[object], bool]] = {
    **dict.fromkeys(("pair", "method"), _name),
    **dict.fromkeys(("protocol", "recipe", "training", "source", "target"), _text),
    "seed": _whole,
    "options": _or_none(_mapping),
    "stream": _or_none(_text),
    "segments": _or_none(_segments),
    "size": _or_none(_size),
    "tasks": _texts,
    "notes": _or_none(_texts),
    "choice": _or_none(_choice),
    "signals": _texts,
    "split": _text,
    "classes": _or_none(_texts),
    **dict.fromkeys(("steps", "batch_size"), _count),
}
_PROVENANCE: dict[str, Callable[[object], bool]] = {
    **dict.fromkeys(("git_sha", "device", "platform"), _or_none(_text)),
    "versions": _or_none(_mapping),
}
_SUMMARY: dict[str, Callable[[object], bool]] = {
    "collapsed_step": _or_none(_count),
    "collapse_reason": _or_none(_text),
    "source_scores": _or_none(_scores),
    "source_scores_after": _or_none(_scores),
    "absent_classes": _or_none(_count),
    **dict.fromkeys(("peak_memory_bytes", "parameters_total", "parameters_updated", "wall_seconds"), _or_none(_number)),
}
