"""Which device a command computes on."""

from __future__ import annotations

from ttt_bench.choices import check_device
from ttt_bench.cli.options.request import Request
from ttt_bench.errors import UserError
from ttt_bench.plan.artifacts import done_of
from ttt_bench.plan.work import Work


def resolve_device(device: str, works: list[Work], request: Request) -> str:
    """``auto`` -> cuda or cpu; torch is not loaded when nothing is left to do.

    Raises:
        UserError: there is no such device, or it lacks the arithmetic asked for.
    """
    goals = [work for work in works if work.goal]
    if goals and len(done_of(goals, request.context())) == len(goals):
        return "cpu"
    from ttt_bench.adaptation.execution import Execution

    chosen = found_device(device)
    Execution(request.config.precision).check(chosen)
    return chosen


def found_device(device: str) -> str:
    """The device to use, after a look at which ones there are.

    Raises:
        UserError: this machine does not have it.
    """
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    check_device("--device", device)
    chosen = torch.device(device)
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"--device {device}: this machine shows {torch.cuda.device_count()} CUDA devices.", "Use --device cpu."
        )
    return device
