"""What goes wrong because of the user's input, said so that the user knows what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Bad input. The message names the file or option; the hint says what to do next.

    The command line prints it as one block without a traceback and exits with 2.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[type[UserError], tuple[str, str]]:
        return type(self), (self.message, self.hint)


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """A hint for a mistyped name: the nearest valid one, then all of them."""
    valid = sorted(choices)
    near = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
    listing = "Valid: " + ", ".join(valid) + "." if valid else "None are known."
    return f"Did you mean {near[0]!r}? {listing}" if near else listing
