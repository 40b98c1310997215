"""One branch while it is fitted on a frozen network: its stages, its steps, its savepoint."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ttt_bench.adaptation.optimizers import build_optimizer
from ttt_bench.errors import UserError
from ttt_bench.method.card import OptimizerSpec, SourceStage
from ttt_bench.method.contract import Method, Model, SourceBatch
from ttt_bench.networks.contract import Network
from ttt_bench.samples.loading import SampleSet
from ttt_bench.source import checkpoints
from ttt_bench.source.loop import SAVE_EVERY_SECONDS, hash_seed, step
from ttt_bench.source.spec import BranchSpec, TrainingConfig
from ttt_bench.source.training import build_auxiliary, build_network, build_supervision
from ttt_bench.tasks.supervision import Supervision


@dataclass(frozen=True)
class Stretch:
    """Consecutive iterations of a fit under one optimiser."""

    first: int
    iterations: int
    optimizer: OptimizerSpec
    stage: SourceStage | None = None
    """None: the whole of a fit without stages, whose rate falls as poly of power 0.9."""

    def share(self, iteration: int) -> float:
        """Of it that is done before ``iteration``."""
        return (iteration - self.first) / self.iterations

    def rate(self, iteration: int, batch_size: int) -> float:
        """The learning rate at ``iteration``."""
        share = self.share(iteration)
        if self.stage is None:
            return self.optimizer.rate(batch_size) * float((1 - share) ** 0.9)
        return self.stage.rate(share, batch_size)


def stretches(method: Method, training: TrainingConfig) -> tuple[Stretch, ...]:
    """How ``method``'s auxiliary part is fitted on a frozen network, in order."""
    if not method.source_stages:
        usual = method.source_optimizer or OptimizerSpec("adam", lr=training.fit_lr)
        return (Stretch(0, training.fit_iterations, usual),)
    found: list[Stretch] = []
    for stage in method.source_stages:
        first = found[-1].first + found[-1].iterations if found else 0
        found.append(Stretch(first, stage.iterations(training.iterations, vars(method)), stage.optimizer, stage))
    return tuple(found)


