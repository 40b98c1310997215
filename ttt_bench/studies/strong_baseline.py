"""S4T on the plain network against methods on a multi-task network of its own (Table 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from ttt_bench.errors import UserError
from ttt_bench.plan.sweep import SweepConfig
from ttt_bench.studies.contract import Stored, Study
from ttt_bench.studies.parts import Part, Request, part_of, refuse_nothing

if TYPE_CHECKING:
    from ttt_bench.report.figures.canvas import Sketch
    from ttt_bench.report.groups import Group
    from ttt_bench.studies.page import Outcome

PLAIN, STRONG = "multitask", "mtinet"
"""Architectures, and keys of the parts."""


class StrongBaseline(Study):
    """The same sweep on the plain network and on MTI-Net."""

    name, place = "strong-baseline", 13
    brief = "S4T on the plain network against NC-TTT and S4T on MTI-Net."
    title, paper = "A strong multi-task baseline", "Table 6"
    question = "Is a stronger multi-task network with a simpler method as good as S4T, and at what size?"
    printed = "NC-TTT on MTI-Net +32.5, 165.0 M parameters, 0.3208 s; S4T +34.9, 29.2 M, 0.3657 s"
    usual: ClassVar[Mapping[str, str]] = {"methods": "s4t,nctt"}
    notes = (
        "Each network has its own `base`: Δ is against that of the same network, Δ, plain base against the plain "
        "network's, which is what a user who may choose the network compares.",
        "Parameters: network and the method's own part, all that is in memory at test time. Seconds are of one batch, "
        "medians of the cells' own clocks; the paper does not say what its inference time contains.",
        "MTI-Net here is built from its paper (ECCV 2020) on the same backbone.",
    )

    def parts(self, config: SweepConfig, request: Request) -> tuple[Part, ...]:
        """A sweep per network.

        Raises:
            UserError: another architecture than the plain one is asked for, which is what is varied.
        """
        refuse_nothing(self.name, config)
        if config.network.architecture != PLAIN:
            raise UserError(f"The study {self.name} varies the architecture itself.", "Leave --architecture out.")
        strong = replace(config, network=replace(config.network, architecture=STRONG).check())
        return part_of(PLAIN, config, request), part_of(STRONG, strong, request)

    def groups(self, stored: Stored) -> list[Group]:
        """Rows of both networks."""
        from ttt_bench.studies.answers.strong_baseline import on_both

        return on_both({part.key: part for part in stored.results})

    def outcome(self, stored: Stored) -> Outcome:
        """Delta, parameters and seconds."""
        from ttt_bench.report.frames import summary_frame
        from ttt_bench.studies.answers.strong_baseline import network_table
        from ttt_bench.studies.page import Outcome

        groups = self.groups(stored)
        return Outcome(tuple(network_table(group) for group in groups), summary_frame(groups))

    def draw(self, title: str, stored: Stored) -> Sketch:
        """Delta against parameters."""
        from ttt_bench.studies.figures.strong_baseline import draw_networks

        return draw_networks(title, self.groups(stored))


STUDY = StrongBaseline()
