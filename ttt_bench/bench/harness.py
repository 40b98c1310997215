"""What the harness itself costs: a cell against the arithmetic in it, data, store."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.bench.scale import scale_costs
from ttt_bench.cell.run import run_cell
from ttt_bench.cell.spec import Cell
from ttt_bench.launch.worker import do
from ttt_bench.method import registry
from ttt_bench.method.configured import MethodCall
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.plan.plan import make_plan, target_data
from ttt_bench.plan.sweep import SweepConfig
from ttt_bench.plan.work import Adapt, Context, lay_out
from ttt_bench.samples.loading import SampleSet
from ttt_bench.samples.opening import open_samples
from ttt_bench.source.branches import load_model
from ttt_bench.source.spec import training_preset
from ttt_bench.store.trajectory import Trajectory

REPEATS = 5


def harness_costs() -> dict[str, float]:
    """Seconds of a small cell and of its bare arithmetic, of data, store and report, and of 1,000 finished cells."""
    with tempfile.TemporaryDirectory() as folder:
        work, samples = _ready(Path(folder))
        costs, trajectory = _cell_costs(work.cell, samples, Path(folder))
        return {
            **costs,
            **_piece_costs(trajectory, samples, Path(folder)),
            **scale_costs(trajectory, Path(folder) / "big"),
        }


def _ready(folder: Path) -> tuple[Adapt, SampleSet]:
    """A small cell of TENT with everything it needs on disk."""
    config = SweepConfig(
        pairs=("rooms/studio->rooms/fog",),
        methods=tuple(MethodCall(registry.find(name)) for name in ("base", "tent")),
        batches=4,
        network=NetworkConfig("resnet18", "conv"),
        size=(96, 96),
        source_training=training_preset("fast", iterations=1, samples=16),
    )
    plan = make_plan(config)
    context = Context(folder, folder, {})
    works = lay_out(plan)
    for work in works:
        if not isinstance(work, Adapt):
            do(work, context, lambda *_: None)
    work = next(w for w in works if isinstance(w, Adapt) and w.cell.method == "tent")
    return work, open_samples(target_data(work.cell)[0], context.roots, context.decoded)


def _cell_costs(cell: Cell, samples: SampleSet, folder: Path) -> tuple[dict[str, float], Trajectory]:
    """A whole cell and its arithmetic alone, in turn; medians, since either may meet a busy moment."""
    images = [samples.batch(range(first, first + 8)).images for first in range(0, len(samples), 8)]
    trajectory = run_cell(cell, samples, folder)  # warm-up
    whole, bare = [], []
    for _ in range(REPEATS):
        start = time.perf_counter()
        trajectory = run_cell(cell, samples, folder)
        trajectory.save(folder / "cell.npz")
        whole.append(time.perf_counter() - start)
        bare.append(_arithmetic(cell, images, folder))
    overhead = statistics.median(1 - b / w for w, b in zip(whole, bare, strict=True))
    costs = {
        "cell_seconds": statistics.median(whole),
        "arithmetic_seconds": statistics.median(bare),
        "overhead_share": overhead,
    }
    return costs, trajectory


def _piece_costs(trajectory: Trajectory, samples: SampleSet, folder: Path) -> dict[str, float]:
    """Data and store, one piece each."""
    path = folder / "cell.npz"
    return {
        "batch_seconds": _median_seconds(lambda: samples.batch(range(8))),
        "save_seconds": _median_seconds(lambda: trajectory.save(path)),
        "load_seconds": _median_seconds(lambda: Trajectory.load(path, examples=False)),
    }


def _median_seconds(run: Callable[[], object]) -> float:
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def _arithmetic(cell: Cell, batches: list[Tensor], folder: Path) -> float:
    """Seconds of the cell's updates and predictions alone, in the cell's order."""
    method = registry.create(cell.method, cell.options)
    adapter = Adapter(load_model(cell.branch, method, folder), method, method.native, cell.seed)
    start = time.perf_counter()
    for images in batches:
        for step in range(cell.steps + 1):
            adapter.predict(images)
            if step < cell.steps:
                adapter.update(images)
    return time.perf_counter() - start
