"""The whole benchmark, and its two forms: a table and one JSON object."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from rich.table import Table

from ttt_bench.adaptation.execution import PLAIN, Execution, float32_products
from ttt_bench.bench.config import BenchConfig
from ttt_bench.bench.harness import harness_costs
from ttt_bench.bench.subjects import (
    ENCODER_BOTH,
    ENCODER_FORWARD,
    Subject,
    able_subjects,
    encoder_subjects,
)
from ttt_bench.bench.timing import Progress, Timing, matrix_peak, peak_memory, time_interleaved
from ttt_bench.machine import return_freed_memory, reuse_freed_memory
from ttt_bench.provenance import provenance


@dataclass(frozen=True)
class MethodCost:
    """What one method costs, beside what its definition forces."""

    name: str
    step: Timing | None
    """None for a control without updates."""
    evaluation: Timing
    forwards: float
    """Encoder forwards of one update without a graph, in pixels of the batch."""
    with_graph: float
    """Encoder forwards with a graph, each walked back once."""
    memory: int
    parameters: int
    updated: int


@dataclass(frozen=True)
class BenchResult:
    """All measurements of one run."""

    config: BenchConfig
    device: str
    execution: Execution
    encoder_forward: Timing
    encoder_both: Timing
    encoder_memory: int
    peak: float
    methods: tuple[MethodCost, ...]
    left_out: dict[str, str]
    """Methods that cannot work on this network, and why."""
    harness: dict[str, float] | None
    """None where it was not asked for: no track and no network changes it."""

    def forced(self, cost: MethodCost) -> float:
        """The update that the method's own forwards and backwards cost at the encoder's speed, over the encoder's."""
        bare = cost.forwards * self.encoder_forward.seconds + cost.with_graph * self.encoder_both.seconds
        return bare / self.encoder_both.seconds

    def as_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        return {
            "config": self.config.name,
            "track": self.config.track,
            "network": self.config.network.counted(),
            "size": list(self.config.size),
            "batch_size": self.config.batch,
            "encoder": {
                "forward_seconds": self.encoder_forward.seconds,
                "forward_backward_seconds": self.encoder_both.seconds,
                "peak_memory_bytes": self.encoder_memory,
                "forward_backward_flops": self.encoder_both.flops,
            },
            "matrix_product_flops_per_second": self.peak,
            "methods": {cost.name: self._method_json(cost) for cost in self.methods},
            "left_out": self.left_out,
            "harness": self.harness,
            "provenance": provenance(device=self.device, **asdict(self.execution), threads=torch.get_num_threads()),
        }

    def _method_json(self, cost: MethodCost) -> dict[str, Any]:
        step = cost.step
        return {
            "step_seconds": step.seconds if step else None,
            "step_ratio": step.seconds / self.encoder_both.seconds if step else None,
            "flops_ratio": step.flops / self.encoder_both.flops if step else None,
            "forced_ratio": self.forced(cost) if step else None,
            "forwards": cost.forwards,
            "forwards_with_graph": cost.with_graph,
            "eval_seconds": cost.evaluation.seconds,
            "eval_ratio": cost.evaluation.seconds / self.encoder_forward.seconds,
            "memory_bytes": cost.memory,
            "memory_ratio": cost.memory / self.encoder_memory,
            "parameters": cost.parameters,
            "parameters_updated": cost.updated,
            "step_flops": step.flops if step else None,
            "step_flops_per_second": step.flops / step.seconds if step else None,
            "spread": step.spread if step else None,
        }


def run_bench(
    config: BenchConfig,
    device: str,
    repeats: int | None = None,
    progress: Progress | None = None,
    execution: Execution = PLAIN,
    harness: bool = True,
) -> BenchResult:
    """Measure everything in one run.

    Args:
        config: network, images and tasks.
        device: where to compute.
        repeats: timed rounds; None: the configuration's.
        progress: told what is measured next.
        execution: arithmetic and compilation.
        harness: whether to measure too what no configuration changes: data, store, report.

    Raises:
        UserError: the network cannot be made, or the device lacks the arithmetic.
    """
    execution.check(device)
    with float32_products(execution.precision):
        return _run(config, device, repeats, progress, execution, harness)


def _run(
    config: BenchConfig,
    device: str,
    repeats: int | None,
    progress: Progress | None,
    execution: Execution,
    harness: bool,
) -> BenchResult:
    reuse_freed_memory()
    encoder = encoder_subjects(config, device, execution)
    by_method, left_out = able_subjects(config, device, execution)
    subjects = [*encoder, *(s for group in by_method.values() for s in group)]
    timings = time_interleaved(subjects, repeats or config.repeats, device, progress)
    costs = tuple(_cost(config, name, group, timings, device, progress, execution) for name, group in by_method.items())
    if progress is not None:
        progress("peak memory of the encoder, matrix product, harness")
    return BenchResult(
        config=config,
        device=device,
        execution=execution,
        encoder_forward=timings[ENCODER_FORWARD],
        encoder_both=timings[ENCODER_BOTH],
        encoder_memory=peak_memory(config, ENCODER_BOTH, device, execution),
        peak=matrix_peak(device),
        methods=costs,
        left_out=left_out,
        harness=harness_costs() if harness else None,
    )


