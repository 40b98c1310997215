"""What goes wrong with single branches while several are fitted: it must not stop or change the others."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from typing import TypeVar

from ttt_bench.errors import UserError
from ttt_bench.process_state import ProcessState
from ttt_bench.source.spec import BranchSpec
from ttt_bench.store.failures import kind_of

_T = TypeVar("_T")


class BranchError(UserError):
    """Some branches could not be fitted; the others are stored."""

    def __init__(self, message: str, hint: str = "", trace: str = "") -> None:
        super().__init__(message, hint)
        self.trace = trace
        """Tracebacks of all of them."""


class Faults:
    """What went wrong with single branches, which must not stop or change the others."""

    def __init__(self) -> None:
        self.found: dict[str, BaseException] = {}
        """By the branch's identity."""
        self._names: dict[str, str] = {}
        self._state = ProcessState.now()

    def guarded(self, spec: BranchSpec, work: Callable[[], _T], thorough: bool = True) -> _T | None:
        """Do ``work`` for a branch that is still sound, note what it raises, and put the process's state back.

        Args:
            spec: whose work it is.
            work: runs code of the method.
            thorough: look for patched functions too, which is too slow for every step.
        """
        if spec.id in self.found:
            return None
        try:
            return work()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # sys.exit in a method is a fault of the method like any other
            if kind_of(error) != "error":
                raise
            self.found[spec.id], self._names[spec.id] = error, spec.method
            return None
        finally:
            _ = self._state.restore() if thorough else self._state.restore_settings()

    def settle(self, sound: Sequence[str]) -> None:
        """Raise what was found.

        Raises:
            BranchError: one line for all, the tracebacks beside it.
        """
        if not self.found:
            return
        said = [f"{self._names[id]}: {_line(error)}" for id, error in self.found.items()]
        hints = dict.fromkeys(
            error.hint for error in self.found.values() if isinstance(error, UserError) and error.hint
        )
        kept = f"The others are fitted: {', '.join(dict.fromkeys(sound))}." if sound else ""
        trace = "".join("".join(traceback.format_exception(error)) for error in self.found.values())
        raise BranchError("; ".join(said).rstrip(".") + ".", " ".join([*hints, kept]).strip(), trace)


def _line(error: BaseException) -> str:
    if isinstance(error, UserError):
        return error.message
    return "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
