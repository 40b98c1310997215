"""The one training loop: source networks, branches, fine-tuning and their timing all take their steps here."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ttt_bench.errors import UserError
from ttt_bench.method.contract import Method, Model, SourceBatch
from ttt_bench.networks.contract import Network, Predictions
from ttt_bench.samples.loading import Batch, SampleSet, augment
from ttt_bench.source import checkpoints
from ttt_bench.source.beside import Beside, Job, WeightGradients
from ttt_bench.source.spec import TrainingConfig
from ttt_bench.source.team import Team
from ttt_bench.tasks.supervision import Supervision

Progress = Callable[[int, int, str], None]
"""Called with (done, total, what there is to say)."""

SAVE_EVERY_SECONDS = 30.0
CHECK_EVERY = 10
"""Iterations between two looks at the loss: each look waits for the device."""


def step(
    optimizer: torch.optim.Optimizer,
    compute: Callable[[], Tensor],
    rate: float | None = None,
    clip: tuple[Iterable[torch.nn.Parameter], float] | None = None,
    check: Callable[[Tensor], None] | None = None,
    join: Callable[[], None] | None = None,
) -> Tensor:
    """Take one step down the loss that ``compute`` returns.

    Args:
        optimizer: what moves the parameters.
        compute: a scalar with graph.
        rate: the learning rate of this step; None leaves it.
        clip: (parameters, norm): their gradient is cut to that norm.
        check: told the loss before anything moves; raises to stop.
        join: called when the gradients are there: processes that train together add up theirs.

    Returns:
        The loss before the step, detached, shape ().
    """
    if rate is not None:
        for group in optimizer.param_groups:
            group["lr"] = rate
    loss = compute()
    if check is not None:
        check(loss)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    if join is not None:
        join()
    if clip is not None:
        torch.nn.utils.clip_grad_norm_(*clip)
    optimizer.step()
    return loss.detach()


@dataclass
class Training:
    """A network with its heads, and perhaps a method's branch, on labelled images: resumable, bit for bit."""

    spec: Any
    """What its progress is saved under: has an ``id``."""
    name: str
    """For messages: "Source training of rooms/studio"."""
    config: TrainingConfig
    seed: int
    stream: int
    """Which random stream the method draws from: trainings of one seed must not share it."""
    model: Model
    supervision: Supervision
    optimizer: torch.optim.Optimizer
    method: Method | None = None
    saying: str = "loss"
    """What the progress calls the loss."""
    team: Team | None = None
    """The processes that train together; None: this one alone."""
    idle: Callable[[], bool] | None = None
    """Whether another processor has nothing to do just now; None: none is ever made use of."""
    _beside: Beside | None = field(default=None, init=False)
    _coming: Job[Batch] | None = field(default=None, init=False)
    """The next iteration's images, already asked for."""

    def run(self, samples: SampleSet, savepoint: Path, progress: Progress | None = None) -> None:
        """Train from the start, or from where an earlier start saved itself, to the end.

        Args:
            samples: images with labels.
            savepoint: where progress is saved now and then; the caller removes it once the result is stored.
            progress: told about every tenth iteration.

        Raises:
            UserError: the loss is no longer finite.
        """
        first = self._resume(savepoint)
        self.model.train()
        with ExitStack() as stack:
            if self.idle is not None:
                self._beside = stack.enter_context(Beside(self.idle))
            self._iterations(first, samples, savepoint, progress)

    def _iterations(self, first: int, samples: SampleSet, savepoint: Path, progress: Progress | None) -> None:
        saved = time.monotonic()
        for iteration in range(first, self.config.iterations):
            loss = self._iterate(samples, iteration)
            done = iteration + 1
            if done % CHECK_EVERY == 0 or done == self.config.iterations:
                value = self._finite(float(loss), iteration)
                if progress is not None:
                    progress(done, self.config.iterations, f"{self.saying} {value:.3f}")
            if self._first and time.monotonic() - saved > SAVE_EVERY_SECONDS:
                self._save(savepoint, done)
                saved = time.monotonic()

    def _iterate(self, samples: SampleSet, iteration: int) -> Tensor:
        device = next(self.model.parameters()).device
        batch = self._batch(samples, iteration).to(device)
        rng = torch.Generator().manual_seed(hash_seed(self.seed, self.stream, iteration))
        rate, progress = scheduled_rate(self.config, iteration), iteration / self.config.iterations
        if self.team is None:
            owed = self._owed(device)

            def compute() -> Tensor:
                with owed.deferred() if owed else nullcontext():
                    return joint_loss(
                        self.model, batch.images, batch.labels, self.method, rng, self.supervision, progress
                    )

            return step(self.optimizer, compute, rate, join=owed.settle if owed else None)
        team, network = self.team, self.model.network
        return step(
            self.optimizer,
            lambda: shared_loss(network, batch.images, batch.labels, self.supervision, team),
            rate,
            join=lambda: team.add_gradients(network.parameters()),
        )

    def _batch(self, samples: SampleSet, iteration: int) -> Batch:
        """The batch of ``iteration``, which may have been made during the one before."""
        make = partial(batch_at, samples, self.config, self.seed)
        if self._beside is None:
            return make(iteration)
        batch = self._coming.result() if self._coming else make(iteration)
        last = iteration + 1 == self.config.iterations
        self._coming = None if last else self._beside.offer(partial(make, iteration + 1))
        return batch

    def _owed(self, device: torch.device) -> WeightGradients | None:
        # A method's own loss may ask autograd for gradients of weights, which must then be there at once.
        if self._beside is None or not self._beside.idle() or self.method is not None or device.type != "cpu":
            return None
        return WeightGradients(self._beside)

    @property
    def _first(self) -> bool:
        return self.team is None or self.team.first

    def _finite(self, loss: float, iteration: int) -> float:
        if loss != loss or loss in (float("inf"), float("-inf")):
            raise UserError(
                f"{self.name} diverged: the loss is {loss} at iteration {iteration}.",
                "Lower the learning rate with --train-lr and run again.",
            )
        return loss

    def _save(self, path: Path, iteration: int) -> None:
        parts = {name: part.state_dict() for name, part in self._parts.items()}
        checkpoints.save(path, self.spec, {"iteration": iteration, **parts})

    def _resume(self, path: Path) -> int:
        content = checkpoints.load_partial(path, self.spec) if self._first else None
        if self.team is not None:
            content = self.team.told(content)
        if content is None:
            return 0
        for name, part in self._parts.items():
            part.load_state_dict(content[name])
        return int(content["iteration"])

    @property
    def _parts(self) -> dict[str, Any]:
        model = self.model
        return {
            "network": model.network, "aux": model.aux, "supervision": self.supervision, "optimizer": self.optimizer,
        }  # fmt: skip


