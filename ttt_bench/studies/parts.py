"""What a study runs: one or more sweeps over variants of the requested methods. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ttt_bench.errors import UserError
from ttt_bench.method import registry
from ttt_bench.method.configured import MethodCall
from ttt_bench.plan.plan import Plan, make_plan
from ttt_bench.plan.sweep import SweepConfig


@dataclass(frozen=True)
class Request:
    """Where a study's data and methods lie."""

    roots: Mapping[str, Path] = field(default_factory=dict)
    extra: tuple[Path, ...] = ()
    folder: Path = Path()
    """Of the study's sweep: what is finished there may decide what follows."""


@dataclass(frozen=True)
class Part:
    """One sweep of a study."""

    key: str
    """Which: a noise scale, a task, or nothing where there is only one."""
    plan: Plan
    titles: Mapping[str, str]
    """Cell id -> title of its row, in the order of the rows."""


def refuse_nothing(name: str, config: SweepConfig) -> None:
    """Raise a UserError where nothing but controls is asked for."""
    if all(call.name in registry.CONTROLS for call in config.methods):
        raise UserError(f"The study {name} needs a method beside the controls.", "Leave --methods out, or give s4t.")


def part_of(key: str, config: SweepConfig, request: Request) -> Part:
    """The sweep that ``config`` asks for, as one part."""
    return _plan(key, config, [(call.label, call) for call in config.methods], request)


def varied(name: str, variants: Mapping[str, Mapping[str, Any]], config: SweepConfig, request: Request) -> Part:
    """Every requested method in every variant, beside the controls.

    Args:
        name: of the study.
        variants: title of a row -> options that differ from the requested method's.
        config: what is asked for.
        request: where things lie.

    Raises:
        UserError: a method does not have an option that is varied.
    """
    refuse_nothing(name, config)
    asked = [call for call in config.methods if call.name not in registry.CONTROLS]
    rows = [(call.label, call) for call in config.methods if call.name in registry.CONTROLS]
    for call in asked:
        for title, changes in variants.items():
            missing = sorted(changes.keys() - call.info.options.keys())
            if missing:
                raise UserError(
                    f"The study {name} varies {missing[0]}, which {call.name} does not have.",
                    "Leave --methods out, or give s4t with options: --methods 's4t(loss_weight=0.1)'.",
                )
            own = f" [{call.label}]" if len(asked) > 1 else ""
            rows.append((title + own, call.with_options(**changes)))
    return _plan("", config, rows, request)


def _plan(key: str, config: SweepConfig, rows: Sequence[tuple[str, MethodCall]], request: Request) -> Part:
    titles: dict[str, str] = {}
    for title, call in rows:
        # Row by row, since a plan may restate a method's options in its cells.
        alone = make_plan(replace(config, methods=(call,)), request.roots, request.extra)
        for cell in alone.cells:
            titles.setdefault(cell.id, title)
    methods = tuple(call for _, call in rows)
    return Part(key, make_plan(replace(config, methods=methods), request.roots, request.extra), titles)