def _cost(
    config: BenchConfig,
    name: str,
    group: list[Subject],
    timings: dict[str, Timing],
    device: str,
    progress: Progress | None,
    execution: Execution,
) -> MethodCost:
    if progress is not None:
        progress(f"peak memory of {name}")
    adapter = group[0].adapter
    assert adapter is not None
    before = (adapter.cost.forward_pixels, adapter.cost.backward_pixels)
    updates = group[0].name.endswith("step")
    if updates:
        group[0].run()
    return_freed_memory()  # to the process that is measured now: methods of the paper's size had kept 16 GB
    pixels = config.batch * config.size[0] * config.size[1]
    forward = (adapter.cost.forward_pixels - before[0]) / pixels
    graph = (adapter.cost.backward_pixels - before[1]) / pixels
    return MethodCost(
        name=name,
        step=timings[group[0].name] if updates else None,
        evaluation=timings[group[-1].name],
        forwards=forward - graph,
        with_graph=graph,
        memory=peak_memory(config, group[0].name, device, execution),
        parameters=sum(p.numel() for p in adapter.model.parameters()),
        updated=sum(p.numel() for p in adapter.parameters),
    )


def as_table(result: BenchResult) -> Table:
    """One row per method: ratios to the encoder, memory, parameters."""
    config = result.config
    words = [result.device, result.execution.precision, *(["compiled"] if result.execution.compiled else [])]
    table = Table(
        title=f"{config.name}, {config.track} track: {_network(config)}, {config.size[0]}x{config.size[1]}, "
        f"batch {config.batch}, {', '.join(words)}; encoder forward {result.encoder_forward.seconds:.3f} s, "
        f"forward+backward {result.encoder_both.seconds:.3f} s, {result.encoder_memory / 2**20:.0f} MiB",
        title_justify="left",
    )
    heads = (
        "method", "step (s)", "/ encoder f+b", "forced", "FLOPs / f+b", "evaluation / f", "memory / f+b", "GFLOP/s",
        "params (M)",
    )  # fmt: skip
    for place, head in enumerate(heads):
        table.add_column(head, justify="right" if place else "left")
    for cost in result.methods:
        step = cost.step
        table.add_row(
            cost.name,
            f"{step.seconds:.3f}" if step else "–",
            f"{step.seconds / result.encoder_both.seconds:.2f}" if step else "–",
            f"{result.forced(cost):.2f} ({cost.forwards:.1f}f + {cost.with_graph:.1f}fb)" if step else "–",
            f"{step.flops / result.encoder_both.flops:.2f}" if step else "–",
            f"{cost.evaluation.seconds / result.encoder_forward.seconds:.2f}",
            f"{cost.memory / result.encoder_memory:.2f}",
            f"{step.flops / step.seconds / 1e9:.0f}" if step else "–",
            f"{cost.parameters / 1e6:.2f}",
        )
    return table


def _network(config: BenchConfig) -> str:
    network = config.network
    shown = [network.backbone]
    if network.architecture != "multitask":
        shown.append(f"({network.architecture})")
    if network.stem:
        shown.append(f"(stem {network.stem})")
    return " ".join(shown)


def lines(result: BenchResult) -> list[str]:
    """Which methods are missing and why, and what the harness costs, in words."""
    said = [f"left out: {name}: {why}" for name, why in result.left_out.items()]
    said.append(f"matrix product: {result.peak / 1e9:.0f} GFLOP/s")
    return said + (_harness_lines(result.harness) if result.harness else [])


def _harness_lines(found: dict[str, float]) -> list[str]:
    return [
        f"small cell: {found['cell_seconds']:.2f} s, of which arithmetic {found['arithmetic_seconds']:.2f} s: "
        f"overhead {100 * found['overhead_share']:.1f} %",
        f"cached batch {1e3 * found['batch_seconds']:.1f} ms, save {1e3 * found['save_seconds']:.1f} ms, "
        f"load {1e3 * found['load_seconds']:.1f} ms per trajectory",
        f"{found['cells']:.0f} finished cells of 41 steps: report {found['report_seconds']:.1f} s, sweep again "
        f"{found['rerun_seconds']:.1f} s, plan {found['plan_seconds']:.2f} s; "
        f"methods {found['methods_seconds']:.2f} s, --help {found['help_seconds']:.2f} s",
    ]
