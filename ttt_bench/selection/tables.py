"""The tables of ``select``, and a sentence on what they mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ttt_bench.report.entries import MISSING, Entry, TextTable, interval_text, number
from ttt_bench.selection.results import Panel, Pick
from ttt_bench.selection.strategies.contract import Strategy
from ttt_bench.statistics.comparison import kendall

SIGNED, PLAIN = number(2, signed=True), number(2)
Strategies = Sequence[Strategy[Any]]


def all_tables(panels: Sequence[Panel], strategies: Strategies) -> list[TextTable]:
    """(a) values, (b) regret, (c) rankings, (e) collapses; nothing where no strategy could choose yet."""
    if not any(panel.picks for panel in panels):
        return []
    values = [values_table(panel, strategies) for panel in panels]
    return [regret_table(panels, strategies), *values, agreement_table(panels, strategies)]


def values_table(panel: Panel, strategies: Strategies) -> TextTable:
    """Method x strategy: Delta over ``bn`` at the last step of what was chosen, with its interval and its rate."""
    rows = []
    for method in panel.methods:
        found = [panel.picks.get((method, strategy.name)) for strategy in strategies]
        best = _best([pick for pick, s in zip(found, strategies, strict=True) if not s.oracle])
        cells = [_value(pick, s, best) for pick, s in zip(found, strategies, strict=True)]
        rows.append((Entry(method), *cells))
    notes = (
        "Δ−bn in points at the last step, [95 % interval] of the paired bootstrap, and the rate as a multiple of the "
        "published one (several: one per seed). ! at the edge of the grid. ✗ runs that collapsed; means are over the "
        "others. Bold: the best of a row that no oracle chose. †: sees all labels of the target.",
        *(f"{s.name} looks at {s.looks_at}." for s in strategies),
    )
    return TextTable(f"{panel.title}: what each strategy's choice is worth", _head(strategies), tuple(rows), notes)


def _head(strategies: Strategies) -> tuple[str, ...]:
    return ("method", *(f"{s.name}{'†' * s.oracle}" for s in strategies))


def _best(picks: Sequence[Pick | None]) -> float:
    known = [p.value for p in picks if p is not None and not p.collapsed and math.isfinite(p.value)]
    return max(known, default=math.nan)


def _value(pick: Pick | None, strategy: Strategy[Any], best: float) -> Entry:
    if pick is None:
        return Entry(MISSING)
    rates = dict.fromkeys(f"{choice.candidate.label}{'!' * choice.at_edge}" for _, choice in pick.choices)
    gone = f" ✗{pick.collapsed}/{len(pick.row.runs)}" if pick.collapsed else ""
    text = " ".join(part for part in (SIGNED(pick.value), interval_text(pick.over_bn)) if part)
    wins = not pick.collapsed and SIGNED(pick.value) == SIGNED(best)
    return Entry(f"{text}{gone} {'/'.join(rates)}", "oracle" if strategy.oracle else "bold" if wins else "")


def regret_table(panels: Sequence[Panel], strategies: Strategies) -> TextTable:
    """Per strategy: how far behind the oracle, what it is worth on average, how often it picks a collapse."""
    rows = []
    for strategy in strategies:
        picks = [p for panel in panels for (_, name), p in panel.picks.items() if name == strategy.name]
        regrets = [p.regret for p in picks if math.isfinite(p.regret)]
        runs, gone = sum(len(p.row.runs) for p in picks), sum(p.collapsed for p in picks)
        edges = sum(choice.at_edge for p in picks for _, choice in p.choices)
        worst = max(picks, key=lambda p: p.regret if math.isfinite(p.regret) else -math.inf, default=None)
        cells = (
            PLAIN(_mean(regrets)), PLAIN(max(regrets, default=math.nan)),
            f"{worst.method}, {worst.pair.partition('->')[2]}" if worst and regrets and max(regrets) > 0 else MISSING,
            SIGNED(_mean([p.value for p in picks])), SIGNED(_mean([p.stepwise for p in picks])),
            f"{gone}/{runs}", f"{edges}/{runs}",
        )  # fmt: skip
        name = f"{strategy.name}{'†' * strategy.oracle}"
        rows.append((Entry(name), *(Entry(cell, "oracle" if strategy.oracle else "") for cell in cells)))
    head = (
        "strategy", "regret, mean ↓", "regret, worst ↓", "worst on", "Δ−bn ↑", "Δ−bn, step too ↑", "collapsed",
        "at the edge",
    )  # fmt: skip
    notes = (
        "Regret: Δ of the oracle's choice minus that of this strategy's, at the last step on the same images, in "
        "points; over methods and pairs, collapsed runs included. The oracle takes the best of everything tried. "
        "Step too: settings and step chosen together. Collapsed: chosen runs that did on the target.",
    )
    return TextTable("How far is each strategy from the best that was tried?", head, tuple(rows), notes)


def agreement_table(panels: Sequence[Panel], strategies: Strategies) -> TextTable:
    """Kendall's tau between the rankings of methods that two strategies lead to, mean over the pairs."""
    rows = []
    for one in strategies:
        taus = [_tau(panels, one.name, other.name) for other in strategies]
        rows.append((Entry(one.name), *(Entry(PLAIN(tau)) for tau in taus)))
    few = max((len(panel.methods) for panel in panels), default=0) < 3
    notes = (
        "Kendall's tau-b between the orders of the methods in Δ−bn when each is run as the strategy says; 1: the same "
        "order. Mean over the pairs." + (" A ranking needs three methods." if few else ""),
    )
    return TextTable(
        "Do strategies rank the methods alike?", ("strategy", *(s.name for s in strategies)), tuple(rows), notes
    )


