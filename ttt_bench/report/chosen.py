"""What tables say of settings that were chosen: which, how far from the published ones, and by what trail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ttt_bench.method.options import settings_text
from ttt_bench.names import shown

if TYPE_CHECKING:
    from ttt_bench.report.groups import Row


def choice_notes(rows: Sequence[Row]) -> tuple[str, ...]:
    """A line per row whose settings a strategy chose; the words of ``tuned`` come first."""
    lines = []
    for row in rows:
        choices = {s.run.cell.get("seed"): s.run.cell["choice"] for s in row.runs if s.run.cell.get("choice")}
        if choices:
            lines.append(f"{row.label}: {_chosen(choices)}. {_trail(choices)}")
    if not lines:
        return ()
    return (
        "Tuned: settings chosen without any label of the target, by the mean Δ on corrupted held-out source images, "
        "with as many trials for each method.",
        *lines,
    )


def _chosen(choices: Mapping[Any, Mapping[str, Any]]) -> str:
    said: dict[str, list[str]] = {}
    for seed, choice in choices.items():
        settings = shown(settings_text(choice["settings"], ", "))
        edge = ", at the edge of the grid" if choice["at_edge"] else ""
        said.setdefault(f"{settings} (x{choice['multiple']:.3g} of the published rate{edge})", []).append(str(seed))
    if len(said) == 1:
        return next(iter(said))
    return "; ".join(f"{words} for seed {', '.join(seeds)}" for words, seeds in said.items())


def _trail(choices: Mapping[Any, Mapping[str, Any]]) -> str:
    """The trials of the first seed, and how many collapsed over all."""
    first = next(iter(choices.values()))
    scores = [f"x{10 ** (t['half'] / 2):.3g} {_score(t)}" for t in first["tried"]]
    runs = [tried for choice in choices.values() for tried in choice["tried"]]
    gone = sum(bool(tried["collapsed"]) for tried in runs)
    seeds = f" (seed {next(iter(choices))})" if len(choices) > 1 else ""
    collapsed = f"; {gone} of {len(runs)} trials collapsed" if gone else ""
    return f"Trials{seeds}, Δ: {', '.join(scores)}{collapsed}."


def _score(tried: Mapping[str, Any]) -> str:
    options = shown(settings_text(dict(tried["options"]), ", "))
    said = "diverged" if tried["score"] is None else f"{tried['score']:+.2f}"
    return f"({options}) {said}" if options else said
