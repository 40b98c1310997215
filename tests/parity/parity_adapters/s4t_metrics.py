"""S4T's metrics: measured by ``tasks.measure``, scored by ``tasks.statistics`` and the tasks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from parity_adapters.s4t_common import label, tensor
from parity_adapters.s4t_side_roads import align, invpt_depth_errors, present
from ttt_bench.parity.case import Case
from ttt_bench.parity.runner import Answer, answers
from ttt_bench.tasks import IGNORE, statistics
from ttt_bench.tasks.edge import Edge
from ttt_bench.tasks.measure import measure, moments
from ttt_bench.tasks.normal import mean_angle
from ttt_bench.tasks.semseg import mean_iou


def _updates(case: Case, prediction: str, task: str) -> list[tuple[Tensor, Tensor]]:
    """(prediction, label) of each update of the official meter, in our shapes."""
    labels = tensor(case, "in_gt")
    return [(p, _shaped(y, task)) for p, y in zip(tensor(case, prediction), labels, strict=True)]


def _shaped(value: Tensor, task: str) -> Tensor:
    if task == "semseg":
        return value.squeeze(1)
    return value.unsqueeze(1) if value.dim() == 3 else value


def _stack(statistics: list[Tensor]) -> npt.NDArray[np.float64]:
    """(batches, 1, ...), as a trajectory stores them."""
    return torch.stack(statistics).unsqueeze(1).numpy()


@answers("evaluation.eval_semseg.SemsegMeter")
def _miou(case: Case) -> Answer:
    counts = _stack([measure("semseg", p, y)["semseg/confusion"] for p, y in _updates(case, "in_logits", "semseg")])
    total = counts.sum((0, 1))
    hit = np.diagonal(total)
    return {
        "exp_mIoU": mean_iou(counts)[0],
        "exp_tp": hit,
        "exp_fp": total.sum(0) - hit,
        "exp_fn": total.sum(1) - hit,
    }


def _aligned(case: Case, task: str, updates: list[tuple[Tensor, Tensor]], counts: list[Tensor]) -> Answer:
    """RMSE from the moments; the mean absolute error, which has none, from the aligned maps."""
    errors = [(align(p, y) - y)[y != IGNORE].abs() for p, y in updates]
    stacked = _stack(counts)
    return {
        "exp_rmse": statistics.rmse_aligned(stacked)[0],
        "exp_n_valid": stacked[..., 0].sum(),
        "exp_l1": torch.cat(errors).mean(),
    }


@answers("evaluation.eval_scum.ScumMeter(task='depth')")
def _depth(case: Case) -> Answer:
    updates = _updates(case, "in_raw", "depth")
    counts = [measure("depth", p, y)["depth/moments"] for p, y in updates]
    return _aligned(case, "depth", [(p.clamp(min=0), y) for p, y in updates], counts)


@answers("evaluation.eval_scum.ScumMeter(task='edge')")
def _edge(case: Case) -> Answer:
    updates = _updates(case, "in_raw", "edge")
    counts = [measure("edge", p, y)["edge/moments"] for p, y in updates]
    return _aligned(case, "edge", [(torch.sigmoid(p), y) for p, y in updates], counts)


@answers(
    "evaluation.eval_scum.ScumMeter(task='depth_zbuffer')", "evaluation.eval_scum.ScumMeter(task='edge_occlusion')"
)
def _taskonomy(case: Case) -> Answer:
    updates = _updates(case, "in_raw", "depth")
    return _aligned(case, "depth", updates, [moments(p, y) for p, y in updates])


@answers("Multi-Task-Transformer/InvPT evaluation.eval_depth.DepthMeter")
def _invpt_depth(case: Case) -> Answer:
    updates = _updates(case, "in_raw", "depth")
    counts = _stack([measure("depth", p, y)["depth/moments"] for p, y in updates])
    whole = (torch.cat(part) for part in zip(*updates, strict=True))
    return {"exp_rmse": statistics.rmse(counts)[0]} | {f"exp_{k}": v for k, v in invpt_depth_errors(*whole).items()}


@answers("evaluation.eval_normals.NormalsMeter")
def _normals(case: Case) -> Answer:
    updates = _updates(case, "in_raw", "normal")
    counts = _stack([measure("normal", p, y)["normal/angles"] for p, y in updates])
    return {"exp_mean": mean_angle(counts)[0], "exp_total": counts[..., 0].sum()}


@answers("evaluation.eval_edge.EdgeMeter_L1")
def _edge_l1(case: Case) -> Answer:
    truth = label(case, "in_gt", "edge")
    error = (tensor(case, "in_prob").unsqueeze(1) - truth).abs()
    return {"exp_l1": error[truth != IGNORE].double().mean()}


@answers("evaluation.eval_edge.EdgeMeter")
def _edge_bce(case: Case) -> Answer:
    probability = tensor(case, "in_pred255").unsqueeze(1) / 255
    return {"exp_loss": Edge().loss(probability, label(case, "in_gt", "edge"))}


@answers("utils.utils.get_output")
def _present(case: Case) -> Answer:
    raw = {name: torch.from_numpy(value) for name, value in case.below("in_").items()}
    return {f"exp_{name}": present(name, value) for name, value in raw.items()}
