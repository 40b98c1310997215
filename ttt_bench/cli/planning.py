"""What a sweep would do and cost, printed before anything is done."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from rich.table import Table

from ttt_bench.cell.spec import TRIAL
from ttt_bench.cli.console import console
from ttt_bench.cli.options.request import Request
from ttt_bench.domains.streams import STREAMS
from ttt_bench.forecast.cost import Cost, cost_of, stated_forecast
from ttt_bench.method import registry
from ttt_bench.networks.config import IMAGENET_FILES
from ttt_bench.networks.hub import is_broken, weights_folder
from ttt_bench.plan.artifacts import bytes_to_decode
from ttt_bench.plan.plan import Plan
from ttt_bench.plan.work import Decode, Work, lay_out
from ttt_bench.store.folder import SweepFolder


def show_plan(request: Request, plan: Plan, probe_on: str = "", cost: bool = True) -> None:
    """Print what a sweep would do, what is already there and what the rest will cost; change nothing.

    Args:
        request: the sweep.
        plan: its cells.
        probe_on: a device on which two steps of everything are timed; empty: figures from cells and documents.
        cost: False where a cluster's forecast follows.
    """
    states = SweepFolder(request.folder).states(cell.id for cell in plan.cells)
    table = Table()
    for column in ("pair", "methods", "protocol", "stream", "recipe", "training", "seeds"):
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
            pair, " ".join(names), protocol, plan.config.stream, recipe, training, ",".join(map(str, seeds)),
            str(len(ids)), str(done),
        )  # fmt: skip
    console.print(f"Plan for {request.folder}", style="italic")
    console.show(table)
    lines = [*_plan_lines(plan, Counter(states.values())), *_stream_lines(plan), *left_out_lines(plan)]
    lines += _accident_lines(plan)
    for line in [*lines, *data_lines(lay_out(plan), request)]:
        console.print(line)
    if cost:
        for line in _cost(request, plan, probe_on).lines:
            console.print(line)
    for line in _weights_lines(plan):  # last, as nothing can be done before it is heeded
        console.print(line)


def _cost(request: Request, plan: Plan, probe_on: str) -> Cost:
    forecast = stated_forecast(plan, SweepFolder(request.folder))
    if probe_on:
        from ttt_bench.cli.devices import resolve_device
        from ttt_bench.forecast.timing import probe

        device = resolve_device(probe_on, lay_out(plan), request)
        with console.status("") as status:
            forecast = probe(plan, forecast, device, status.update)
    return cost_of(plan, request.context(), forecast)


def _weights_lines(plan: Plan) -> list[str]:
    network = plan.config.network
    if network.weights == "none":
        return []
    if network.weights != "imagenet":
        there = Path(network.weights).expanduser().is_file()
        return [] if there else [f"weights: {network.weights} does not exist: no source model can be trained"]
    if network.backbone not in IMAGENET_FILES:
        return []  # timm keeps its weights by its own rules
    folder = weights_folder()
    file = folder / IMAGENET_FILES[network.backbone]
    if file.is_file():
        broken = f"weights: {file} is damaged, an incomplete download: delete it, or no source model can be trained"
        return [broken] if is_broken(file) else []
    return [
        f"weights: ImageNet's for {network.backbone} are not in {folder}: the first training will try to download "
        "them; on a machine that cannot, give --weights FILE (torchvision's state dict)"
    ]


def _plan_lines(plan: Plan, states: Counter[str]) -> list[str]:
    known = registry.discover(plan.extra_methods)
    updates = sum(c.steps * (1 if c.protocol == "single" else c.batches) for c in plan.cells if known[c.method].adapts)
    scored = sum(len(c.eval_steps) * c.batches for c in plan.cells)
    iterations = sum(source.training.iterations for source in plan.sources)
    return [
        f"{len(plan.config.pairs)} pairs, {len(plan.sources)} source networks ({iterations:,} iterations), "
        f"{len(plan.branches)} branches, {len(plan.cells)} cells ({updates:,} updates, {scored:,} evaluation forwards)",
        *later_lines(plan),
        "cells: " + ", ".join(f"{count} {state}" for state, count in sorted(states.items())),
    ]


def _stream_lines(plan: Plan) -> list[str]:
    """How the targets arrive, where that is not as usual."""
    stream = STREAMS[plan.config.stream]
    if stream.name == "iid":
        return []
    parts = {cell.pair: cell.parts for cell in plan.cells}
    lines = [f"stream {stream.name}: {stream.title}"]
    lines += [
        f"  {pair}: " + (" > " if stream.segments else ", ").join(f"{part.domain} ({part.samples})" for part in found)
        for pair, found in parts.items()
        if found
    ]
    return lines


def later_lines(plan: Plan) -> list[str]:
    """What will be known only once trials are finished; nothing where all is known."""
    if not plan.later:
        return []
    trials = sum(cell.recipe == TRIAL for cell in plan.later)
    return [
        f"{len(plan.later)} more cells follow from the results of these: {trials} trials around the best settings, "
        f"{len(plan.later) - trials} with what is chosen"
    ]


def _accident_lines(plan: Plan) -> list[str]:
    lines = []
    for pair, effects in plan.accidents.items():
        lines.append(f"accidents of the S4T release on {pair}:")
        lines += [f"  {name:<16} {said or 'nothing here'}" for name, said in effects.items()]
    return lines


def left_out_lines(plan: Plan) -> list[str]:
    """Which methods of ``all`` are not among the cells, and why."""
    return [f"left out: {line}" for line in plan.left_out]


def data_lines(works: list[Work], request: Request) -> list[str]:
    """What decoding will write, before it is written."""
    size = bytes_to_decode(works, request.context())
    said = _said_of_data(works, request)
    if not size:
        return said
    return [
        *said,
        f"decoded images: {size / 1e9:.2f} GB more in {request.cache} (--no-data-cache: none, decoded at each use)",
    ]


def _said_of_data(works: list[Work], request: Request) -> list[str]:
    """What was assumed, measured or left out, and what is implausible, once for a domain and its corruptions."""
    needs = dict.fromkeys(work.data for work in works if isinstance(work, Decode))
    domains = [need.open(request.context().roots) for need in needs]
    notes = dict.fromkeys(f"data: {note}" for domain in domains for note in domain.notes())
    doubts = dict.fromkeys(f"data, implausible: {doubt}" for domain in domains for doubt in domain.doubts())
    return [*notes, *doubts]
