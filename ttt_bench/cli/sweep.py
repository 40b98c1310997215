"""The commands that plan and do work."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ttt_bench import registry
from ttt_bench.cli.options import Request
from ttt_bench.cli.progress import SweepProgress
from ttt_bench.errors import UserError
from ttt_bench.identity import plain
from ttt_bench.launch.cost import Cost, cost_of, stated_forecast
from ttt_bench.launch.local import Result, execute
from ttt_bench.launch.work import Context, Work, lay_out
from ttt_bench.plan.plan import Plan
from ttt_bench.plan.released import delta_metrics
from ttt_bench.store.folder import SweepFolder

console = Console()


def show_plan(request: Request, probe_on: str = "", cost: bool = True) -> None:
    """Print what a sweep would do, what is already there and what the rest will cost; change nothing.

    Args:
        request: the sweep.
        probe_on: a device on which two steps of everything are timed; empty: figures from cells and documents.
        cost: False where a cluster's forecast follows.
    """
    plan = request.plan()
    states = SweepFolder(request.folder).states(cell.id for cell in plan.cells)
    table = Table(title=f"Plan for {request.folder}", title_justify="left")
    for column in ("pair", "methods", "protocol", "recipe", "training", "seeds"):
        table.add_column(column)
    for column in ("cells", "done"):
        table.add_column(column, justify="right")
    blocks: dict[tuple[str, str, str, str], list[str]] = {}
    for cell in plan.cells:
        blocks.setdefault((cell.pair, cell.protocol, cell.recipe, cell.training), []).append(cell.id)
    by_id = {cell.id: cell for cell in plan.cells}
    for (pair, protocol, recipe, training), ids in blocks.items():
        names = list(dict.fromkeys(by_id[i].method for i in ids))
        seeds = sorted({by_id[i].seed for i in ids})
        done = sum(states[i] == "done" for i in ids)
        table.add_row(
            pair, " ".join(names), protocol, recipe, training, ",".join(map(str, seeds)), str(len(ids)), str(done)
        )
    console.print(table)
    for line in [*_plan_lines(plan, Counter(states.values())), *_accident_lines(plan), *_weights_lines(plan)]:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if cost:
        for line in _cost(request, plan, probe_on).lines:
            console.print(line, highlight=False, markup=False, soft_wrap=True)


def _cost(request: Request, plan: Plan, probe_on: str) -> Cost:
    context = Context(request.folder, request.cache, request.roots, request.extra_methods)
    forecast = stated_forecast(plan, SweepFolder(request.folder))
    if probe_on:
        from ttt_bench.launch.probe import probe

        device = resolve_device(probe_on, lay_out(plan), request)
        with console.status("") as status:
            forecast = probe(plan, forecast, device, status.update)
    return cost_of(plan, context, forecast)


def _weights_lines(plan: Plan) -> list[str]:
    network = plan.config.network
    if network.weights == "none":
        return []
    if network.weights != "imagenet":
        there = Path(network.weights).expanduser().is_file()
        return [] if there else [f"weights: {network.weights} does not exist: no source model can be trained"]
    folder = torch_weights_folder()
    if any(folder.glob(f"{network.backbone}-*.pth")):
        return []
    return [
        f"weights: ImageNet's for {network.backbone} are not in {folder}: the first training will try to download "
        "them; on a machine that cannot, give --weights FILE (torchvision's state dict)"
    ]


def _plan_lines(plan: Plan, states: Counter[str]) -> list[str]:
    known = registry.discover(plan.extra_methods)
    updates = sum(
        c.steps * (1 if c.protocol == "single" else _batches(c.target_samples, c.batch_size))
        for c in plan.cells
        if known[c.method].adapts
    )
    scored = sum(len(c.eval_steps) * _batches(c.target_samples, c.batch_size) for c in plan.cells)
    iterations = sum(source.training.iterations for source in plan.sources)
    return [
        f"{len(plan.sources)} source networks ({iterations:,} iterations), {len(plan.branches)} branches, "
        f"{len(plan.cells)} cells ({updates:,} updates, {scored:,} evaluation forwards)",
        "cells: " + ", ".join(f"{count} {state}" for state, count in sorted(states.items())),
    ]


def torch_weights_folder() -> Path:
    """Where torch keeps downloaded weights, by its own rules."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("TORCH_HOME") or f"{cache}/torch"
    return Path(home).expanduser() / "hub" / "checkpoints"


