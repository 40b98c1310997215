"""Doing one cell: load what was trained, adapt over the target, hand back the trajectory."""

from __future__ import annotations

import copy
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.adaptation.execution import Execution, float32_products
from ttt_bench.adaptation.protocols import PROTOCOLS, OnStep, Protocol, run_protocol
from ttt_bench.adaptation.recording import Recording
from ttt_bench.adaptation.savepoint import Savepoint
from ttt_bench.adaptation.signals import Signals
from ttt_bench.adaptation.stream import Evaluator, TargetStream, open_stream
from ttt_bench.cell.spec import Cell
from ttt_bench.identity import identity
from ttt_bench.machine import resident_peak
from ttt_bench.method import registry
from ttt_bench.method.configured import resolve
from ttt_bench.method.contract import Method, Model
from ttt_bench.provenance import git_sha, provenance, versions
from ttt_bench.samples.joined import Samples
from ttt_bench.samples.loading import SampleSet, denormalise
from ttt_bench.source.branches import load_model, load_scores
from ttt_bench.source.training import source_scores
from ttt_bench.store.trajectory import Trajectory
from ttt_bench.tasks import TASKS, get_task

EXAMPLES = 3
"""Images of the last batch that the picture sheet shows: there the method has seen most."""


def run_cell(
    cell: Cell,
    samples: Samples,
    cache: Path,
    extra_methods: tuple[Path, ...] = (),
    device: torch.device | str = "cpu",
    on_step: OnStep | None = None,
    model: Model | None = None,
    partial: Path | None = None,
    attempt: int = 1,
    held_out: SampleSet | None = None,
) -> Trajectory:
    """Run ``cell`` from its stored source model, or from where an interrupted run of it was saved.

    Args:
        cell: what to do.
        samples: the target's images and labels.
        cache: root of the checkpoints; those of the cell must be there.
        extra_methods: method files given by path.
        device: where to compute.
        on_step: told about every update.
        model: the loaded source model, when the caller has it already; it is copied.
        partial: where progress is saved now and then; None saves none. The caller removes it once the trajectory
            is stored.
        held_out: source images kept from training, to be scored by what the stream has left of the model.
        attempt: how often the cell has been started, failures of the machine included; kept with the result.

    Raises:
        UserError: a checkpoint or the saved progress is missing or damaged, or the method refuses the setting.
    """
    method = registry.create(cell.method, cell.options, extra_methods)
    source = load_model(cell.branch, method, cache) if model is None else copy.deepcopy(model)
    adapter = make_adapter(cell, method, source.to(device))
    stream, evaluator = cell_stream(cell, samples, device)
    start = time.perf_counter()
    _reset_peak_memory(device)
    savepoint = None if partial is None else Savepoint(partial, _run_identity(cell, device))
    with float32_products(cell.precision):
        recording = run_protocol(
            protocol_of(cell),
            adapter,
            stream,
            evaluator,
            cell.steps,
            cell.eval_steps,
            on_step,
            savepoint,
            Signals(cell.signals, samples.camera),
        )
        examples = _examples(adapter, stream, evaluator, recording, cell.scaling)
        left = {}
        if held_out is not None and recording.collapsed_step is None:
            found = source_scores(adapter.predict, held_out, cell.batch_size, device)
            left = {id: value if math.isfinite(value) else math.nan for id, value in found.items()}
    return Trajectory(
        cell_id=cell.id,
        cell=cell.describe(),
        provenance=provenance(
            device=_device_name(device),
            precision=cell.precision,
            threads=torch.get_num_threads(),
            attempt=attempt,
            resumed=savepoint is not None and savepoint.resumed_at is not None,
        ),
        eval_steps=cell.eval_steps,
        statistics=recording.statistics,
        loss=recording.loss,
        seconds=recording.seconds,
        eval_seconds=recording.eval_seconds,
        forwards=recording.forwards,
        backwards=recording.backwards,
        examples=examples,
        summary={
            **_summary(adapter, recording, cell.eval_steps, device, time.perf_counter() - start),
            "source_scores": load_scores(cell.source, cache),
            "source_scores_after": left,
        },
    )


