"""What a study runs: one or more sweeps over variants of the requested methods. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ttt_bench.errors import UserError
from ttt_bench.method import registry
from ttt_bench.method.configured import MethodCall
from ttt_bench.plan.plan import Plan, make_plan
from ttt_bench.plan.sweep import SweepConfig
from ttt_bench.studies.catalogue import Study

RATIOS = (0.0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9)
"""Of the mask-ratio study: closer where the paper has its peak."""
NOISE_SCALES = (0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4)
"""The paper's Table 5."""

VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "components": {
        "TBS": {"projection": False, "mask_ratio": 0.0},
        "TBS + projection": {"mask_ratio": 0.0},
        "TBS + mask, image": {"projection": False, "reconstruct_image": True},
        "TBS + projection + mask": {},
    },
    "masking": {
        "(a) random": {"strategy": "random"},
        "(b) disjoint": {"strategy": "disjoint"},
        "(c) same": {"strategy": "same"},
        "(d) whole tasks": {"strategy": "task"},
    },
    "mask-ratio": {f"ratio {ratio:g}": {"mask_ratio": ratio} for ratio in RATIOS},
}
"""Study -> title of a row -> options that differ from the requested method's."""

MULTI = "multi"
"""Key of the single-task study's part with all tasks."""


@dataclass(frozen=True)
class Part:
    """One sweep of a study."""

    key: str
    """Which: a noise scale, a task, or nothing where there is only one."""
    plan: Plan
    titles: Mapping[str, str]
    """Cell id -> title of its row, in the order of the rows."""


def study_parts(
    study: Study, config: SweepConfig, roots: Mapping[str, Path] | None = None, extra: tuple[Path, ...] = ()
) -> tuple[Part, ...]:
    """Every cell of ``study`` for a request; the controls are always among them.

    Raises:
        UserError: a requested method does not have the options that the study varies, or the plan is impossible.
    """
    _refuse_nothing(study, config)
    if study.name in VARIANTS:
        return (_varied(study, config, roots, extra),)
    if study.name == "noise":
        return tuple(_part(f"{scale:g}", replace(config, input_noise=scale), roots, extra) for scale in NOISE_SCALES)
    joint = _part(MULTI if study.name == "single-task" else "", config, roots, extra)
    return (joint, *_single_tasks(joint.plan)) if study.name == "single-task" else (joint,)


def _refuse_nothing(study: Study, config: SweepConfig) -> None:
    if all(call.name in registry.CONTROLS for call in config.methods):
        raise UserError(
            f"The study {study.name} needs a method beside the controls.", "Leave --methods out, or give s4t."
        )


def _varied(study: Study, config: SweepConfig, roots: Mapping[str, Path] | None, extra: tuple[Path, ...]) -> Part:
    asked = [call for call in config.methods if call.name not in registry.CONTROLS]
    rows = [(call.label, call) for call in config.methods if call.name in registry.CONTROLS]
    for call in asked:
        for title, changes in VARIANTS[study.name].items():
            missing = sorted(changes.keys() - call.info.options.keys())
            if missing:
                raise UserError(
                    f"The study {study.name} varies {missing[0]}, which {call.name} does not have.",
                    "Leave --methods out, or give s4t with options: --methods 's4t(loss_weight=0.1)'.",
                )
            own = f" [{call.label}]" if len(asked) > 1 else ""
            rows.append((title + own, call.with_options(**changes)))
    return _plan("", config, rows, roots, extra)


def _part(key: str, config: SweepConfig, roots: Mapping[str, Path] | None, extra: tuple[Path, ...]) -> Part:
    return _plan(key, config, [(call.label, call) for call in config.methods], roots, extra)


def _plan(
    key: str,
    config: SweepConfig,
    rows: Sequence[tuple[str, MethodCall]],
    roots: Mapping[str, Path] | None,
    extra: tuple[Path, ...],
) -> Part:
    titles: dict[str, str] = {}
    for title, call in rows:
        # Row by row, since a plan may restate a method's options in its cells.
        alone = make_plan(replace(config, methods=(call,)), roots, extra)
        for cell in alone.cells:
            titles.setdefault(cell.id, title)
    methods = tuple(call for _, call in rows)
    return Part(key, make_plan(replace(config, methods=methods), roots, extra), titles)


def _single_tasks(joint: Plan) -> list[Part]:
    """A part per task: the same sweep with that task alone, on the pairs that have it."""
    tasks = {cell.pair: cell.source.tasks for cell in joint.cells}
    parts = []
    for task in dict.fromkeys(task for shared in tasks.values() for task in shared):
        pairs = tuple(pair for pair, shared in tasks.items() if task in shared)
        config = replace(joint.config, pairs=pairs, tasks=(task,))
        parts.append(_part(task, config, joint.roots, joint.extra_methods))
    return parts
