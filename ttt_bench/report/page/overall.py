"""What holds over all pairs, kinds and severities of corruption, as sections: the tables of ``report.md``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ttt_bench.report.entries import TextTable, metric_head
from ttt_bench.report.groups import Group
from ttt_bench.report.kinds import kind_tables
from ttt_bench.report.overview import by_block, overview_table
from ttt_bench.report.page import model
from ttt_bench.report.page.curves import series
from ttt_bench.report.relations import agreement_table, rank_table, ranks_of, sync_claim
from ttt_bench.report.runs import Block
from ttt_bench.report.severities import Severities, over_severities, severity_table

PAIRS, KINDS, SEVERITIES = "All pairs", "Kinds", "Severities"


def over_pairs(groups: Sequence[Group], looks: Mapping[str, int]) -> tuple[model.Section, ...]:
    """The sections about more than one table, block by block; those without data are left out.

    Args:
        groups: of the report.
        looks: label -> place among the page's looks.
    """
    blocks = by_block(groups)
    found = [
        section
        for number, (block, members) in enumerate(blocks.items())
        for section in _of_block(block, members, looks, number)
    ]
    agreement = agreement_table(blocks)
    return (*found, *([_section("agreement", PAIRS, agreement)] if agreement else []))


def _of_block(block: Block, groups: Sequence[Group], looks: Mapping[str, int], number: int) -> Iterator[model.Section]:
    tables = [
        (f"overview-{number}", PAIRS, overview_table(groups)),
        (f"ranks-{number}", PAIRS, rank_table(groups)),
        (f"sync-claim-{number}", PAIRS, sync_claim(groups)),
        *((f"kinds-{number}-{place}", KINDS, table) for place, table in enumerate(kind_tables(groups))),
    ]
    for id, part, table in tables:
        if table is not None:
            ranks = _ranks(groups, looks) if table.title == "Mean ranks" else None
            yield _section(id, part, table, block.title, ranks)
    for place, found in enumerate(over_severities(groups)):
        id, table = f"severities-{number}-{place}", severity_table(found)
        yield _section(id, SEVERITIES, table, block.title, severities=_severities(found, looks))


def _section(
    id: str,
    part: str,
    table: TextTable,
    block: str = "",
    ranks: model.Ranks | None = None,
    severities: model.Severities | None = None,
) -> model.Section:
    return model.Section(
        id=id,
        title=table.title,
        said=block if block and block not in table.title else "",
        head=table.head,
        rows=tuple(tuple(entry.text for entry in row) for row in table.rows),
        marks=tuple(tuple(entry.emphasis for entry in row) for row in table.rows),
        notes=table.notes,
        part=part,
        block=block,
        ranks=ranks,
        severities=severities,
    )


def _ranks(groups: Sequence[Group], looks: Mapping[str, int]) -> model.Ranks | None:
    """For the diagram; None where there is no critical difference to draw."""
    known = ranks_of(groups)
    if known is None:
        return None
    [critical] = series(known.critical_difference, 3)
    order = sorted(range(len(known.names)), key=lambda place: known.mean[place])
    labels = tuple(known.names[place] for place in order)
    mean = series([known.mean[place] for place in order], 3)
    return None if critical is None else model.Ranks(labels, tuple(looks[name] for name in labels), mean, critical)


def _severities(found: Severities, looks: Mapping[str, int]) -> model.Severities:
    """For the chart."""
    labels = tuple(found.levels)
    return model.Severities(
        labels,
        tuple(looks[label] for label in labels),
        found.severities,
        tuple(series(found.levels[label], found.metric.digits + 2) for label in labels),
        metric_head(found.metric),
    )
