"""What CTA's second stage does to its encoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from ttt_bench.studies.contract import Stored, Study

if TYPE_CHECKING:
    from ttt_bench.report.figures.canvas import Sketch
    from ttt_bench.studies.page import Outcome


class Alignment(Study):
    """The two encoders on clean held-out source images, before and after they are aligned; nothing is adapted."""

    name, place = "alignment", 10
    brief = "CTA's two encoders before and after they are aligned."
    title, origin, paper = "Alignment of two encoders", "CTA", "abstract"
    question = "Does the alignment bring the self-supervised encoder to the supervised one, and can the heads read it?"
    printed = "the aligned encoder keeps the robustness of self-supervision and takes over the decision (no number)"
    measurement, adapts = "alignment", False
    usual: ClassVar[Mapping[str, str]] = {"methods": "cta", "track": "class"}
    notes = (
        "Clean held-out source images, eval mode. Features are each level's map, mean over positions. CKA: linear "
        "centred kernel alignment with the supervised encoder's (Kornblith et al., ICML 2019). strangers: the same "
        "with the next image's features. CKA does not see lengths and rotations; the cosine of the last level does see "
        "rotations, and is what the alignment's loss is made of.",
        "before: fitted up to the alignment and no further, with the same draws: the encoder that it began with. "
        "Scores are by the frozen heads on each encoder's maps; no head ever saw the encoder before.",
        "Linear probe: softmax regression on the last level's pooled features of the source's training images, where "
        "there is one class per image.",
    )

    def outcome(self, stored: Stored) -> Outcome:
        """A row per encoder."""
        from ttt_bench.studies.answers.alignment import alignment_outcome

        return alignment_outcome(stored.measured)

    def draw(self, title: str, stored: Stored) -> Sketch:
        """CKA by level, and scores."""
        from ttt_bench.studies.figures.alignment import draw_alignment

        return draw_alignment(title, stored.measured)


STUDY = Alignment()
