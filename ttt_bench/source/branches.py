"""Fitting the methods' auxiliary parts on one frozen network, all of them over one pass of its features."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ttt_bench.adaptation.optimizers import build_optimizer
from ttt_bench.errors import UserError
from ttt_bench.method.card import OptimizerSpec
from ttt_bench.method.contract import Method, Model, SourceBatch
from ttt_bench.networks.contract import Network
from ttt_bench.process_state import ProcessState
from ttt_bench.samples.loading import SampleSet
from ttt_bench.source import checkpoints
from ttt_bench.source.loop import Progress, batch_at, hash_seed, step
from ttt_bench.source.spec import BranchSpec, SourceSpec
from ttt_bench.source.training import build_auxiliary, build_network, build_supervision
from ttt_bench.store.failures import kind_of
from ttt_bench.tasks.supervision import Supervision


def load_network(spec: SourceSpec, cache: Path) -> Network:
    """The trained network of ``spec``, in eval mode, frozen."""
    # Its weights are all replaced: what it was initialised with need not be at hand any more, nor be drawn.
    bare = replace(spec, network=replace(spec.network, weights="none"))
    with torch.device("meta" if spec.network.is_own else "cpu"):
        network = build_network(bare)
    content = checkpoints.load(checkpoints.checkpoint_path(cache, spec.id), spec)
    network.load_state_dict(content["network"], assign=True)
    network.requires_grad_(False)
    return network.eval()


def load_scores(spec: SourceSpec, cache: Path) -> dict[str, float]:
    """The trained network's scores on held-out source images, by metric id."""
    content = checkpoints.load(checkpoints.checkpoint_path(cache, spec.id), spec, mapped=True)
    scores: dict[str, float] = content["scores"]
    return scores


def load_model(spec: BranchSpec, method: Method, cache: Path) -> Model:
    """The trained network with ``method``'s auxiliary part, ready to be given to an adapter."""
    network = load_network(spec.source, cache)
    aux = build_auxiliary(method, network, spec.source.seed)
    if needs_branch(method):
        content = checkpoints.load(checkpoints.checkpoint_path(cache, spec.id), spec)
        aux.load_state_dict(content["aux"])
    return Model(network, aux)


def needs_branch(method: Method) -> bool:
    """Whether the method has a source-time part of its own that must be on disk before it adapts."""
    return method.branch != "none" or method.statistics


class BranchError(UserError):
    """Some branches could not be fitted; the others are stored."""

    def __init__(self, message: str, hint: str = "", trace: str = "") -> None:
        super().__init__(message, hint)
        self.trace = trace
        """Tracebacks of all of them."""


@dataclass
class _Fit:
    spec: BranchSpec
    method: Method
    model: Model
    supervision: Supervision
    optimizer: torch.optim.Optimizer | None
    base_lr: float


class _Faults:
    """What went wrong with single branches, which must not stop or change the others."""

    def __init__(self) -> None:
        self.found: dict[str, BaseException] = {}
        """By the branch's identity."""
        self._names: dict[str, str] = {}
        self._state = ProcessState.now()

    def guarded(self, spec: BranchSpec, work: Callable[[], _Fit | None], thorough: bool = True) -> _Fit | None:
        """Do ``work`` for a branch that is still sound, note what it raises, and put the process's state back.

        Args:
            spec: whose work it is.
            work: runs code of the method.
            thorough: look for patched functions too, which is too slow for every step.
        """
        if spec.id in self.found:
            return None
        try:
            return work()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # sys.exit in a method is a fault of the method like any other
            if kind_of(error) != "error":
                raise
            self.found[spec.id], self._names[spec.id] = error, spec.method
            return None
        finally:
            _ = self._state.restore() if thorough else self._state.restore_settings()

    def settle(self, sound: Sequence[str]) -> None:
        """Raise what was found.

        Raises:
            BranchError: one line for all, the tracebacks beside it.
        """
        if not self.found:
            return
        said = [f"{self._names[id]}: {_line(error)}" for id, error in self.found.items()]
        hints = dict.fromkeys(
            error.hint for error in self.found.values() if isinstance(error, UserError) and error.hint
        )
        kept = f"The others are fitted: {', '.join(dict.fromkeys(sound))}." if sound else ""
        trace = "".join("".join(traceback.format_exception(error)) for error in self.found.values())
        raise BranchError("; ".join(said).rstrip(".") + ".", " ".join([*hints, kept]).strip(), trace)


def _line(error: BaseException) -> str:
    if isinstance(error, UserError):
        return error.message
    return "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]


