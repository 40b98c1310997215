"""ttt_bench: an honest, exact and resumable benchmark harness for test-time training.

What plug-ins and notebooks build on can be imported from here; nothing heavy is loaded until it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ttt_bench.domains.catalogue import open_domain
    from ttt_bench.domains.contract import Domain, Sample
    from ttt_bench.domains.family import Family, Layout
    from ttt_bench.errors import UserError
    from ttt_bench.method.card import Card, Needs, OptimizerSpec
    from ttt_bench.method.contract import Method
    from ttt_bench.networks.contract import Encoder, Network
    from ttt_bench.report.build import build_report
    from ttt_bench.store.trajectory import Trajectory
    from ttt_bench.tasks.contract import Label, Metric, Task

__version__ = "0.1.0"

_HOMES = {
    "Card": "method.card", "Domain": "domains.contract", "Encoder": "networks.contract", "Family": "domains.family",
    "Label": "tasks.contract", "Layout": "domains.family", "Method": "method.contract", "Metric": "tasks.contract",
    "Needs": "method.card", "Network": "networks.contract", "OptimizerSpec": "method.card",
    "Sample": "domains.contract", "Task": "tasks.contract", "Trajectory": "store.trajectory", "UserError": "errors",
    "build_report": "report.build", "open_domain": "domains.catalogue",
}  # fmt: skip

__all__ = [
    "Card", "Domain", "Encoder", "Family", "Label", "Layout", "Method", "Metric", "Needs", "Network", "OptimizerSpec",
    "Sample", "Task", "Trajectory", "UserError", "build_report", "open_domain",
]  # fmt: skip


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return found
