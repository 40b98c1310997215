"""What holds over many tables: mean ranks, whether rankings agree, and whether tasks in step gain more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from ttt_bench.report.entries import MISSING, Entry, TextTable, number
from ttt_bench.report.groups import Group
from ttt_bench.report.overview import by_block, gain_matrix
from ttt_bench.report.runs import BASE, Block
from ttt_bench.report.uncertainty import DELTA
from ttt_bench.statistics.comparison import Ranks, kendall, mean_ranks
from ttt_bench.statistics.correlation import Correlation, rank_correlation

LEAST_PAIRS = 5
"""For a critical difference (Demsar 2006)."""
SYNC = (("sv", "SV", -1), ("dtw", "DTW", -1), ("cs", "CS", 1))
"""Key, name, and the sign that the claim of the S4T paper wants: less variance and distance, more similarity."""


def over_all(groups: Sequence[Group]) -> list[tuple[str, TextTable]]:
    """The tables over all pairs, each with what it is of; those without data are left out."""
    blocks = by_block(groups)
    found = [(block.title, make(members)) for block, members in blocks.items() for make in (rank_table, sync_claim)]
    tables = [(title, table) for title, table in found if table is not None]
    agreement = agreement_table(blocks)
    return tables if agreement is None else [*tables, ("", agreement)]


def ranks_of(groups: Sequence[Group]) -> Ranks | None:
    """Mean ranks of the methods (and of ``bn``) over the pairs of one block; None below ``LEAST_PAIRS``.

    A method whose every run collapsed on a pair comes last there; one that was not run on a pair is left out.
    """
    labels, matrix, gone = gain_matrix(groups)
    matrix = np.where(gone, -np.inf, matrix)
    kept = [place for place, row in enumerate(matrix) if not np.isnan(row).any()]
    if len(groups) < LEAST_PAIRS or len(kept) < 2:
        return None
    return mean_ranks([labels[place] for place in kept], matrix[kept].T)


def rank_table(groups: Sequence[Group]) -> TextTable | None:
    """The mean ranks, best first."""
    ranks = ranks_of(groups)
    if ranks is None:
        return None
    order = np.argsort(ranks.mean, kind="stable")
    rows = tuple((Entry(ranks.names[place]), Entry(f"{ranks.mean[place]:.2f}")) for place in order)
    notes = [f"Ranks in Δ at the last step over {len(groups)} pairs, 1 is best; a collapsed method comes last."]
    if np.isfinite(ranks.critical_difference):
        notes.append(
            f"Friedman p {ranks.friedman_p:.3g}. Mean ranks that differ by less than {ranks.critical_difference:.2f} "
            "cannot be told apart at 5 % (Nemenyi; Demšar 2006)."
        )
    return TextTable("Mean ranks", ("method", "mean rank ↓"), rows, tuple(notes))


def agreement_table(blocks: Mapping[Block, Sequence[Group]]) -> TextTable | None:
    """Kendall's tau between the rankings of any two blocks, averaged over the pairs that both have."""
    show, rows = number(2, signed=True), []
    for (one, first), (other, second) in combinations(blocks.items(), 2):
        shared = [(a, b) for a in first for b in second if a.pair == b.pair]
        taus = [tau for a, b in shared if np.isfinite(tau := _tau(a, b))]
        if taus:
            differs = [(x, y) for x, y in zip(_parts(one), _parts(other), strict=True) if x != y]
            names = (", ".join(side) for side in zip(*differs, strict=True))
            rows.append((*map(Entry, names), Entry(str(len(taus))), Entry(show(float(np.mean(taus))))))
    if not rows:
        return None
    note = (
        "Kendall's τ of the methods' Δ at the last step, mean over the pairs that both have: 1 the same order, 0 none."
    )
    return TextTable("Do rankings agree?", ("one", "other", "pairs", "τ"), tuple(rows), (note,))


def _parts(block: Block) -> tuple[str, ...]:
    return block.protocol, f"stream {block.stream}", block.recipe, f"{block.training} training", block.size


def _tau(one: Group, other: Group) -> float:
    theirs = {row.label: row.mean(DELTA) for row in other.rows}
    both = [(row.mean(DELTA), theirs[row.label]) for row in one.rows if row.label in theirs and row.method != BASE]
    return kendall([a for a, _ in both], [b for _, b in both])


def sync_claim(groups: Sequence[Group]) -> TextTable | None:
    """Do methods whose tasks move together gain more? The claim of the S4T paper, method by method."""
    rows = []
    overall: dict[str, tuple[list[float], list[float]]] = {key: ([], []) for key, _, _ in SYNC}
    for group in groups:
        found = []
        for key, _, _ in SYNC:
            points = [(row.mean(key), row.mean(DELTA)) for row in group.rows if row.method != BASE]
            known = [point for point in points if np.isfinite(point).all()]
            found.append(rank_correlation([x for x, _ in known], [y for _, y in known]))
            _add_ranks(overall[key], known)
        rows.append((group.title, found))
    together = [rank_correlation(*overall[key]) for key, _, _ in SYNC]
    if not any(np.isfinite(each.rho) for each in together):
        return None
    if len(groups) > 1:
        rows.append(("all pairs, ranked within each", together))
    entries = tuple((Entry(name), *(Entry(_told(each)) for each in found)) for name, found in rows)
    head = ("pair", *(f"{name} with Δ" for _, name, _ in SYNC))
    return TextTable("Do methods in step gain more?", head, entries, (_sentence(together), _HOW))


_HOW = (
    "Spearman's rank correlation over methods, with Fisher's 95 % interval and the number of points; all pairs "
    "together are taken as independent, which makes that interval too narrow. The claim wants SV and DTW below 0, CS "
    "above."
)


def _add_ranks(to: tuple[list[float], list[float]], points: Sequence[tuple[float, float]]) -> None:
    from scipy.stats import rankdata

    if len(points) > 1:
        for side, values in zip(to, zip(*points, strict=True), strict=True):
            side.extend(rankdata(values) / len(points))


def _told(found: Correlation) -> str:
    if not np.isfinite(found.rho):
        return MISSING
    return f"{found.rho:+.2f} [{found.low:+.2f}, {found.high:+.2f}] ({found.points})"


def _sentence(together: Sequence[Correlation]) -> str:
    """What the correlations say of the claim."""
    said: dict[int, list[str]] = {1: [], -1: [], 0: []}
    for (_, name, wanted), found in zip(SYNC, together, strict=True):
        said[found.sign * wanted].append(name)
    parts = []
    if said[1]:
        parts.append(f"methods in step gain more by {' and '.join(said[1])}")
    if said[-1]:
        parts.append(f"they gain less by {' and '.join(said[-1])}")
    if said[0]:
        parts.append(f"{' and '.join(said[0])} cannot be told to go with Δ at all")
    return f"{'; '.join(parts)[:1].upper()}{'; '.join(parts)[1:]}."