def _tau(panels: Sequence[Panel], one: str, other: str) -> float:
    taus = []
    for panel in panels:
        both = [
            (panel.picks[m, one].value, panel.picks[m, other].value)
            for m in panel.methods
            if (m, one) in panel.picks and (m, other) in panel.picks
        ]
        tau = kendall([a for a, _ in both], [b for _, b in both])
        taus += [tau] if math.isfinite(tau) else []
    return _mean(taus)


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return float(np.mean(known)) if known else math.nan


def sentence(panels: Sequence[Panel], strategies: Strategies) -> str:
    """What it means, made from the numbers alone; empty where nothing was chosen."""
    regret = {s.name: _regrets(panels, s.name) for s in strategies}
    honest = {s.name: _mean(regret[s.name]) for s in strategies if s.labels in ("none", "source")}
    honest = {name: value for name, value in honest.items() if math.isfinite(value)}
    if not honest:
        return ""
    best = min(honest, key=lambda name: honest[name])
    parts = [
        f"Of the strategies that need no target label, {best} comes nearest to the best that was tried: "
        f"{honest[best]:.2f} points of Δ behind on average, {max(regret[best]):.2f} at worst."
    ]
    if best != "published" and "published" in honest:
        parts.append(f"The published settings lie {honest['published']:.2f} behind ({max(regret['published']):.2f}).")
    gone = [
        f"{s.name} in {sum(p.collapsed for p in picks)} of {sum(len(p.row.runs) for p in picks)}"
        for s in strategies
        if (picks := [p for panel in panels for (_, n), p in panel.picks.items() if n == s.name])
        and any(p.collapsed for p in picks)
    ]
    parts.append(f"Collapsed runs were chosen by {', '.join(gone)}." if gone else "No strategy chose a collapsed run.")
    above = sorted({p.method for panel in panels for (_, n), p in panel.picks.items() if n == best and _above(p)})
    parts.append(
        f"Chosen by {best}, {', '.join(above)} {'lies' if len(above) == 1 else 'lie'} above re-estimated statistics "
        "(bn) on some pair."
        if above
        else f"Chosen by {best}, no method can be told to be above re-estimated statistics (bn)."
    )
    return " ".join(parts)


def _regrets(panels: Sequence[Panel], strategy: str) -> list[float]:
    picks = [pick for panel in panels for (_, name), pick in panel.picks.items() if name == strategy]
    return [pick.regret for pick in picks if math.isfinite(pick.regret)]


def _above(pick: Pick) -> bool:
    return pick.over_bn is not None and pick.over_bn.low > 0 and not pick.collapsed
