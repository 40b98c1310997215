"""What a study is: what it asks, what it varies, and how it is shown. Light until something is shown.

A study is one file beside this one that ends in ``STUDY = ...``; the catalogue finds it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ttt_bench.plan.sweep import SweepConfig
from ttt_bench.studies.parts import Part, Request, part_of, refuse_nothing

if TYPE_CHECKING:
    from ttt_bench.report.figures.canvas import Sketch
    from ttt_bench.report.groups import Group
    from ttt_bench.studies.page import Outcome
    from ttt_bench.studies.results import PartResult


@dataclass(frozen=True)
class Stored:
    """What is there of a study."""

    parts: tuple[Part, ...]
    folder: Path
    measured: Sequence[dict[str, Any]] = ()
    """Numbers of its measurements."""
    warnings: list[str] = field(default_factory=list)
    """A line per measurement that could not be read, and per cell, once ``results`` was asked for."""
    request: Request = field(default_factory=Request)
    """Where data and methods lie, for studies that follow the choices of ``selection``."""

    @cached_property
    def results(self) -> list[PartResult]:
        """The finished cells of every part, scored."""
        from ttt_bench.studies.results import load_parts

        return load_parts(self.parts, self.folder, self.warnings)


class Study:
    """One ablation or check: the S4T paper's (ICCV 2025), CTA's (arXiv 2507.05221), or this project's of either."""

    name: ClassVar[str]
    place: ClassVar[int]
    """In the list; those of the S4T paper come first, in its order."""
    brief: ClassVar[str]
    """One line for ``study --help``."""
    title: ClassVar[str]
    origin: ClassVar[str] = "S4T"
    """Whose paper it examines."""
    paper: ClassVar[str]
    """Its table or figure."""
    question: ClassVar[str]
    printed: ClassVar[str]
    """What the paper found, in its own numbers (of S4T: Delta in percent; Taskonomy -> NYUD-v2 / PASCAL-Context)."""
    notes: ClassVar[tuple[str, ...]] = ()
    """How this differs from the paper, and what to keep in mind; printed under every table."""
    measurement: ClassVar[str] = ""
    """What it measures on the models behind its cells: a name of ``measurements.catalogue``."""
    adapts: ClassVar[bool] = True
    """Whether its cells are run, and not only the models behind them looked at."""
    usual: ClassVar[Mapping[str, str]] = {}
    """What it takes for options of the command line that are not given; by default S4T on the dense track."""
    follows: ClassVar[bool] = False
    """Whether finished cells decide on further ones: ``parts`` is asked again until it names no new one."""

    @property
    def cited(self) -> str:
        """The paper and the place in it."""
        return f"{self.origin}, {self.paper}"

    def parts(self, config: SweepConfig, request: Request) -> tuple[Part, ...]:
        """Its sweeps, by default the one that is asked for; the controls are always among the cells.

        Raises:
            UserError: the methods asked for cannot be studied so, or the plan is impossible.
        """
        refuse_nothing(self.name, config)
        return (part_of("", config, request),)

    def groups(self, stored: Stored) -> list[Group]:
        """The rows that tables and figure show."""
        return list(stored.results[0].groups)

    def outcome(self, stored: Stored) -> Outcome:
        """Its tables and numbers, with what can be read from them; no table where nothing is finished."""
        from ttt_bench.report.frames import summary_frame
        from ttt_bench.studies.page import Outcome
        from ttt_bench.studies.tables import gains_table, variants_table

        groups = self.groups(stored)
        pairs = [(variants_table(group), gains_table(group)) for group in groups]
        return Outcome(tuple(table for pair in pairs for table in pair), summary_frame(groups))

    def draw(self, title: str, stored: Stored) -> Sketch:
        """Its figure."""
        from ttt_bench.studies.figures.variants import draw_variants

        return draw_variants(title, self.groups(stored))


MASKS = "The TBS has 16 tokens for images below 128 pixels (4 x 4), 256 at the paper's size: ratios are coarser there."
"""A note of every study that masks."""
