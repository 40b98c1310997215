"""What a method's file says, read without importing it. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttt_bench.method.card import PAPER_RECIPE, Accident, Card, OptimizerSpec
from ttt_bench.method.options import Option


@dataclass(frozen=True)
class MethodInfo:
    """The declarations of one method."""

    name: str
    path: Path
    class_name: str
    doc: str
    card: Card
    bn: str = "track"
    native: OptimizerSpec | None = PAPER_RECIPE
    branch: str = "none"
    statistics: bool = False
    adapts: bool = True
    source_options: tuple[str, ...] = ()
    later_options: tuple[str, ...] = ()
    accidents: tuple[Accident, ...] = ()
    declared: tuple[Option, ...] = ()
    """Its options, in the order of the file."""
    code: str = ""
    """Hash of the file, for methods from outside: their results must not outlive an edit. The project's own
    methods raise ``SCHEMA`` instead, so that a comment does not cost a sweep."""

    @property
    def options(self) -> dict[str, Any]:
        """Option names with their default values."""
        return {option.name: option.default for option in self.declared}
