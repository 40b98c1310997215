"""Further parts of the page that are tables: a new one is one function that returns nothing where it has no data."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ttt_bench.names import shown
from ttt_bench.report.entries import MISSING, number
from ttt_bench.report.page.model import Section
from ttt_bench.report.page.overall import over_pairs
from ttt_bench.report.result import Report

CHOICES = Path("selection") / "choices.parquet"
"""What ``select`` leaves in a sweep's folder."""
_CHOSEN = (
    "pair",
    "method",
    "strategy",
    "seed",
    "settings",
    "delta_bn",
    "delta_bn_low",
    "delta_bn_high",
    "regret",
    "collapsed",
)
_NEEDED = frozenset(_CHOSEN)


def further(report: Report, looks: Mapping[str, int]) -> tuple[Section, ...]:
    """The sections that this report has something to say in; ``looks``: label -> place among the page's."""
    chosen = [section for folder in report.sources for section in [strategies(folder)] if section is not None]
    return (*over_pairs(report.groups, looks), *chosen)


def strategies(folder: Path) -> Section | None:
    """Who chose the settings, and what that cost against the oracle: one row per pair, method and strategy."""
    path = folder / CHOICES
    if not path.is_file():
        return None
    id, title = f"strategies-{folder.name}", "Strategies and regret"
    try:
        choices = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        return Section(id, title, shown(f"{CHOICES} cannot be read ({error}): run `select` again."), ("strategy",), ())
    if not set(choices) >= _NEEDED:
        return Section(id, title, f"{CHOICES} is of another version: run `select` again.", ("strategy",), ())
    rows = [_row(key, chosen) for key, chosen in choices.groupby(["pair", "method", "strategy"], sort=True)]
    regrets = choices.groupby("strategy")["regret"].mean().sort_values().dropna()
    said = ", ".join(f"{shown(name)} {value:.2f}" for name, value in regrets.items())
    head = ("strategy", "method", "pair", "chosen", "Δ−bn", "95 %", "regret (points)", "collapsed")
    return Section(
        id, title, f"Mean regret behind the oracle's choice, in points: {said}." if said else "", head, tuple(rows)
    )


def _row(key: Sequence[Hashable], chosen: pd.DataFrame) -> tuple[str, ...]:
    pair, method, strategy = map(shown, key)
    gain, signed = chosen["delta_bn"].mean(), number(2, signed=True)
    low, high = chosen["delta_bn_low"].mean(), chosen["delta_bn_high"].mean()
    interval = f"[{signed(low)}, {signed(high)}]" if np.isfinite([low, high]).all() else MISSING
    settings = ", ".join(dict.fromkeys(shown(text) for text in chosen["settings"]))
    gone = f"{int(chosen['collapsed'].sum())}/{len(chosen)}"
    return strategy, method, pair, settings, signed(gain), interval, number(2)(chosen["regret"].mean()), gone
