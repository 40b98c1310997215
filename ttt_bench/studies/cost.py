"""What each method costs, from source training to prediction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from ttt_bench.studies.contract import Stored, Study

if TYPE_CHECKING:
    from ttt_bench.report.figures.canvas import Sketch
    from ttt_bench.studies.page import Outcome


class Cost(Study):
    """Seconds and peak memory of source training, further source stages, updates and predictions."""

    name, place = "cost", 12
    brief = "Memory and time of training, alignment and test per method."
    title, origin, paper = "Cost of every stage", "CTA", "summary, next checks"
    question = "What do source training, alignment and test time cost, in memory and in seconds?"
    printed = "two networks in memory; no measurement of alignment or latency"
    measurement, adapts = "cost", False
    usual: ClassVar[Mapping[str, str]] = {"methods": "all"}
    notes = (
        "Medians over timed rounds in which all stages of a method take turns, on the sweep's own network, images and "
        "batch sizes. Reading images is not counted. Methods are measured one after the other: on a machine that does "
        "other work besides, compare with care.",
        "Memory: peak of a process that does nothing but that stage twice, over that of one that does nothing; on CUDA "
        "the device's memory.",
        "Source training is the network's own in shared training, with the method's branch in joint training. Further "
        "stages run on the frozen network: a method's branch, or CTA's contrast and alignment.",
    )

    def outcome(self, stored: Stored) -> Outcome:
        """A row per method: seconds, and memory."""
        from ttt_bench.studies.answers.cost import cost_outcome

        return cost_outcome(stored.measured)

    def draw(self, title: str, stored: Stored) -> Sketch:
        """Bars: source time, test time, memory."""
        from ttt_bench.studies.figures.cost import draw_costs

        return draw_costs(title, stored.measured)


STUDY = Cost()
