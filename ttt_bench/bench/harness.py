"""What the harness itself costs: a cell against the arithmetic in it, data, store."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from torch import Tensor

from ttt_bench import registry
from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.cell.run import run_cell
from ttt_bench.cell.spec import Cell
from ttt_bench.launch.doing import do, open_samples
from ttt_bench.launch.work import Context, lay_out
from ttt_bench.network.config import NetworkConfig
from ttt_bench.plan.config import SweepConfig
from ttt_bench.plan.plan import make_plan
from ttt_bench.source.branches import load_model
from ttt_bench.source.spec import training_preset
from ttt_bench.store.trajectory import Trajectory


def harness_costs() -> dict[str, float]:
    """Seconds of a small cell, of its bare arithmetic, of a cached batch, of saving and of loading."""
    with tempfile.TemporaryDirectory() as folder:
        return _measure(Path(folder))


def _measure(folder: Path) -> dict[str, float]:
    config = SweepConfig(
        pairs=("rooms/studio->rooms/fog",),
        methods=(("base", {}), ("tent", {})),
        batches=4,
        network=NetworkConfig("resnet18", "conv"),
        size=(96, 96),
        source_training=training_preset("fast", iterations=1, samples=16),
    )
    plan = make_plan(config)
    context = Context(folder, folder, {})
    works = lay_out(plan)
    for work in works:
        if work.kind != "cell":
            do(work, context, lambda *_: None)
    work = next(w for w in works if w.cell is not None and w.cell.method == "tent")
    assert work.data is not None
    assert work.cell is not None
    samples = open_samples(work.data, context)
    samples.batch(range(8))
    cell = work.cell
    run_cell(cell, samples, folder)  # warm-up
    whole = bare = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        trajectory = run_cell(cell, samples, folder)
        trajectory.save(folder / "cell.npz")
        whole = min(whole, time.perf_counter() - start)
        bare = min(bare, _arithmetic(cell, [samples.batch(range(i * 8, i * 8 + 8)).images for i in range(4)], folder))
    start = time.perf_counter()
    trajectory.save(folder / "cell.npz")
    saved = time.perf_counter() - start
    start = time.perf_counter()
    Trajectory.load(folder / "cell.npz", examples=False)
    loaded = time.perf_counter() - start
    start = time.perf_counter()
    samples.batch(range(8))
    batch = time.perf_counter() - start
    return {
        "cell_seconds": whole,
        "arithmetic_seconds": bare,
        "overhead_share": (whole - bare) / whole,
        "batch_seconds": batch,
        "save_seconds": saved,
        "load_seconds": loaded,
    }


def _arithmetic(cell: Cell, batches: list[Tensor], folder: Path) -> float:
    """Seconds of the cell's updates and predictions alone, in the cell's order."""
    method = registry.create(cell.method, cell.options)
    adapter = Adapter(load_model(cell.branch, method, folder), method, method.native_recipe(), cell.seed)
    start = time.perf_counter()
    for images in batches:
        for step in range(cell.steps + 1):
            adapter.predict(images)
            if step < cell.steps:
                adapter.update(images)
    return time.perf_counter() - start
