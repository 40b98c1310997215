"""Gradient interference: the claim behind CTA, measured on every method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from ttt_bench.studies.contract import Stored, Study

if TYPE_CHECKING:
    from ttt_bench.report.figures.canvas import Sketch
    from ttt_bench.studies.page import Outcome


class Gradients(Study):
    """Cosines of the test-time gradient with each task's supervised one, and of the tasks' with each other."""

    name, place = "gradients", 9
    brief = "Gradient interference: self-supervised against supervised."
    title, origin, paper = "Gradient interference", "CTA", "abstract"
    question = "Does the test-time gradient point where the tasks' supervised gradients point, with one network or two?"
    printed = "aligning two encoders mitigates the gradient interference of one network with two tasks (no number)"
    measurement, adapts = "gradients", False
    usual: ClassVar[Mapping[str, str]] = {"methods": "all"}
    notes = (
        "A diagnosis with target labels: it stands where scores are taken, and everything it computes is undone before "
        "the next update. The adaptation is that of the ordinary cell, bit for bit, and sees no label.",
        "Gradients of one batch at a time: of the method's loss, with the random numbers that its next update draws, "
        "and of each task's supervised loss (unweighted, that of source training) on the method's predictions. Both in "
        "the mode in which the method adapts, with respect to the parameters that it moves.",
        "Positive: a small step down the method's loss also lowers the task's. It says nothing of large steps, nor of "
        "what re-estimated statistics do. Parameters differ from method to method (`updated`): TENT's are those of its "
        "normalisation layers.",
        "apart: what is moved is no part of the network that was trained with labels (CTA's second encoder, copies "
        "that a method trains itself).",
    )

    def outcome(self, stored: Stored) -> Outcome:
        """Cosines with each task, and between the tasks."""
        from ttt_bench.studies.answers.gradients import interference_outcome

        return interference_outcome(stored.measured)

    def draw(self, title: str, stored: Stored) -> Sketch:
        """Curves over the steps, and the matrices between tasks."""
        from ttt_bench.studies.figures.gradients import draw_gradients

        return draw_gradients(title, stored.measured)


STUDY = Gradients()
