"""Several processes that train one network: each computes a share of every batch, and all take the same step.

That step is one process's step on the whole batch, up to rounding. Batch norms take their statistics over all shares;
predictions are gathered before the loss, whose means over valid pixels do not add up from shares; gradients are added
up before the optimiser moves anything. Loads torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ttt_bench.errors import UserError

T = TypeVar("T")

PATIENCE = timedelta(minutes=10)
"""That a process waits for the others, at the meeting and at each step."""


@dataclass(frozen=True)
class Team:
    """This process among those that train together."""

    rank: int
    """0: the one that saves, stores and reports."""
    size: int

    @classmethod
    @contextmanager
    def meet(cls, rank: int, size: int, place: Path, device: str) -> Iterator[Team]:
        """Wait for all others, and part from them at the end.

        Args:
            rank: of this process, 0 to ``size`` - 1.
            size: how many there are.
            place: a file that is not there yet, the same for all.
            device: where this process computes: NCCL joins different GPUs, Gloo everything else.

        Raises:
            RuntimeError: another process has ended; also raised by whatever waits for it later.
        """
        apart = device.startswith("cuda") and torch.cuda.device_count() >= size
        # By its path: an address would end at a "#" in it.
        store = dist.FileStore(str(place), size)  # type: ignore[attr-defined]
        backend = "nccl" if apart else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=PATIENCE)
        try:
            yield cls(rank, size)
        finally:
            dist.destroy_process_group()

    @property
    def first(self) -> bool:
        """Whether this is the process that stores things."""
        return self.rank == 0

    def share(self, batch: Tensor) -> Tensor:
        """(B, ...) -> (B / size, ...): this process's images of a batch."""
        return batch.chunk(self.size)[self.rank]

    def gather(self, predictions: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Predictions of this process's images (B / size, ...) -> of the whole batch (B, ...), with gradient."""
        return {task: _Gathered.apply(share, self) for task, share in predictions.items()}

    def add_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every gradient by the sum over all processes."""
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        whole = torch.cat([gradient.reshape(-1) for gradient in gradients])
        dist.all_reduce(whole)
        for gradient, total in zip(gradients, whole.split([each.numel() for each in gradients]), strict=True):
            gradient.copy_(total.view_as(gradient))

    def told(self, value: T) -> T:
        """What the first process hands in, for all of them."""
        box = [value]
        dist.broadcast_object_list(box)
        return box[0]

    def join_batch_norms(self, module: nn.Module) -> None:
        """Let every batch norm of ``module`` see all shares while it trains; weights and their names stay.

        Raises:
            UserError: a batch norm is of a kind of its own, whose further doing is not known here.
        """
        for name, norm in module.named_modules():
            if not isinstance(norm, _BatchNorm):
                continue
            if type(norm) not in (nn.BatchNorm1d, nn.BatchNorm2d, JoinedBatchNorm):
                raise UserError(
                    f"--train-processes {self.size}: {name} is a {type(norm).__name__}, whose statistics cannot be "
                    "taken over several processes.",
                    "Train this network with --train-processes 1.",
                )
            norm.__class__ = JoinedBatchNorm
            cast(JoinedBatchNorm, norm).team = self


class JoinedBatchNorm(nn.BatchNorm2d):
    """A batch norm whose training statistics are those of all processes' images. In eval mode it is as any other."""

    team: Team

    def _check_input_dim(self, input: Tensor) -> None:
        """Anything of (B, C, ...) will do."""

    def forward(self, input: Tensor) -> Tensor:
        """(B / size, C, ...) -> the same shape, normalised by mean and variance over the whole batch."""
        if not self.training:
            return super().forward(input)
        axes, shape = [0, *range(2, input.ndim)], (1, -1, *(1,) * (input.ndim - 2))
        count = input.numel() // input.shape[1] * self.team.size
        mean = _summed(input.sum(axes)) / count
        centred = input - mean.view(shape)
        variance = _summed(centred.square().sum(axes)) / count
        self._track(mean.detach(), variance.detach() * (count / max(1, count - 1)))
        scale = torch.rsqrt(variance + self.eps)
        if not self.affine:
            return centred * scale.view(shape)
        return centred * (scale * self.weight).view(shape) + self.bias.view(shape)

    def _track(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics, as torch does: by ``momentum``, or to the mean of all batches without one."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)


class _Gathered(torch.autograd.Function):
    """All shares in order. Every process computes the same loss of them, so each gradient is its own share's."""

    @staticmethod
    def forward(ctx: Any, share: Tensor, team: Team) -> Tensor:
        ctx.team = team
        shares = [torch.empty_like(share, memory_format=torch.contiguous_format) for _ in range(team.size)]
        dist.all_gather(shares, share.contiguous())
        return torch.cat(shares)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return ctx.team.share(gradients[0]), None


class _Summed(torch.autograd.Function):
    """The sum over all processes; as each of them uses it, so is its gradient."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        total = value.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total


def _summed(value: Tensor) -> Tensor:
    total: Tensor = _Summed.apply(value)
    return total
