"""Runs cases through adapters and compares. Adapters register themselves by the official function's name."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ttt_bench.errors import UserError
from ttt_bench.parity.case import Case, read_cases

Answer = Mapping[str, Any]
"""Array name -> what our code computes (tensor, array or number)."""
AdapterFunction = Callable[[Case], Answer]

ADAPTERS: dict[str, AdapterFunction] = {}
EXCLUSIONS: dict[str, str] = {}
"""Official function -> why no project code answers it. With ``ILL_CONDITIONED`` the only reasons to skip."""


def answers(*functions: str) -> Callable[[AdapterFunction], AdapterFunction]:
    """Register an adapter for every official function whose name starts with one of ``functions``."""

    def register(adapter: AdapterFunction) -> AdapterFunction:
        for function in functions:
            ADAPTERS[function] = adapter
        return adapter

    return register


def exclude(function: str, reason: str) -> None:
    """State that cases of ``function`` are skipped, and why."""
    EXCLUSIONS[function] = reason


ILL_CONDITIONED = (
    "the manifest marks it ill-conditioned: its numbers are the official run's rounding noise, which no "
    "other run can repeat"
)
"""Why a case with ``"ill_conditioned": true`` is skipped."""


@dataclass(frozen=True)
class Outcome:
    """What became of one case."""

    case: str
    status: Literal["passed", "failed", "skipped"]
    detail: str
    method: str = ""


def run_parity(roots: Iterable[Path], report: Callable[[Outcome], None] | None = None) -> list[Outcome]:
    """Run every case of every manifest below ``roots``.

    Args:
        roots: folders.
        report: called with each outcome as it comes.

    Raises:
        UserError: a folder or manifest is unusable. A failing or crashing case is an outcome, not an error.
    """
    load_adapters()
    outcomes = []
    for root in roots:
        for case in read_cases(root):
            outcome = run_case(case)
            outcomes.append(outcome)
            if report is not None:
                report(outcome)
    return outcomes


def load_adapters() -> None:
    """Import every adapter of the clone's tests, which register themselves here.

    Raises:
        UserError: this is an installed package; the adapters stand with the tests of a clone.
    """
    folder = Path(__file__).resolve().parents[2] / "tests" / "parity"
    adapters = sorted((folder / "parity_adapters").glob("[!_]*.py"))
    if not adapters:
        raise UserError(
            "The reference cases are run by adapters that stand with the tests, and an installed package has no tests.",
            "Run parity in a clone of the repository.",
        )
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    for file in adapters:
        importlib.import_module(f"parity_adapters.{file.stem}")


def run_case(case: Case) -> Outcome:
    """Run one case."""
    method = str(case.entry.get("method", case.entry.get("group", "")))
    ill_conditioned = case.entry.get("ill_conditioned") is True
    reason = ILL_CONDITIONED if ill_conditioned else _longest_prefix(case.function, EXCLUSIONS)
    if reason is not None:
        return Outcome(case.name, "skipped", reason, method)
    adapter = _longest_prefix(case.function, ADAPTERS)
    if adapter is None:
        return Outcome(case.name, "failed", f"no adapter for the function {case.function!r}", method)
    try:
        answer = adapter(case)
        detail = _compare(case, answer)
    except Exception as error:  # a crash is a failed case; the others still run
        return Outcome(case.name, "failed", f"{type(error).__name__}: {error}", method)
    return Outcome(case.name, "failed" if detail else "passed", detail or _summary(case, answer), method)


def _longest_prefix(function: str, table: Mapping[str, Any]) -> Any:
    matches = [key for key in table if function.startswith(key)]
    return table[max(matches, key=len)] if matches else None


def _compare(case: Case, answer: Answer) -> str:
    expected = case.expected() or list(answer)
    if not expected:
        return "the case expects nothing and the adapter answered nothing"
    missing = [name for name in expected if name not in answer]
    if missing:
        return f"not answered: {', '.join(missing[:5])}"
    for name in expected:
        want, got = case.arrays[name], _array(answer[name])
        if want.shape != got.shape:
            return f"{name}: shape {got.shape}, expected {want.shape}"
        rtol, atol = case.tolerance(name)
        if not np.allclose(got, want, rtol=rtol, atol=atol, equal_nan=True):
            worst = float(np.nanmax(np.abs(got.astype(float) - want.astype(float))))
            return f"{name}: off by up to {worst:.3g} (allowed {atol:.3g} + {rtol:.3g} x |expected|)"
    return ""


def _summary(case: Case, answer: Answer) -> str:
    return f"{len(case.expected() or list(answer))} arrays"


def _array(value: Any) -> Any:
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    return np.asarray(value)
