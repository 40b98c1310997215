"""Delta over ``bn`` against the rate: a panel per pair, a line per method. Loads matplotlib."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ttt_bench.report.figures.canvas import Sketch, heading, robust_limits
from ttt_bench.report.paper import paper_order
from ttt_bench.report.style import WIDTH, MethodStyle, method_styles
from ttt_bench.selection.candidates import DECADES, HALVES, PUBLISHED, Candidate
from ttt_bench.selection.ledger import Ledger
from ttt_bench.selection.question import Question
from ttt_bench.selection.results import Panel, over_bn

RATES = tuple(Candidate(half) for half in sorted((*DECADES, *HALVES)))
HEIGHT, LINE = 3.0, 0.14


def draw_rates(panel: Panel, ledger: Ledger) -> Sketch | None:
    """What a method gains over ``bn`` at each multiple of its published rate, on the target and on the proxies."""
    styles = method_styles(panel.methods, paper_order())
    lines = math.ceil(len(panel.methods) / 7)
    figure = Figure(figsize=(WIDTH, HEIGHT + LINE * lines))
    axes = figure.add_axes(
        (0.075, (0.42 + LINE * lines) / (HEIGHT + LINE * lines), 0.9, 1.98 / (HEIGHT + LINE * lines))
    )
    drawn: list[np.ndarray] = []
    cells: list[str] = []
    for method in panel.methods:
        questions = [question for question in panel.questions if question.method == method]
        drawn += _draw(axes, questions, ledger, styles[method])
        cells += [
            q.trial(q.target, rate).id for q in questions for rate in RATES if ledger.has(q.trial(q.target, rate))
        ]
    if not drawn:
        return None
    _frame(axes, drawn)
    heading(
        figure, f"{panel.title.replace('->', ' → ')}: what the rate decides",
        "solid: target; dashed: mean over corrupted held-out source images; ring: published rate; "
        "0: re-estimated statistics (bn); mean over seeds",
    )  # fmt: skip
    _legend(figure, panel.methods, styles)
    return Sketch(figure, f"{panel.title}: rates", tuple(cells))


def _draw(axes: Axes, questions: Sequence[Question], ledger: Ledger, style: MethodStyle) -> list[np.ndarray]:
    drawn = []
    on_target = _means({r: [over_bn(q, q.target, r, ledger) for q in questions] for r in RATES})
    on_proxies = _means({
        r: [float(np.mean([over_bn(q, place, r, ledger) for _, place in q.places("proxies")])) for q in questions]
        for r in RATES
    })  # fmt: skip
    for curve, line, marker, width in ((on_target, "-", style.marker, 1.2), (on_proxies, (0, (3, 2)), "", 0.9)):
        if curve:
            rates = [candidate.multiple for candidate in curve]
            values = np.array(list(curve.values()))
            axes.plot(rates, values, color=style.colour, ls=line, marker=marker, lw=width, ms=3.2)
            drawn.append(values)
    if PUBLISHED in on_target:
        axes.plot([1.0], [on_target[PUBLISHED]], "o", mfc="none", mec=style.colour, ms=8, mew=1.0)
    return drawn


def _means(values: Mapping[Candidate, Sequence[float]]) -> dict[Candidate, float]:
    """Over the seeds; rates that some seed did not try, or that diverged, are left out."""
    return {rate: float(np.mean(each)) for rate, each in values.items() if np.isfinite(each).all()}


def _frame(axes: Axes, drawn: Sequence[np.ndarray]) -> None:
    axes.axhline(0.0, color="#7f7f7f", lw=0.9, zorder=1.5)
    axes.set_xscale("log")
    axes.set_xlim(10 ** (DECADES[0] / 2) / 1.3, 10 ** (DECADES[-1] / 2) * 1.3)
    ends = [10 ** (half / 2) for half in DECADES]
    axes.set_xticks(ends, [f"×{end:g}" for end in ends])
    axes.minorticks_off()
    limits = robust_limits([*drawn, np.zeros(1)])
    if limits is not None:
        # One destroyed network must not flatten all others: far below, the axis is logarithmic.
        low = min(float(np.min(values)) for values in drawn)
        if low < limits[0]:
            axes.set_yscale("symlog", linthresh=max(2.0, limits[1]), linscale=1.5)
        else:
            axes.set_ylim(*limits)
    axes.set_xlabel("rate, as a multiple of the published one")
    axes.set_ylabel("Δ−bn (points) ↑")


def _legend(figure: Figure, methods: Sequence[str], styles: Mapping[str, MethodStyle]) -> None:
    handles = [Line2D([], [], color=styles[m].colour, marker=styles[m].marker, ls="-", label=m) for m in methods]
    figure.legend(
        handles=handles, loc="lower center", ncols=min(7, len(handles)), frameon=False, bbox_to_anchor=(0.5, 0.02)
    )
