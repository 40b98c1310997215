"""The strategies by name."""

from __future__ import annotations

from typing import Any

from ttt_bench.choices import Range, check_once, read_int, read_list
from ttt_bench.errors import UserError, did_you_mean
from ttt_bench.metrics.signals import SIGNALS
from ttt_bench.selection.strategies.contract import Strategy
from ttt_bench.selection.strategies.with_target_labels import FewLabels, Oracle, OtherPairs
from ttt_bench.selection.strategies.without_target_labels import Published, Signal, SourceAccuracy, SourceShift

AnyStrategy = Strategy[Any]
FEW, FEWEST = "few-labels", 16
_ALL: tuple[AnyStrategy, ...] = (
    Published(), SourceShift(), SourceAccuracy(), *(Signal(name) for name in SIGNALS), OtherPairs(), FewLabels(FEWEST),
    Oracle(),
)  # fmt: skip
STRATEGIES = {strategy.name: strategy for strategy in _ALL}


def parse_strategies(text: str) -> tuple[AnyStrategy, ...]:
    """``all``, or names separated by commas; the oracle is always among them, as regret is measured by it.

    Raises:
        UserError: a name is unknown.
    """
    if text.strip() == "all":
        return tuple(STRATEGIES.values())
    names = read_list("--strategies", text)
    if not names:
        raise UserError("--strategies is empty.", did_you_mean("", STRATEGIES))
    check_once("--strategies", names)
    chosen = [_find(name) for name in names]
    return tuple([s for s in chosen if not s.oracle] + [STRATEGIES["oracle"]])


def _find(name: str) -> AnyStrategy:
    head, colon, number = name.partition(":")
    if head == FEW:
        return FewLabels(read_int(FEW, number, Range(1, 10**6)) if colon else FEWEST)
    if name not in STRATEGIES:
        raise UserError(f"--strategies {name!r} is unknown.", did_you_mean(name, [*STRATEGIES, f"{FEW}:N"]))
    return STRATEGIES[name]