def _run_identity(cell: Cell, device: torch.device | str) -> str:
    """What a saved run must agree in to be gone on with; a run is never half one code and half another's."""
    return identity(
        {"cell": cell.id, "git": git_sha(), "versions": versions(), "device": _device_name(device),
         "threads": torch.get_num_threads()}
    )  # fmt: skip


def make_adapter(cell: Cell, method: Method, model: Model) -> Adapter:
    """``method`` at work on ``model`` by the recipe, explicit settings, seed and arithmetic of ``cell``."""
    optimizer = resolve(method.native_on(cell.source.tasks), cell.recipe, cell.options, method.name)
    return Adapter(model, method, optimizer, cell.seed, Execution(cell.precision, cell.compiled))


def cell_stream(cell: Cell, samples: Samples, device: torch.device | str) -> tuple[TargetStream, Evaluator]:
    """The target of ``cell`` as it arrives, and its labels for scoring alone."""
    return open_stream(samples, cell.batch_size, cell.seed, device, cell.input_noise, cell.order, cell.stream)


def protocol_of(cell: Cell) -> Protocol:
    """When ``cell`` adapts and when it forgets."""
    for protocol in PROTOCOLS:
        if protocol == cell.protocol:
            return protocol
    raise ValueError(f"unknown protocol {cell.protocol!r}")  # the plan has checked it


def _summary(
    adapter: Adapter,
    recording: Recording,
    eval_steps: tuple[int, ...],
    device: torch.device | str,
    seconds: float,
) -> dict[str, Any]:
    step, reason = recording.collapsed_step, recording.collapse_reason
    if step is None:
        step, reason = task_collapse(recording, adapter, eval_steps)
    return {
        "collapsed_step": step,
        "collapse_reason": reason,
        "parameters_total": sum(p.numel() for p in adapter.model.parameters()),
        "parameters_updated": sum(p.numel() for p in adapter.parameters),
        "peak_memory_bytes": _peak_memory(device),
        "wall_seconds": seconds,
    }


def task_collapse(recording: Recording, adapter: Adapter, eval_steps: tuple[int, ...]) -> tuple[int | None, str]:
    """First scored step at which a task's predictions say nothing any more, while those of step 0 did."""
    if not adapter.method.adapts:
        return None, ""
    found = [fallen for task in TASKS.values() if (fallen := task.collapsed(recording.statistics)) is not None]
    if not found:
        return None, ""
    column, reason = min(found, key=lambda fallen: fallen[0])
    return eval_steps[column], reason


def _examples(
    adapter: Adapter, stream: TargetStream, evaluator: Evaluator, recording: Recording, scaling: str
) -> dict[str, npt.NDArray[Any]]:
    index = len(stream) - 1
    images = stream.images[index]
    count = min(EXAMPLES, images.shape[0])
    pixels = (denormalise(images[:count], scaling) * 255).round().clamp(0, 255).byte().permute(0, 2, 3, 1)
    found: dict[str, npt.NDArray[Any]] = {"image": pixels.cpu().numpy()}
    for task, label in evaluator.truth(index).items():
        # Half precision does for pictures; what is said of a whole image is a few numbers, and may be a large id.
        values = label[:count].cpu().numpy()
        found[f"truth/{task}"] = values.astype(np.float16) if get_task(task).extent == "map" else values
    if recording.collapsed_step is None:
        batch, predictions = recording.last or (-1, {})
        if batch != index:
            predictions = adapter.predict(images)
        for task, prediction in predictions.items():
            # A diverged network's outputs may be beyond half precision, and are a picture all the same.
            most = float(np.finfo(np.float16).max)
            found[f"prediction/{task}"] = prediction[:count].clamp(-most, most).cpu().numpy().astype(np.float16)
    return found


def _reset_peak_memory(device: torch.device | str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def _peak_memory(device: torch.device | str) -> int:
    """Peak bytes: of the device on CUDA, of this process since its start on the CPU."""
    if torch.device(device).type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return resident_peak()


def _device_name(device: torch.device | str) -> str:
    chosen = torch.device(device)
    return torch.cuda.get_device_name(chosen) if chosen.type == "cuda" else "cpu"
