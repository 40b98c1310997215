"""How much the TBS does not see (section 4.3 and appendix D)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ttt_bench.plan.sweep import SweepConfig
from ttt_bench.studies.contract import MASKS, Stored, Study
from ttt_bench.studies.parts import Part, Request, varied

if TYPE_CHECKING:
    from ttt_bench.report.figures.canvas import Sketch

RATIOS = (0.0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9)
"""Closer where the paper has its peak."""


class MaskRatio(Study):
    """S4T trained and adapted under one ratio after the other."""

    name, place = "mask-ratio", 3
    brief = "How much to hide."
    title, paper = "Mask ratio", "section 4.3 and appendix D"
    question = "How much should be hidden, and do the tasks agree about it?"
    printed = "rises, with its peak at about 0.7-0.8 and the same trend in every task (figure only)"
    notes = (
        "One model is trained per ratio and adapted with the same ratio; the paper does not say which it varied.",
        MASKS,
    )

    def parts(self, config: SweepConfig, request: Request) -> tuple[Part, ...]:
        """One sweep with a row per ratio."""
        return (varied(self.name, {f"ratio {ratio:g}": {"mask_ratio": ratio} for ratio in RATIOS}, config, request),)

    def draw(self, title: str, stored: Stored) -> Sketch:
        """Curves over the ratio."""
        from ttt_bench.studies.figures.sweeps import draw_ratios

        return draw_ratios(title, self.groups(stored))


STUDY = MaskRatio()
