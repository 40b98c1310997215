"""Where the S4T paper's headline comes from: its gain over ``base``, taken apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from ttt_bench.errors import UserError
from ttt_bench.plan.sweep import SweepConfig
from ttt_bench.studies.contract import Stored, Study
from ttt_bench.studies.parts import Part, Request, refuse_nothing

if TYPE_CHECKING:
    from ttt_bench.report.figures.canvas import Sketch
    from ttt_bench.studies.page import Outcome

ACCIDENT = "input-scaling"


class Headline(Study):
    """Trials of every method's rate, beside its published setting with pixels scaled as the S4T release has them."""

    name, place = "headline", 8
    brief = "The gain over base taken apart: statistics, scaling, loss."
    title, paper = "Where the headline comes from", "Table 1"
    question = "How much of the gain over `base` is statistics, undone input scaling, and the test-time loss?"
    printed = "+34.94 (NYUD-v2) and +34.20 (PASCAL-Context) over the un-adapted network, as one number"
    usual: ClassVar[Mapping[str, str]] = {"methods": "all", "protocols": "online,single", "training": "shared,joint"}
    follows = True
    notes = (
        "statistics: Δ of `bn`, which makes the method's forwards and updates no weight. undone scaling: what `bn` "
        "gains more where source pixels enter in [-1, 1] and target pixels with ImageNet's constants, as the "
        "release has it on Taskonomy; where no side is Taskonomy, or both are, the source stands in for it. The "
        "network is trained on such pixels.",
        "loss: Δ of the method at its published rate minus Δ of `bn`, with pixels scaled alike. tuned: what the rate "
        "chosen on corrupted held-out source images adds; oracle†: what the best of all tried adds by target labels.",
        "branch, in joint training: Δ of `bn` on the network trained along with the method's branch minus Δ of `bn` "
        "on the network trained alone; the loss is then counted from the former.",
        "as released: Δ of the published setting under the accident, against the `base` under the accident. "
        "statistics + undone scaling + branch + loss + interaction is exactly that; interaction: how differently "
        "branch and loss act under the accident.",
        "Intervals: paired block bootstrap over batches and seeds, the same draws for all terms of a part.",
    )

    def parts(self, config: SweepConfig, request: Request) -> tuple[Part, ...]:
        """All trials that are known now, and the cells beside them."""
        refuse_nothing(self.name, config)
        if ACCIDENT in config.released:
            raise UserError(
                f"The study {self.name} restores {ACCIDENT} itself, beside runs without it.",
                f"Leave {ACCIDENT} out of --released.",
            )
        if config.recipes != ("native",):
            raise UserError(f"The study {self.name} starts from the published settings.", "Leave --recipes out.")
        from ttt_bench.studies.counterparts import look

        plan = look(config, request).plan
        return (Part("", plan, {cell.id: cell.label for cell in plan.cells}),)

    def outcome(self, stored: Stored) -> Outcome:
        """A table of parts per pair, protocol and training, and a paragraph."""
        from ttt_bench.studies.answers.headline import decomposed, headline_outcome
        from ttt_bench.studies.counterparts import look

        found = look(stored.parts[0].plan.config, stored.request)
        outcome = headline_outcome(decomposed(found))
        stored.warnings.extend(found.compared.ledger.warnings)
        return outcome

    def draw(self, title: str, stored: Stored) -> Sketch:
        """Stacked parts of Delta."""
        from ttt_bench.studies.answers.headline import decomposed
        from ttt_bench.studies.counterparts import look
        from ttt_bench.studies.figures.headline import draw_headline

        return draw_headline(title, decomposed(look(stored.parts[0].plan.config, stored.request)))


STUDY = Headline()
