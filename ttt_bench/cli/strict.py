"""Commands that never ignore the first of two values of one option without a word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand

from ttt_bench.cli.console import errors
from ttt_bench.cli.options import adaptation, comparison, source_model
from ttt_bench.errors import UserError

SETTINGS = (comparison.PANEL, adaptation.PANEL, source_model.PANEL)
"""Panels of the help that hold settings of a sweep."""
F = TypeVar("F", bound=Callable[..., Any])


class StrictCommand(TyperCommand):
    """A command whose options are given once, unless they are made to be repeated.

    Settings of a sweep may be overridden further right, as scripts do after a set of usual ones, and that is said.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line.

        Raises:
            UserError: where to work, or another option that is no setting of a sweep, is given twice.
        """
        said = set()
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        for place, parameter in enumerate(order):
            once = parameter.param_type_name == "option" and not parameter.multiple
            if not once or not any(parameter is earlier for earlier in order[:place]):
                continue
            if getattr(parameter, "rich_help_panel", None) not in SETTINGS:
                raise UserError(f"{parameter.opts[0]} is given twice.", "Leave one out.")
            said.add(f"{parameter.opts[0]} is given more than once; the last one counts.")
        for line in sorted(said):
            errors.print(f"WARNING: {line}", style="yellow")
        rest: list[str] = super().parse_args(ctx, args)
        return rest


class App(typer.Typer):
    """An application all of whose commands are strict."""

    def command(self, name: str | None = None, **settings: Any) -> Callable[[F], F]:
        """As ``typer.Typer.command``."""
        return super().command(name, **{"cls": StrictCommand, **settings})
