"""What one cell costs from its source training to its predictions: seconds and peak memory of each stage.

On the cell's own network, images and batch sizes; a measurement of the study ``cost``.
"""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

import torch

from ttt_bench import plugins
from ttt_bench.bench.subjects import Subject
from ttt_bench.bench.timing import peak_of, time_interleaved
from ttt_bench.cell.run import cell_stream, make_adapter
from ttt_bench.cell.spec import Cell
from ttt_bench.machine import reuse_freed_memory
from ttt_bench.method import registry
from ttt_bench.method.contract import Method, Model
from ttt_bench.plan.plan import source_data, target_data
from ttt_bench.plan.work import Context, Measure
from ttt_bench.samples.loading import Batch
from ttt_bench.samples.opening import open_samples, open_target
from ttt_bench.source.branches import load_model, load_network, seen_by
from ttt_bench.source.fitting import BranchFit, Stretch, stretches
from ttt_bench.source.loop import batch_at, joint_loss, step, training_optimizer
from ttt_bench.source.training import build_auxiliary, build_network, build_supervision

Notify = Callable[[int, int, str], None]

TRAINING, BRANCH, UPDATE, PREDICTION, IDLE = "source training", "branch", "update", "prediction", "idle"
REPEATS = 7


def stages_of(cell: Cell, method: Method) -> dict[str, int]:
    """Stage -> how often it is done: iterations of trainings, updates per batch, one prediction."""
    training = cell.source.training
    found = {TRAINING: training.iterations}
    found |= {_name(stretch): stretch.iterations for stretch in _fitted(cell, method)}
    return {**found, **({UPDATE: cell.steps} if method.adapts else {}), PREDICTION: 1}


def _fitted(cell: Cell, method: Method) -> tuple[Stretch, ...]:
    """Stages of a fit on the frozen network; none where the branch was trained with it, or there is none."""
    if method.branch == "none" or (method.branch == "joint" and cell.source.joint is not None):
        return ()
    return stretches(method, cell.source.training)


def _name(stretch: Stretch) -> str:
    return stretch.stage.name if stretch.stage else BRANCH


def subject_of(stage: str, cell: Cell, method: Method, context: Context) -> Subject:
    """One stage, ready to be run again and again; nothing of the others is built for it."""
    if stage == IDLE:
        return Subject(stage, lambda: None)
    if stage == TRAINING:
        return _training(cell, method, context)
    if stage in (UPDATE, PREDICTION):
        return _test(stage, cell, method, context)
    return _fit(stage, cell, method, context)


def _batch(cell: Cell, context: Context) -> Batch:
    samples = open_samples(source_data(cell.source), context.roots, context.decoded)
    return batch_at(samples, cell.source.training, cell.source.seed, 0).to(context.device)


def _training(cell: Cell, method: Method, context: Context) -> Subject:
    spec, batch = cell.source, _batch(cell, context)
    network = build_network(spec)
    along = method if spec.joint is not None else None
    aux = build_auxiliary(method, network, spec.seed) if along else torch.nn.Module()
    model = Model(network, aux).to(context.device).train()
    supervision = build_supervision(spec).to(context.device)
    optimizer = training_optimizer([*model.parameters(), *supervision.parameters()], spec.training)
    rng = torch.Generator().manual_seed(0)

    def run() -> None:
        step(optimizer, lambda: joint_loss(model, batch.images, batch.labels, along, rng, supervision, 0.0))

    return Subject(TRAINING, run)


def _fit(stage: str, cell: Cell, method: Method, context: Context) -> Subject:
    network = load_network(cell.source, context.cache).to(context.device)
    fit = BranchFit.start(cell.branch, method, network, context.cache, context.device)
    fit.saved = math.inf  # what is timed here is nobody's progress
    stretch = next(each for each in fit.plan if _name(each) == stage)
    batch = _batch(cell, context)

    def run() -> None:
        # The first iteration of a stage makes its optimiser anew; the second does not, and the third is like it.
        fit.done = stretch.first + (1 if fit.optimizer is not None and stretch.iterations > 1 else 0)
        fit.step(seen_by(network, batch, fit.sees_network))

    return Subject(stage, run)


def _test(stage: str, cell: Cell, method: Method, context: Context) -> Subject:
    adapter = make_adapter(cell, method, load_model(cell.branch, method, context.cache).to(context.device))
    samples = open_target(target_data(cell), context.roots, context.decoded)
    stream, _ = cell_stream(cell, samples, context.device)
    images = stream.images[0]
    run = partial(adapter.update if stage == UPDATE else adapter.predict, images)
    return Subject(stage, run, adapter)


def measure(work: Measure, context: Context, notify: Notify) -> dict[str, Any]:
    """Seconds of one iteration, update or prediction of each stage and its peak memory, as they are stored."""
    cell = work.cell
    method = registry.create(cell.method, cell.options, context.extra_methods)
    stages = stages_of(cell, method)
    timings = time_interleaved([subject_of(name, cell, method, context) for name in stages], REPEATS, context.device)
    found = {}
    for done, (name, times) in enumerate(stages.items(), start=1):
        notify(done, len(stages), f"peak memory, {name}")
        batch = cell.batch_size if name in (UPDATE, PREDICTION) else cell.source.training.batch_size
        found[name] = {"times": times, "batch": batch, **asdict(timings[name]), "memory": _peak(name, cell, context)}
    model = load_model(cell.branch, method, context.cache)
    return {
        "cell": cell.describe(),
        "repeats": REPEATS,
        "stages": found,
        "idle": _peak(IDLE, cell, context),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }


def _peak(stage: str, cell: Cell, context: Context) -> int:
    """Peak bytes of a process that does nothing but one stage twice; on CUDA, of the device."""
    asked = pickle.dumps((stage, cell, context))
    done = subprocess.run([sys.executable, "-m", "ttt_bench.bench.stages"], input=asked, capture_output=True)
    if done.returncode:
        raise RuntimeError(f"{stage} failed in a process of its own:\n{done.stderr.decode(errors='replace')}")
    return int(done.stdout.split()[-1])


def _alone(stage: str, cell: Cell, context: Context) -> int:
    reuse_freed_memory()
    plugins.use(context.plugins)
    torch.set_num_threads(context.threads)
    method = registry.create(cell.method, cell.options, context.extra_methods)
    return peak_of(subject_of(stage, cell, method, context), context.device, cell.precision)


if __name__ == "__main__":
    print(_alone(*pickle.load(sys.stdin.buffer)))