@dataclass
class BranchFit:
    """A branch on its way; ``start`` makes it."""

    spec: BranchSpec
    method: Method
    model: Model
    supervision: Supervision
    cache: Path
    plan: tuple[Stretch, ...] = ()
    """Empty where nothing is trained: statistics alone, or a branch that was trained with the network."""
    done: int = 0
    optimizer: torch.optim.Optimizer | None = None
    saved: float = 0.0
    """When it was last saved, on the monotonic clock."""

    @classmethod
    def start(
        cls, spec: BranchSpec, method: Method, network: Network, cache: Path, device: torch.device | str
    ) -> BranchFit:
        """At its beginning, or where an interrupted fit saved it."""
        aux = build_auxiliary(method, network, spec.source.seed).to(device)
        supervision = build_supervision(spec.source).to(device)
        fit = cls(spec, method, Model(network, aux), supervision, cache, saved=time.monotonic())
        if spec.source.joint is not None and method.branch == "joint":
            # The branch was trained with the network; only statistics are still to be taken.
            trained = checkpoints.load(checkpoints.checkpoint_path(cache, spec.source.id), spec.source)
            aux.load_state_dict(trained["aux"])
        elif method.branch != "none":
            fit.plan = stretches(method, spec.source.training)
            fit._begin()
        return fit

    def _begin(self) -> None:
        content = checkpoints.load_partial(self._partial, self.spec)
        if content is None:
            self.method.source_start(self.model, partial(build_network, self.spec.source))
            return
        self.done = int(content["iteration"])
        self.optimizer = self._fresh_optimizer(self._stretch(self.done - 1))
        self.model.aux.load_state_dict(content["aux"])
        self.supervision.load_state_dict(content["supervision"])
        self.optimizer.load_state_dict(content["optimizer"])

    @property
    def total(self) -> int:
        """Iterations of the whole fit."""
        return self.plan[-1].first + self.plan[-1].iterations if self.plan else 0

    @property
    def sees_network(self) -> bool:
        """Whether the next iteration looks at the frozen network's maps."""
        stage = self._stretch(self.done).stage
        return stage is None or stage.sees_network

    def _stretch(self, iteration: int) -> Stretch:
        return next(each for each in reversed(self.plan) if each.first <= iteration)

    def _fresh_optimizer(self, stretch: Stretch) -> torch.optim.Optimizer:
        return build_optimizer(stretch.optimizer, [*self.model.aux.parameters(), *self.supervision.parameters()], True)

    @property
    def _partial(self) -> Path:
        return checkpoints.partial_path(self.cache, self.spec.id)

    def step(self, batch: SourceBatch) -> None:
        """Take the next iteration on ``batch``, and save what was reached now and then.

        Raises:
            UserError: the loss is no longer finite.
        """
        iteration, training = self.done, self.spec.source.training
        stretch = self._stretch(iteration)
        if iteration == stretch.first or self.optimizer is None:
            self.optimizer = self._fresh_optimizer(stretch)
        self.model.network.eval()
        self.model.aux.train()
        rng = torch.Generator().manual_seed(hash_seed(self.spec.source.seed, 4, iteration))
        own = replace(
            batch,
            supervise=self.supervision,
            progress=stretch.share(iteration),
            stage=stretch.stage.name if stretch.stage else "",
        )

        def compute() -> Tensor:
            loss = self.method.source_loss(self.model, own, rng)
            penalty = self.supervision.penalty()
            return loss if penalty is None else loss + penalty

        norm = self.method.source_clip_norm
        clip = None if norm is None else (self.model.aux.parameters(), norm)
        step(self.optimizer, compute, stretch.rate(iteration, training.batch_size), clip, self._check)
        self.done += 1
        if time.monotonic() - self.saved > SAVE_EVERY_SECONDS:
            self._save()

    def _check(self, loss: Tensor) -> None:
        if not torch.isfinite(loss):
            raise UserError(
                f"Fitting {self.spec.method} on the frozen network diverged at iteration {self.done}.",
                "Lower the rate with --fit-lr and run again.",
            )

    def _save(self) -> None:
        assert self.optimizer is not None
        parts: dict[str, Any] = {"aux": self.model.aux, "supervision": self.supervision, "optimizer": self.optimizer}
        states = {name: part.state_dict() for name, part in parts.items()}
        checkpoints.save(self._partial, self.spec, {"iteration": self.done, **states})
        self.saved = time.monotonic()

    def take_statistics(self, samples: SampleSet) -> None:
        """Run what the method measures over whole source batches.

        Raises:
            UserError: there are too few source images for one batch.
        """
        self.model.eval()
        if not self.method.statistics:
            return
        config = self.spec.source.training
        count = min(config.statistics_batches, len(samples) // config.batch_size)
        if count == 0:
            raise UserError(
                f"{self.spec.method} takes statistics over whole source batches and needs {config.batch_size} source "
                f"images; there are {len(samples)}.",
                f"Give --train-samples {config.batch_size} or more, or leave {self.spec.method} out of --methods.",
            )
        device = next(self.model.parameters()).device

        def batches() -> Iterator[Tensor]:
            for index in range(count):
                first = index * config.batch_size
                yield samples.batch(range(first, first + config.batch_size)).images.to(device)

        rng = torch.Generator().manual_seed(hash_seed(self.spec.source.seed, 5))
        with torch.no_grad():
            self.method.source_statistics(self.model, batches(), rng)

    def store(self) -> None:
        """Leave the checkpoint, and nothing half done."""
        path = checkpoints.checkpoint_path(self.cache, self.spec.id)
        checkpoints.save(path, self.spec, {"aux": self.model.aux.state_dict()})
        self._partial.unlink(missing_ok=True)
