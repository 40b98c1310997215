"""In which arithmetic a model adapts, and whether its encoder is compiled: both are part of a cell's identity."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import nn

from ttt_bench.errors import UserError


@dataclass(frozen=True)
class Execution:
    """How the same mathematics is computed. The default is what reported numbers use."""

    precision: str = "fp32"
    """``fp32``; ``tf32``: products of 32-bit numbers with 10 bits of mantissa (NVIDIA, Ampere and later); ``bf16``:
    autocast, parameters and their updates stay in 32 bits."""
    compiled: bool = False
    """Whether ``torch.compile`` fuses the encoder."""

    def check(self, device: torch.device | str) -> None:
        """Refuse what ``device`` cannot do.

        Raises:
            UserError: TF32 is asked for on a device that does not have it.
        """
        if self.precision != "tf32":
            return
        chosen = torch.device(device)
        if chosen.type != "cuda" or torch.cuda.get_device_capability(chosen)[0] < 8:
            raise UserError(
                f"--precision tf32 is not to be had on {chosen}.",
                "It needs a CUDA device of compute capability 8 or more; use --precision fp32.",
            )

    def autocast(self, device: torch.device) -> AbstractContextManager[object]:
        """What forwards run in."""
        return torch.autocast(device.type, torch.bfloat16) if self.precision == "bf16" else nullcontext()

    def compile(self, encoder: nn.Module) -> None:
        """Compile ``encoder`` in place, if wanted: its input has one shape throughout a run."""
        if self.compiled:
            torch.compiler.reset()  # graphs of earlier models would count against the limit of recompilations
            # Not ``encoder.compile()``, which would draw the hooks that count work into the graph.
            encoder.forward = torch.compile(encoder.forward, dynamic=False)


PLAIN = Execution()


@contextmanager
def float32_products(precision: str) -> Iterator[None]:
    """While open, float32 products on CUDA are exact, or TF32 where ``precision`` says so.

    Stated for every piece of work, since torch's default is neither: TF32 in convolutions, not in matrix products.
    """
    wanted = precision == "tf32"
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = (matmul.allow_tf32, cudnn.allow_tf32)
    matmul.allow_tf32 = cudnn.allow_tf32 = wanted
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before
