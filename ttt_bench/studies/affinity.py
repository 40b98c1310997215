"""Relations between task latents (Fig. 6, Assumption 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ttt_bench.studies.contract import Stored, Study

if TYPE_CHECKING:
    from ttt_bench.report.figures.canvas import Sketch
    from ttt_bench.studies.page import Outcome


class Affinity(Study):
    """Cosines of the slices of two tasks: before, after, and in a model that saw target labels."""

    name, place = "affinity", 6
    brief = "Relations of task latents: before, after, with labels."
    title, paper = "Task affinity", "Fig. 6 (Assumption 1)"
    question = "Does adaptation move the relations between task latents towards a model that saw target labels?"
    printed = "the gap to the fine-tuned model shrinks (figure only)"
    measurement = "affinity"
    notes = (
        "A_ij: cosine of the slices of tasks i and j along their channels, mean over pixels and images of the "
        "target's test set, network in eval mode. Pooling per pixel is a choice: the paper does not say. "
        "gap: mean over i < j of |A - A fine-tuned|.",
        "after: on each batch right after its updates, as the scores are. bn: the same model after the same "
        "forwards without a gradient, so after - bn is what the S4T loss did.",
        "The fine-tuned model starts from the source-trained one; all of it moves, under the losses "
        "of the heads and of the method's own branch, on target training images with labels.",
    )

    def outcome(self, stored: Stored) -> Outcome:
        """Affinities of the four models, and the cells' own tables beside."""
        from ttt_bench.studies.answers.checks import affinity_outcome
        from ttt_bench.studies.page import Outcome
        from ttt_bench.studies.tables import variants_table

        outcome = affinity_outcome(stored.measured)
        if not outcome.tables:
            return outcome
        beside = [variants_table(group) for group in self.groups(stored)]
        return Outcome((*outcome.tables, *beside), outcome.frame)

    def draw(self, title: str, stored: Stored) -> Sketch:
        """Heat maps."""
        from ttt_bench.studies.figures.checks import draw_affinity

        return draw_affinity(title, stored.measured)


STUDY = Affinity()
