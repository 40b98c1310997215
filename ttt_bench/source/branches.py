"""Fitting the methods' auxiliary parts on one frozen network, all of them over one pass of its features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from ttt_bench.method.contract import Method, Model, SourceBatch
from ttt_bench.networks.contract import Network
from ttt_bench.samples.loading import Batch, SampleSet
from ttt_bench.source import checkpoints
from ttt_bench.source.faults import Faults
from ttt_bench.source.fitting import BranchFit
from ttt_bench.source.loop import Progress, batch_at
from ttt_bench.source.spec import BranchSpec, SourceSpec
from ttt_bench.source.training import build_auxiliary, build_network


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


def fit(
    pending: Sequence[tuple[BranchSpec, Method]],
    samples: SampleSet,
    cache: Path,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> None:
    """Fit and store every pending branch, from where an interrupted fit saved it; all must share one source network.

    The frozen network's forward over each source batch is computed once for all of them. Each branch has its own
    optimiser and random stream, so its result does not depend on which others are fitted beside it, on where it was
    interrupted, nor on whether they fail.

    Raises:
        BranchError: some could not be fitted; it names them. All others are stored.
    """
    todo = [(s, m) for s, m in pending if not checkpoints.checkpoint_path(cache, s.id).exists()]
    if not todo:
        return
    source = todo[0][0].source
    network = load_network(source, cache).to(device)
    faults = Faults()
    started = [faults.guarded(s, partial(BranchFit.start, s, m, network, cache, device)) for s, m in todo]
    fits = [each for each in started if each is not None]
    _train([each for each in fits if each.total], network, samples, faults, progress)
    for each in fits:
        faults.guarded(each.spec, partial(each.take_statistics, samples))
        if each.spec.id not in faults.found:
            each.store()
    faults.settle([each.spec.method for each in fits if each.spec.id not in faults.found])


def _train(
    fits: Sequence[BranchFit], network: Network, samples: SampleSet, faults: Faults, progress: Progress | None
) -> None:
    """Take every iteration that a branch still lacks; each batch is seen by all that are at it."""
    total = max((each.total for each in fits), default=0)
    first = min((each.done for each in fits), default=0)
    for iteration in range(first, total):
        active = [e for e in fits if e.done <= iteration < e.total and e.spec.id not in faults.found]
        if not active:
            if all(each.spec.id in faults.found for each in fits):
                break
            continue
        batch = _seen(network, samples, active, iteration)
        for each in active:
            faults.guarded(each.spec, partial(each.step, batch), iteration == first)
        if progress is not None and (iteration % 10 == 9 or iteration + 1 == total):
            said = "branches" if len(active) > 1 else "branch"
            progress(iteration + 1, total, f"{len(active)} {said} on the frozen network")


def _seen(network: Network, samples: SampleSet, active: Sequence[BranchFit], iteration: int) -> SourceBatch:
    """The batch of ``iteration``, with the frozen network's maps and predictions where one of ``active`` looks."""
    source = active[0].spec.source
    device = next(network.parameters()).device
    batch = batch_at(samples, source.training, source.seed + 7919, iteration).to(device)
    return seen_by(network, batch, any(each.sees_network for each in active))


def seen_by(network: Network, batch: Batch, looks: bool) -> SourceBatch:
    """``batch`` with the frozen network's maps and predictions; without them where nobody ``looks``."""
    if not looks:
        return SourceBatch(batch.images, batch.labels, (), {})
    with torch.no_grad():
        features = network.features(batch.images)
        predictions = network.predict(features, (batch.images.shape[-2], batch.images.shape[-1]))
    return SourceBatch(batch.images, batch.labels, features, predictions)
