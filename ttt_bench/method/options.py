"""Options of methods: what each may be, and reading their values. Decided from the file's text; no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ttt_bench.choices import ANY, POSITIVE, Joined, Range, check_range, read_bool, read_float, read_int, shown
from ttt_bench.errors import UserError, did_you_mean

Value = bool | int | float | str


@dataclass(frozen=True)
class Option:
    """One option: its name, type and default, and which values it takes."""

    name: str
    default: Value
    """Its type is the option's."""
    choices: tuple[Value, ...] = ()
    """All values it takes; empty: any within ``valid``."""
    valid: Range | Joined = ANY

    def read(self, owner: str, value: object) -> Value:
        """``value``, or what it says as a text, in the option's type.

        Args:
            owner: the method's name, for messages.
            value: a text from the command line, or a value of the option's type.

        Raises:
            UserError: it has another type, or is not among the valid ones.
        """
        what = f"{owner}({self.name}={shown(value).strip(chr(39))}):"
        read = self._parsed(what, value) if isinstance(value, str) else value
        if isinstance(self.default, float) and type(read) is int:
            read = float(read)
        if type(read) is not type(self.default):
            raise UserError(f"{what} {shown(value)} is not {_KINDS[type(self.default)]}.")
        if self.choices:
            if read not in self.choices:
                raise UserError(f"{what} {shown(value)} is unknown.", did_you_mean(str(read), map(str, self.choices)))
        elif isinstance(read, str):
            if isinstance(self.valid, Joined) and read not in self.valid:
                raise UserError(f"{what} {shown(value)} is not made {self.valid}.")
        elif not isinstance(read, bool) and isinstance(self.valid, Range):
            check_range(what, read, self.valid)
        assert isinstance(read, (bool, int, float, str))
        return read

    def _parsed(self, what: str, text: str) -> object:
        if isinstance(self.default, bool):
            return read_bool(what, text)
        if isinstance(self.default, int):
            return read_int(what, text)
        return read_float(what, text) if isinstance(self.default, float) else text

    @property
    def limits(self) -> str:
        """Which values it takes, in words; nothing where any of its type will do."""
        if self.choices:
            return " | ".join(map(str, self.choices))
        return "" if self.valid == ANY else str(self.valid)


_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}

SETTINGS = {
    option.name: option
    for option in (
        Option("optimizer", "sgd", choices=("sgd", "adam", "adamw")),
        Option("lr", 0.0, valid=POSITIVE),
        Option("lr_per_sample", 0.0, valid=POSITIVE),
        Option("momentum", 0.0, valid=Range(0, below=1)),
        Option("weight_decay", 0.0, valid=Range(0)),
    )
}
"""Explicit settings of the optimiser, which any method that has one takes beside its own options; what is not given is
the recipe's. ``default`` only states the type."""


def split_settings(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(a method's own options, explicit settings of its optimiser)."""
    own = {key: value for key, value in options.items() if key not in SETTINGS}
    return own, {key: options[key] for key in SETTINGS if key in options}


def text_of(value: Value) -> str:
    """A value as ``Option.read`` takes it: ``true``, ``0.0001``, ``same``."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def settings_text(settings: Mapping[str, Value], between: str = ",") -> str:
    """``lr=0.0001,queue=16``: settings as ``parse_methods`` reads them within parentheses."""
    return between.join(f"{key}={text_of(value)}" for key, value in settings.items())


def with_settings(name: str, settings: Mapping[str, Value]) -> str:
    """``tent(lr=0.0001)``: a method with settings as ``parse_methods`` reads it; the bare name without any."""
    return f"{name}({settings_text(settings)})" if settings else name
