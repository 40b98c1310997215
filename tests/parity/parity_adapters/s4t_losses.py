"""S4T's losses: single tasks and whole schemes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from parity_adapters.plugin import plugin
from parity_adapters.s4t_common import OURS, label, s4t, taskonomy, tensor
from parity_adapters.s4t_side_roads import mtinet_normal
from ttt_bench.parity.case import Case
from ttt_bench.parity.runner import Answer, answers
from ttt_bench.tasks import IGNORE, TASKS
from ttt_bench.tasks.edge import Edge
from ttt_bench.tasks.release import TASKONOMY_LOSSES, automatic_weighting
from ttt_bench.tasks.supervision import task_losses
from ttt_bench.tasks.tensors import masked_l1

Loss = Callable[[Tensor, Tensor], Tensor]
Parts = dict[str, dict[str, Tensor]]


def _single(case: Case, task: str, loss: Loss) -> Answer:
    prediction = tensor(case, "in_out").requires_grad_()
    value = loss(prediction, label(case, "in_label", task))
    value.backward()
    return {"exp_loss": value, "exp_grad": prediction.grad}


@answers("losses.loss_functions.CrossEntropyLoss")
def _cross_entropy(case: Case) -> Answer:
    return _single(case, "semseg", TASKS["semseg"].loss)


@answers("losses.loss_functions.BalancedBinaryCrossEntropyLoss")
def _edge(case: Case) -> Answer:
    weight = case.params["pos_weight"]
    return _single(case, "edge", lambda p, y: Edge().loss(p, y, positive_weight=weight))


@answers("losses.loss_functions.L1Loss()")
def _depth(case: Case) -> Answer:
    return _single(case, "depth", masked_l1)


@answers("losses.loss_functions.L1Loss(normalize=True)")
def _normal(case: Case) -> Answer:
    return _single(case, "normal", TASKS["normal"].loss)


@answers("losses.loss_functions.NormalsLoss")
def _mtinet_normal(case: Case) -> Answer:
    return _single(case, "normal", mtinet_normal)


@answers("losses.loss_schemes.compute_task_loss")
def _taskonomy(case: Case) -> Answer:
    task = case.function.split("'")[1]
    return _single(case, task, TASKONOMY_LOSSES[OURS[task]])


@answers("losses.loss_functions.L1Loss(normalize=False)")
def _consistency(case: Case) -> Answer:
    prediction = tensor(case, "in_pred_tbs").requires_grad_()
    value = plugin("s4t").distance(prediction, tensor(case, "in_pred_main"))
    value.backward()
    return {"exp_loss": value, "exp_grad": prediction.grad}


@answers("losses.AutomaticWeightedLoss")
def _automatic(case: Case) -> Answer:
    losses, sigma = tensor(case, "in_losses").requires_grad_(), tensor(case, "in_sigma").requires_grad_()
    total = automatic_weighting(losses.unbind(), sigma)
    total.backward()
    return {"exp_total": total, "exp_grad_losses": losses.grad, "exp_grad_sigma": sigma.grad}


@answers("losses.loss_schemes.MTLoss_S4T_v2", "losses.loss_schemes.MTLoss_S4T_taskonomy_v2")
def _scheme(case: Case) -> Answer:
    names = case.params["tasks"]
    parts = {kind: {t: tensor(case, f"in_{kind}_{t}") for t in names} for kind in ("main", "aux", "tbs")}
    for prediction in parts["tbs"].values():
        prediction.requires_grad_()
    sigma = tensor(case, "in_sigma").requires_grad_() if taskonomy(names) else None
    answer = _source_terms(case, parts, sigma)
    if case.params["ttt"]:
        answer |= _test_terms(case, parts, sigma)
    answer["exp_total"].backward()
    for name, prediction in parts["tbs"].items():
        grad = prediction.grad
        answer[f"exp_grad_tbs_{name}"] = torch.zeros_like(prediction) if grad is None else grad
    if sigma is not None and sigma.grad is not None:
        answer["exp_grad_sigma"] = sigma.grad
    return answer


def _source_terms(case: Case, parts: Parts, sigma: Tensor | None) -> dict[str, Tensor]:
    """Every supervised term under the release's log names, and its total at source time."""
    names = case.params["tasks"]
    factor = case.params["loss_weights"]["TTT_loss"]
    labels = {OURS[t]: label(case, f"in_gt_{t}", t) for t in names}
    sums: dict[str, dict[str, Tensor]] = {}
    answer: dict[str, Tensor] = {}
    for kind, stem in (("main", "pre_{}"), ("aux", "aux_{}"), ("tbs", "S4T_{}_pretrain")):
        predictions = {OURS[t]: prediction for t, prediction in parts[kind].items()}
        if sigma is None:
            losses = {t: TASKS[t].weight * loss for t, loss in task_losses(predictions, labels).items()}
        else:
            losses = {t: TASKONOMY_LOSSES[t](predictions[t], labels[t]) for t in predictions}
        sums[kind] = losses
        answer |= {f"exp_{stem.format(name)}": losses[OURS[name]] for name in names}
    totals = {kind: torch.stack(list(losses.values())).sum() for kind, losses in sums.items()}
    answer["exp_total_pre"] = totals["main"]
    answer["exp_total_aux" if sigma is None else "exp_total_aux_pre"] = factor * totals["aux"]
    answer["exp_total_S4T_pretrain"] = factor * totals["tbs"]
    if sigma is None:
        branch_total = s4t(case).supervise(
            {OURS[t]: p for t, p in parts["tbs"].items()}, {OURS[t]: p for t, p in parts["aux"].items()}, labels
        )
        answer["exp_total"] = totals["main"] + branch_total
    else:
        answer["exp_total"] = automatic_weighting(
            [sums["main"][t] + sums["aux"][t] + sums["tbs"][t] for t in labels], sigma
        )
    return answer


def _test_terms(case: Case, parts: Parts, sigma: Tensor | None) -> dict[str, Tensor]:
    """The consistency terms under the release's log names, and its total at test time."""
    method, distance = s4t(case), plugin("s4t").distance
    errors = {OURS[t]: distance(parts["tbs"][t], parts["main"][t]) for t in case.params["tasks"]}
    weight = {t: TASKS[t].weight if sigma is None else method.loss_weight for t in errors}
    answer = {f"exp_S4T_{t}_ttt": weight[OURS[t]] * errors[OURS[t]] for t in case.params["tasks"]}
    seg = next(t for t in case.params["tasks"] if OURS[t] == "semseg")
    if bool((label(case, f"in_gt_{seg}", seg) == IGNORE).all()):
        # The release looks at the labels here; the method never can, so its objective is asked without the term.
        del errors["semseg"]
        answer[f"exp_S4T_{seg}_ttt"] = torch.zeros(())
    answer["exp_total"] = answer["exp_total_S4T_ttt"] = method.total(errors, sigma)
    return answer