def training_optimizer(parameters: Iterable[torch.nn.Parameter], config: TrainingConfig) -> torch.optim.Optimizer:
    """Adam, or SGD of momentum 0.9, as every training here uses it; its rate is set anew at each iteration."""
    if config.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=config.lr, momentum=0.9, weight_decay=config.weight_decay)
    return torch.optim.Adam(parameters, lr=config.lr, weight_decay=config.weight_decay, fused=True)


def batch_at(samples: SampleSet, config: TrainingConfig, seed: int, iteration: int) -> Batch:
    """The training batch of ``iteration``: a function of seed and iteration alone, so a resume cannot drift.

    Every epoch is a fresh permutation; methods trained jointly see the same stream as Base.
    """
    first = iteration * config.batch_size
    indices = []
    for position in range(first, first + config.batch_size):
        epoch, offset = divmod(position, len(samples))
        indices.append(int(_permutation(len(samples), seed, epoch)[offset]))
    generator = torch.Generator().manual_seed(hash_seed(seed, 2, iteration))
    return augment(samples.batch(indices), config.augment, generator, samples.scaling)


def _permutation(length: int, seed: int, epoch: int) -> Tensor:
    key = (length, seed, epoch)
    if key not in _PERMUTATIONS:
        _PERMUTATIONS.clear() if len(_PERMUTATIONS) > 4 else None
        _PERMUTATIONS[key] = torch.randperm(length, generator=torch.Generator().manual_seed(hash_seed(seed, 1, epoch)))
    return _PERMUTATIONS[key]


_PERMUTATIONS: dict[tuple[int, int, int], Tensor] = {}


def hash_seed(*parts: int) -> int:
    """Mix small integers into one well-spread 63-bit seed."""
    value = 0x9E3779B97F4A7C15
    for part in parts:
        value = ((value ^ (part + 0x7F4A7C15)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        value ^= value >> 29
    return value >> 1


def scheduled_rate(config: TrainingConfig, iteration: int) -> float:
    """The learning rate of ``iteration`` by ``config.schedule``."""
    share = iteration / config.iterations
    if config.schedule == "cosine":
        return config.lr * (1 + math.cos(math.pi * share)) / 2
    if config.schedule == "steps":
        return config.lr * float(0.1 ** sum(share >= place for place in (3 / 7, 5 / 7)))
    return config.lr * float((1 - share) ** config.power)


def joint_loss(
    model: Model,
    images: Tensor,
    labels: Mapping[str, Tensor],
    method: Method | None,
    rng: torch.Generator,
    supervision: Supervision,
    progress: float = 1.0,
) -> Tensor:
    """Weighted task losses of the main heads, plus the method's own source loss if there is a method."""
    features = model.network.features(images)
    outputs = model.network.supervised(features, (images.shape[-2], images.shape[-1]))
    predictions, loss = outputs[0], _supervised(outputs, labels, supervision)
    if method is not None:
        batch = SourceBatch(images, dict(labels), features, predictions, supervision, progress)
        loss = loss + method.source_loss(model, batch, rng)
    penalty = supervision.penalty()
    return loss if penalty is None else loss + penalty


def shared_loss(
    network: Network, images: Tensor, labels: Mapping[str, Tensor], supervision: Supervision, team: Team
) -> Tensor:
    """``joint_loss`` without a method, of the whole batch, of which this process forwards its share."""
    share = team.share(images)
    outputs = network.supervised(network.features(share), (images.shape[-2], images.shape[-1]))
    loss = _supervised([team.gather(predictions) for predictions in outputs], labels, supervision)
    penalty = supervision.penalty()
    return loss if penalty is None else loss + penalty


def _supervised(outputs: Sequence[Predictions], labels: Mapping[str, Tensor], supervision: Supervision) -> Tensor:
    loss: Tensor = supervision(outputs[0], labels)
    for further in outputs[1:]:
        loss = loss + supervision(further, labels)
    return loss