def _accident_lines(plan: Plan) -> list[str]:
    lines = []
    for pair, effects in plan.accidents.items():
        lines.append(f"accidents of the S4T release on {pair}:")
        lines += [f"  {name:<16} {said or 'nothing here'}" for name, said in effects.items()]
    return lines


def _batches(samples: int, batch_size: int) -> int:
    return -(-samples // batch_size)


def run_sweep(request: Request, jobs: int, device: str, retry: str, figures: bool) -> None:
    """Do everything that is missing, then report."""
    if retry not in ("", "failed"):
        raise UserError(f"--retry {retry!r} is unknown.", "Valid: failed.")
    start = time.monotonic()
    plan = request.plan()
    folder = SweepFolder(request.folder)
    remember(request, plan, folder)
    result = work_off(request, lay_out(plan), jobs, device, retry == "failed")
    say(result, folder, time.monotonic() - start)
    if folder.done():
        from ttt_bench.cli.reporting import make_report, show_again

        if result.done or not show_again(request.folder, figures):
            make_report(request.folder, "", figures)
    if result.failed or result.blocked:
        sys.exit(1)


def run_training(request: Request, jobs: int, device: str) -> None:
    """Train and fit only."""
    start = time.monotonic()
    plan = request.plan()
    works = lay_out(plan)
    wanted = {w.id for w in works if w.kind in ("train", "fit")}
    needed = wanted.union(*(w.needs for w in works if w.id in wanted))
    result = work_off(request, [w for w in works if w.id in needed], jobs, device, True, keep_idle=True)
    say(result, SweepFolder(request.folder), time.monotonic() - start)
    if result.failed or result.blocked:
        sys.exit(1)


def work_off(
    request: Request,
    works: list[Work],
    jobs: int,
    device: str,
    retry_failed: bool,
    keep_idle: bool = False,
) -> Result:
    """Do on this machine what of ``works`` is missing, with a bar or lines that say how far it is."""
    context = Context(
        request.folder, request.cache, request.roots, request.extra_methods, resolve_device(device, works, request)
    )
    with SweepProgress(console, len(works)) as progress:
        return execute(works, context, jobs, progress, retry_failed, keep_idle)


def resolve_device(device: str, works: list[Work], request: Request) -> str:
    """``auto`` -> cuda or cpu; torch is not loaded when nothing is left to do.

    Raises:
        UserError: there is no such device, or it lacks the arithmetic asked for.
    """
    cells = [work.id for work in works if work.kind == "cell"]
    if cells and set(cells) <= SweepFolder(request.folder).done():
        return "cpu"
    from ttt_bench.adaptation.execution import Execution

    chosen = _found(device)
    Execution(request.config.precision).check(chosen)
    return chosen


def _found(device: str) -> str:
    """The device to use, after a look at which ones there are."""
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise UserError(f"--device {device!r} is not a device.", "Valid: cpu, cuda, cuda:N, auto.") from error
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"--device {device}: this machine shows {torch.cuda.device_count()} CUDA devices.", "Use --device cpu."
        )
    return device


def remember(request: Request, plan: Plan, folder: SweepFolder) -> None:
    """Keep what was asked for in the sweep's folder."""
    folder.remember(
        request.config.id,
        {
            "config": plain(request.config),
            "accidents": plan.accidents,
            "metrics": delta_metrics(request.config.released),
            "command": "python -m ttt_bench " + " ".join(sys.argv[1:]),
            "cells": [
                {"id": c.id, "label": c.label, "pair": c.pair, "method": c.method, "seed": c.seed} for c in plan.cells
            ],
        },
    )


def say(result: Result, folder: SweepFolder, seconds: float) -> None:
    """What was done, what failed, and where the tracebacks are."""
    console.print(
        f"{result.done} pieces of work done, {result.skipped} cells were already there, "
        f"{len(result.failed)} failed, {len(result.blocked)} blocked by a failure, in {seconds:.0f} s.",
        highlight=False,
    )
    for work, error in result.failed:
        console.print(f"failed: {work.label}: {error}", style="red", markup=False, highlight=False)
    if result.failed:
        console.print(
            f"Tracebacks: {folder.path / 'failures'}. Run again with --retry failed to redo them.", highlight=False
        )
