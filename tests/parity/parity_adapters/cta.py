"""CTA's alignment formula (not official: no code is public)."""

from __future__ import annotations

from parity_adapters.replay import gradient, tensor
from ttt_bench.parity.case import Case
from ttt_bench.parity.runner import Answer, answers
from ttt_bench.toolbox.alignment import info_nce


@answers("formula: InfoNCE")
def alignment(case: Case) -> Answer:
    """The loss and its gradient at the moving side."""
    moving, frozen = tensor(case, "in_z", grad=True), tensor(case, "in_s")
    loss = info_nce(moving, frozen, case.params["temperature"], case.params["direction"])
    return {"exp_loss": loss, "exp_grad_z": gradient(loss, moving)}
