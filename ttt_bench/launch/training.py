"""Training a source network, in this process alone or in several that share each batch. Loads torch."""

from __future__ import annotations

import multiprocessing
import signal
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

from ttt_bench import plugins
from ttt_bench.adaptation.execution import float32_products
from ttt_bench.machine import die_with_parent, reuse_freed_memory, usable_cpus
from ttt_bench.method import registry
from ttt_bench.plan.plan import source_data
from ttt_bench.plan.work import Context
from ttt_bench.process_state import computing_threads
from ttt_bench.samples.loading import SampleSet
from ttt_bench.samples.need import validation_data
from ttt_bench.samples.opening import open_samples
from ttt_bench.source import training
from ttt_bench.source.spec import SourceSpec
from ttt_bench.source.team import Team

Notify = Callable[[int, int, str], None]
"""Called with (done, total, text)."""

Other = tuple[BaseProcess, Connection]
"""Another process of a training, and where it says why it ends."""

PARTING_SECONDS = 5.0


def train_source(source: SourceSpec, context: Context, notify: Notify) -> None:
    """Train ``source`` in as many processes as it says; this one is the first of them, and stores the result.

    Raises:
        UserError: the training diverged, or cannot be shared.
        RuntimeError: another process of it ended; the message is that process's own.
    """
    if source.processes == 1:
        _train(source, context, None, notify)
        return
    with tempfile.TemporaryDirectory(prefix="ttt_bench_") as folder:
        place = Path(folder) / "meeting"
        others = [_start(rank, place, source, context) for rank in range(1, source.processes)]
        try:
            with Team.meet(0, source.processes, place, context.device) as team:
                _lead(source, context, team, notify, others)
        finally:
            _part(others)


def _lead(source: SourceSpec, context: Context, team: Team, notify: Notify, others: list[Other]) -> None:
    try:
        _train(source, context, team, notify)
    except RuntimeError as error:
        # Asked before parting: without this process all others end as well, and that would be what they say.
        words = _last_words(others)
        if words:
            raise RuntimeError(words) from error
        raise


def _train(source: SourceSpec, context: Context, team: Team | None, notify: Notify | None) -> None:
    joint, data = source.joint, source_data(source)
    method = registry.create(joint[0], joint[1], context.extra_methods) if joint else None
    samples = open_samples(data, context.roots, context.decoded)
    validation = held_out(source, context) if team is None or team.first else None
    # Processes that train together have been given all processors there are.
    idle = None if team else context.idle or _room_for_two(context.threads)
    training.train(source, samples, context.cache, method, context.device, notify, validation, team, idle)


def _room_for_two(threads: int) -> Callable[[], bool]:
    """Whether a second worker's processors are idle, where this process works alone: always or never."""
    room = usable_cpus() >= 2 * threads
    return lambda: room


def held_out(source: SourceSpec, context: Context) -> SampleSet:
    """Images of the source domain that were kept from training."""
    data = source_data(source)
    return open_samples(validation_data(data, data.open(context.roots)), context.roots, context.decoded)


def _start(rank: int, place: Path, source: SourceSpec, context: Context) -> Other:
    # spawn: forking a process that has run torch threads can deadlock.
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_take_part, args=(rank, place, source, context, theirs), name="ttt_bench training")
    process.start()
    theirs.close()
    return process, ours


def _take_part(rank: int, place: Path, source: SourceSpec, context: Context, said: Connection) -> None:
    """The whole life of another process of a training."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process decides what an interrupt means, and ends this one
    die_with_parent()
    plugins.use(context.plugins)
    reuse_freed_memory()
    context = on_next_device(context, rank)
    try:
        with (
            computing_threads(context.threads),
            float32_products("fp32"),
            Team.meet(rank, source.processes, place, context.device) as team,
        ):
            _train(source, context, team, None)
    except Exception as error:
        said.send("".join(traceback.format_exception(error)))


def on_next_device(context: Context, rank: int) -> Context:
    """``context`` for the process ``rank``: the GPUs are taken in turn, beginning with the first process's own."""
    if not context.device.startswith("cuda"):
        return context
    first = int(context.device.partition(":")[2] or 0)
    return replace(context, device=f"cuda:{(first + rank) % torch.cuda.device_count()}")


def _last_words(others: list[Other]) -> str:
    """Why one of ``others`` ended; empty where none did."""
    for process, pipe in others:
        try:
            if pipe.poll(PARTING_SECONDS):
                return str(pipe.recv())
        except EOFError:
            process.join(PARTING_SECONDS)
            return (
                f"Another process of this training ended without a word (exit code {process.exitcode}; out of memory?)."
            )
    return ""


def _part(others: list[Other]) -> None:
    for process, pipe in others:
        process.join(PARTING_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()
        pipe.close()
