"""Encoders whose stages do not simply follow each other: all maps come from one run."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ttt_bench.networks.contract import Encoder

PROBE = (64, 64)
"""Size of the image by which dependence is found out."""


class WholeEncoder(Encoder):
    """An encoder that makes all its maps at once; which modules a map depends on is read off its graph."""

    sequential = False

    def maps(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> all maps, the finest first."""
        raise NotImplementedError(f"{type(self).__name__} defines no maps")

    def forward(self, images: Tensor, last: int = 4) -> list[Tensor]:
        """(B, 3, H, W) -> the first ``last`` maps; the others have been made too."""
        return self.maps(images)[:last]

    def finish(self, levels: Sequence[Tensor]) -> None:
        """Nothing is left to run."""

    def up_to(self, stage: int) -> tuple[nn.Module, ...]:
        """The modules, as large as possible, of whose weights the map of ``stage`` is made."""
        return tuple(_modules_with(self, self._reached()[stage - 1]))

    def stages(self) -> tuple[nn.Module, ...]:
        """For each map, the modules that no finer map depends on; they cannot be run by themselves."""
        before: set[int] = set()
        stages = []
        for reached in self._reached():
            stages.append(nn.ModuleList(_modules_with(self, reached - before)))
            before |= reached
        return tuple(stages)

    def _reached(self) -> list[set[int]]:
        """For each map, the identities of the parameters that it depends on."""
        parameters = list(self.parameters())
        wanted, training = [p.requires_grad for p in parameters], [m.training for m in self.modules()]
        self.eval().requires_grad_(True)
        try:
            with torch.enable_grad(), torch.inference_mode(False):
                levels = self.maps(torch.zeros(1, 3, *PROBE, device=parameters[0].device))
                found = [
                    torch.autograd.grad(level.sum(), parameters, retain_graph=True, allow_unused=True)
                    for level in levels
                ]
        finally:
            for parameter, flag in zip(parameters, wanted, strict=True):
                parameter.requires_grad_(flag)
            for module, mode in zip(self.modules(), training, strict=True):
                module.training = mode
        return [{id(p) for p, g in zip(parameters, grads, strict=True) if g is not None} for grads in found]


def _modules_with(module: nn.Module, parameters: set[int]) -> list[nn.Module]:
    """The largest modules below ``module`` that hold nothing but ``parameters``; loose ones in a list of their own."""
    chosen: list[nn.Module] = []
    for child in module.children():
        inside = {id(p) for p in child.parameters()}
        if inside and inside <= parameters:
            chosen.append(child)
        elif inside & parameters:
            chosen += _modules_with(child, parameters)
    loose = [p for p in module.parameters(recurse=False) if id(p) in parameters]
    return [nn.ParameterList(loose), *chosen] if loose else chosen
