"""Which tokens an encoder sees, and which tasks within a token: S4T's four strategies.

A token of a multi-task map is z_n = b + sum_t m_nt (W_t * x_t)_n with m in {0, 1}: the patch convolution is a
sum of one convolution per task, and a strategy is a rule that draws m. Tokens with all m = 0 are removed, as in
MAE.

All randomness is one noise tensor per mask, drawn on the CPU from the generator that the caller passes, so
that a mask is the same on every device and a published mask can be replayed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ttt_bench.errors import UserError, did_you_mean

STRATEGIES = ("random", "disjoint", "same", "task")
"""``random``: each task keeps its own random tokens; ``disjoint``: tasks keep non-overlapping tokens;
``same``: one draw for all tasks (the release); ``task``: whole tasks are hidden, no token is removed."""


@dataclass(frozen=True)
class Mask:
    """One drawn mask for B samples of N tokens."""

    order: Tensor
    """(B, N) token positions, the kept ones first, in encoder order."""
    restore: Tensor
    """(B, N) its inverse: where in ``order`` each position is found."""
    kept: int
    """K, the longest number of kept tokens in the batch; the encoder runs on ``order[:, :K]``."""
    valid: Tensor | None = None
    """(B, K) False for padding, where a sample keeps fewer than K tokens; None = no padding."""
    parts: Tensor | None = None
    """(B, N, T) which tasks' summands are in a token; None = those of all tasks in every kept token."""

    @property
    def positions(self) -> Tensor:
        """(B, K) positions of the tokens that the encoder reads."""
        return self.order[:, : self.kept]

    def take(self, tokens: Tensor) -> Tensor:
        """(B, N, D) -> (B, K, D): the tokens that the encoder reads."""
        return gather_tokens(tokens, self.positions)

    def removed(self) -> Tensor:
        """(B, N) float, 1 where a token is hidden from the encoder."""
        flags = torch.ones(self.order.shape, device=self.order.device)
        flags[:, : self.kept] = 0 if self.valid is None else 1 - self.valid.to(flags.dtype)
        return flags.gather(1, self.restore)


@dataclass(frozen=True)
class Masking:
    """A strategy and its ratio."""

    ratio: float = 0.8
    """Share of tokens (``task``: of tasks) that is hidden, in [0, 1)."""
    strategy: str = "same"
    tasks: int = 1
    """T."""

    def __post_init__(self) -> None:
        if not 0 <= self.ratio < 1:
            raise UserError(f"mask_ratio={self.ratio} is not in [0, 1).")
        if self.strategy not in STRATEGIES:
            raise UserError(f"strategy={self.strategy!r} is unknown.", did_you_mean(self.strategy, STRATEGIES))

    def keep(self, tokens: int) -> int:
        """How many of ``tokens`` stay: the truncated floating-point product of MAE, but never none.

        51 of 256 at 0.8, 76 at 0.7, 64 at 0.75, 25 at 0.9.
        """
        return max(1, int(tokens * (1 - self.ratio)))

    def hidden_tasks(self) -> int:
        """How many tasks ``task`` hides: the ceiling of ratio x T, at most T - 1."""
        return min(math.ceil(self.ratio * self.tasks), self.tasks - 1)

    def overlaps(self, tokens: int) -> bool:
        """Whether ``disjoint`` cannot be disjoint, so that tasks reuse tokens cyclically: T x kept > N."""
        return self.strategy == "disjoint" and self.tasks * self.keep(tokens) > tokens

    def noise(self, batch: int, tokens: int, rng: torch.Generator) -> Tensor:
        """Uniform CPU noise that decides a mask: (B, N), for ``random`` (B, T, N), for ``task`` (B, T)."""
        shapes = {"random": (batch, self.tasks, tokens), "task": (batch, self.tasks)}
        return torch.rand(shapes.get(self.strategy, (batch, tokens)), generator=rng)

    def mask(self, noise: Tensor, tokens: int) -> Mask:
        """The mask that ``noise`` decides: smaller noise is kept.

        Args:
            noise: as from ``noise``, on the device of the tokens.
            tokens: N.
        """
        if self.strategy == "same":
            # Stable, because float noise ties now and then and devices break ties differently.
            order = noise.argsort(dim=1, stable=True)
            return Mask(order, _inverse(order), self.keep(tokens))
        if self.strategy == "task":
            return _whole_tasks(noise, self.hidden_tasks(), tokens)
        return _from_parts(self._parts(noise, tokens))

    def _parts(self, noise: Tensor, tokens: int) -> Tensor:
        """m for ``random`` and ``disjoint``: (B, N, T) bool."""
        keep = self.keep(tokens)
        if self.strategy == "random":
            rank = _inverse(noise.argsort(dim=2, stable=True))  # (B, T, N)
            return (rank < keep).transpose(1, 2)
        rank = _inverse(noise.argsort(dim=1, stable=True)).unsqueeze(2)  # (B, N, 1)
        start = keep * torch.arange(self.tasks, device=noise.device)
        return (rank - start) % tokens < keep


def gather_tokens(tokens: Tensor, positions: Tensor) -> Tensor:
    """Pick tokens by position: (B, N, D) and (B, K) -> (B, K, D)."""
    return tokens.gather(1, positions.unsqueeze(2).expand(-1, -1, tokens.shape[2]))


def _inverse(order: Tensor) -> Tensor:
    """Inverse of the permutations along the last axis."""
    return order.argsort(dim=-1)


def _from_parts(parts: Tensor) -> Mask:
    """Remove the tokens in which no task is left; samples may keep different numbers, hence the padding."""
    used = parts.any(dim=2)
    order = (~used).to(torch.uint8).argsort(dim=1, stable=True)
    counts = used.sum(dim=1)
    kept = int(counts.max())
    valid = torch.arange(kept, device=parts.device) < counts.unsqueeze(1)
    return Mask(order, _inverse(order), kept, None if bool(valid.all()) else valid, parts)


def _whole_tasks(noise: Tensor, hidden: int, tokens: int) -> Mask:
    """Hide the ``hidden`` tasks with the largest noise everywhere; (B, T) -> a mask that removes no token."""
    batch, tasks = noise.shape
    rank = _inverse(noise.argsort(dim=1, stable=True))
    parts = (rank < tasks - hidden).unsqueeze(1).expand(batch, tokens, tasks)
    order = torch.arange(tokens, device=noise.device).expand(batch, tokens)
    return Mask(order, order, tokens, None, parts)
