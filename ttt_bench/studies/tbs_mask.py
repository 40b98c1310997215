"""What the TBS retains when it sees less (Fig. 7, Assumption 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ttt_bench.studies.contract import MASKS, Stored, Study

if TYPE_CHECKING:
    from ttt_bench.report.figures.canvas import Sketch
    from ttt_bench.studies.page import Outcome


class TbsMask(Study):
    """The supervised loss of trained synchronisers under masks; nothing is adapted."""

    name, place = "tbs-mask", 7
    brief = "What the TBS retains when it sees less."
    title, paper = "The TBS under masks", "Fig. 7 (Assumption 2)"
    question = "Does the TBS still predict the tasks when it sees less?"
    printed = "over 90 % of the original performance is retained even at a high ratio (its value is lost in our text)"
    measurement, adapts = "tbs-mask", False
    notes = (
        "Supervised TBS loss on held-out source images (validation split), network in eval mode. "
        "retained = loss at ratio 0 / loss at the ratio, of the mean losses over the noise seeds. It can "
        "exceed 100 %: the TBS was trained under a mask. total: weighted as in training (1, 1, 10, 50).",
        "The mask is drawn by the method's own strategy; the same noise is used at every ratio.",
        "Another image's latents: the TBS at ratio 0 is given the next image's slices. A synchroniser that "
        "ignores its input retains 100 % under any mask: read the masks' values against this one.",
        MASKS,
    )

    def outcome(self, stored: Stored) -> Outcome:
        """Retained performance and losses over the ratio."""
        from ttt_bench.studies.answers.checks import tbs_outcome

        return tbs_outcome(stored.measured)

    def draw(self, title: str, stored: Stored) -> Sketch:
        """Curves over the ratio."""
        from ttt_bench.studies.figures.checks import draw_retained

        return draw_retained(title, stored.measured)


STUDY = TbsMask()
