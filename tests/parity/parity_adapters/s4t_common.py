"""What the S4T adapters share: the release's task names and the method's class."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from ttt_bench.method.registry import create
from ttt_bench.parity.case import Case

OURS = {
    "semseg": "semseg",
    "depth": "depth",
    "normals": "normal",
    "edge": "edge",
    "segment_semantic": "semseg",
    "depth_zbuffer": "depth",
    "normal": "normal",
    "edge_occlusion": "edge",
}
"""Our task names by the release's, of NYUD and PASCAL and of Taskonomy."""


def tensor(case: Case, name: str) -> Tensor:
    """The array ``name`` as a tensor."""
    return torch.from_numpy(case.arrays[name])


def label(case: Case, name: str, task: str) -> Tensor:
    """A label in our shape: (B, H, W) for semseg, else (B, C, H, W)."""
    value = tensor(case, name)
    if OURS[task] == "semseg":
        return value.squeeze(1) if value.dim() == 4 else value
    return value.unsqueeze(1) if value.dim() == 3 else value


def taskonomy(names: Iterable[str]) -> bool:
    """Whether these are the release's names of Taskonomy's tasks."""
    return "segment_semantic" in names


def s4t(case: Case, **options: Any) -> Any:
    """The method with the case's settings for weights, plus ``options``."""
    squared = {"task_weights": "automatic" if taskonomy(case.params["tasks"]) else "squared"}
    loss_weight = float(case.params["loss_weights"]["TTT_loss"])
    return create("s4t", {"loss_weight": loss_weight, "source_weight": loss_weight, **squared, **options})
