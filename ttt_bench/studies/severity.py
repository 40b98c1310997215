"""Accuracy over the five severities of corruption."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from ttt_bench.errors import UserError
from ttt_bench.plan.sweep import SweepConfig
from ttt_bench.studies.contract import Stored, Study
from ttt_bench.studies.parts import Part, Request

if TYPE_CHECKING:
    from ttt_bench.report.figures.canvas import Sketch
    from ttt_bench.studies.page import Outcome


class Severity(Study):
    """One sweep over kinds of corruption at several severities."""

    name, place = "severity", 11
    brief = "Accuracy over the severities of corruption."
    title, origin, paper = "Over the severities", "CTA", "summary, next checks"
    question = "Does what a method gains at severity 5 hold when the corruption is mild?"
    printed = "evaluated at severity 5 alone"
    usual: ClassVar[Mapping[str, str]] = {
        "methods": "all", "track": "class", "pairs": "objects/studio->objects/studio+all:1-5",
    }  # fmt: skip
    notes = (
        "Each number is the mean over the kinds of corruption that every severity has, and over the seeds, at the last "
        "step. A published accuracy at severity 5 is the best step by target labels, and not comparable.",
        "`bn` re-estimates statistics alone: compare with it before `base`.",
    )

    def parts(self, config: SweepConfig, request: Request) -> tuple[Part, ...]:
        """One sweep.

        Raises:
            UserError: there are not two severities of a kind to compare, or no label of an image.
        """
        from ttt_bench.report.kinds import target_of

        found = {(pair.partition("->")[0], target_of(pair)) for pair in config.pairs}
        kinds = [(source, target.clean, target.kind) for source, target in found if target is not None]
        if len(set(kinds)) == len(kinds):
            raise UserError(
                "The study severity compares severities of one kind of corruption, and these pairs have none.",
                'Write for example --pairs "objects/studio->objects/studio+fog:1-5", or +all:1-5 for fifteen kinds.',
            )
        parts = super().parts(config, request)
        if any(cell.source.tasks != ("class",) for part in parts for cell in part.plan.cells):
            raise UserError(
                "The study severity shows accuracy, and these pairs have other tasks than one class per image.",
                "Take pairs of the class track, or --tasks class.",
            )
        return parts

    def outcome(self, stored: Stored) -> Outcome:
        """Rows methods, columns severities."""
        from ttt_bench.report.frames import summary_frame
        from ttt_bench.report.severities import severity_tables
        from ttt_bench.studies.page import Outcome

        groups = self.groups(stored)
        return Outcome(tuple(severity_tables(groups)), summary_frame(groups))

    def draw(self, title: str, stored: Stored) -> Sketch:
        """The report's figure."""
        from ttt_bench.report.figures.severity import draw_severity
        from ttt_bench.report.paper import paper_order
        from ttt_bench.report.style import method_styles

        groups = self.groups(stored)
        labels = list(dict.fromkeys(row.label for group in groups for row in group.rows))
        sketch = draw_severity(groups, method_styles(labels, paper_order()))
        assert sketch is not None  # there is a table, so there are two severities
        return sketch


STUDY = Severity()