def fit(
    pending: Sequence[tuple[BranchSpec, Method]],
    samples: SampleSet,
    cache: Path,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> None:
    """Fit and store every pending branch; all must share one source network.

    The frozen network's forward over each source batch is computed once for all of them. Each branch has its own
    optimiser and random stream, so its result does not depend on which others are fitted beside it, nor on whether
    they fail.

    Raises:
        BranchError: some could not be fitted; it names them. All others are stored.
    """
    todo = [(s, m) for s, m in pending if not checkpoints.checkpoint_path(cache, s.id).exists()]
    if not todo:
        return
    source = todo[0][0].source
    network = load_network(source, cache).to(device)
    faults = _Faults()
    started = [faults.guarded(spec, partial(_start, spec, method, network, cache, device)) for spec, method in todo]
    fits = [each for each in started if each is not None]
    training = [f for f in fits if f.optimizer is not None]
    total = source.training.fit_iterations
    for iteration in range(total if training else 0):
        batch = batch_at(samples, source.training, source.seed + 7919, iteration).to(device)
        with torch.no_grad():
            features = network.features(batch.images)
            predictions = network.predict(features, (batch.images.shape[-2], batch.images.shape[-1]))
        shared = SourceBatch(batch.images, batch.labels, features, predictions)
        for each in training:
            faults.guarded(each.spec, partial(_step, each, shared, iteration, total), iteration == 0)
        training = [each for each in training if each.spec.id not in faults.found]
        if not training:
            break
        if progress is not None and (iteration % 10 == 9 or iteration + 1 == total):
            progress(iteration + 1, total, f"{len(training)} branches on the frozen network")
    for each in fits:
        faults.guarded(each.spec, partial(_take_statistics, each, samples, device))
        if each.spec.id not in faults.found:
            path = checkpoints.checkpoint_path(cache, each.spec.id)
            checkpoints.save(path, each.spec, {"aux": each.model.aux.state_dict()})
    faults.settle([each.spec.method for each in fits if each.spec.id not in faults.found])


def _start(spec: BranchSpec, method: Method, network: Network, cache: Path, device: torch.device | str) -> _Fit:
    aux = build_auxiliary(method, network, spec.source.seed).to(device)
    supervision = build_supervision(spec.source).to(device)
    if spec.source.joint is not None and method.branch == "joint":
        # The branch was trained with the network; only statistics are still to be taken.
        trained = checkpoints.load(checkpoints.checkpoint_path(cache, spec.source.id), spec.source)
        aux.load_state_dict(trained["aux"])
        return _Fit(spec, method, Model(network, aux), supervision, None, 0.0)
    if method.branch == "none":
        return _Fit(spec, method, Model(network, aux), supervision, None, 0.0)
    settings = method.source_optimizer or OptimizerSpec("adam", lr=spec.source.training.fit_lr)
    moving = [*aux.parameters(), *supervision.parameters()]
    optimizer = build_optimizer(settings, moving, fused=True)
    return _Fit(spec, method, Model(network, aux), supervision, optimizer, settings.lr)


def _step(each: _Fit, batch: SourceBatch, iteration: int, total: int) -> None:
    assert each.optimizer is not None
    each.model.network.eval()
    each.model.aux.train()
    rng = torch.Generator().manual_seed(hash_seed(each.spec.source.seed, 4, iteration))

    def compute() -> Tensor:
        own = replace(batch, supervise=each.supervision, progress=iteration / total)
        loss = each.method.source_loss(each.model, own, rng)
        penalty = each.supervision.penalty()
        return loss if penalty is None else loss + penalty

    def check(loss: Tensor) -> None:
        if not torch.isfinite(loss):
            raise UserError(
                f"Fitting {each.spec.method} on the frozen network diverged at iteration {iteration}.",
                "Lower the rate with --fit-lr and run again.",
            )

    norm = each.method.source_clip_norm
    clip = None if norm is None else (each.model.aux.parameters(), norm)
    step(each.optimizer, compute, each.base_lr * (1 - iteration / total) ** 0.9, clip, check)


def _take_statistics(each: _Fit, samples: SampleSet, device: torch.device | str) -> None:
    each.model.eval()
    if not each.method.statistics:
        return
    config = each.spec.source.training
    count = min(config.statistics_batches, len(samples) // config.batch_size)
    if count == 0:
        raise UserError(
            f"{each.spec.method} takes statistics over whole source batches and needs {config.batch_size} source "
            f"images; there are {len(samples)}.",
            f"Give --train-samples {config.batch_size} or more, or leave {each.spec.method} out of --methods.",
        )

    def batches() -> Iterator[Tensor]:
        for index in range(count):
            first = index * config.batch_size
            yield samples.batch(range(first, first + config.batch_size)).images.to(device)

    rng = torch.Generator().manual_seed(hash_seed(each.spec.source.seed, 5))
    with torch.no_grad():
        each.method.source_statistics(each.model, batches(), rng)
