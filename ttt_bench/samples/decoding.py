"""Decoding samples into arrays on disk, in this process or in several. No torch."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np

from ttt_bench.domains.contract import Domain, Split
from ttt_bench.errors import UserError
from ttt_bench.machine import die_with_parent
from ttt_bench.samples.fields import mapped, pack

Fault = tuple[int, UserError]
"""A sample, and what is wrong with it."""
Decoded = tuple[int, list[Fault]]
"""How many samples a worker has looked at, and what was wrong with some."""
CHUNK = 16
"""Samples per task of a worker."""
WORTH_A_POOL = 64
"""Fewer samples than this are decoded faster than processes start."""


def decode(domain: Domain, split: Split, indices: Sequence[int], draft: Path, workers: int) -> Iterator[Decoded]:
    """Decode samples into the rows of the arrays in ``draft`` that have their numbers.

    Args:
        domain: what to decode.
        split: of it.
        indices: of the samples.
        draft: a folder with an array of every field.
        workers: processes; few samples are decoded in this one.

    Raises:
        UserError: a worker process died.
    """
    chunks = [list(indices[i : i + CHUNK]) for i in range(0, len(indices), CHUNK)]
    if workers < 2 or len(indices) < WORTH_A_POOL or multiprocessing.current_process().daemon:
        return (_decode_chunk(domain, split, chunk, draft) for chunk in chunks)
    return _pooled(domain, split, chunks, draft, workers)


def _pooled(domain: Domain, split: Split, chunks: list[list[int]], draft: Path, workers: int) -> Iterator[Decoded]:
    # Not fork: the caller may have loaded torch, whose threads and locks do not survive a fork.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, len(chunks)), context, initializer=die_with_parent)
    try:
        waiting: set[Future[Decoded]] = {pool.submit(_decode_chunk, domain, split, chunk, draft) for chunk in chunks}
        while waiting:
            finished, waiting = wait(waiting, timeout=60.0, return_when=FIRST_COMPLETED)
            os.utime(draft)
            for future in finished:
                yield future.result()
    except BrokenProcessPool as error:
        raise UserError(
            f"A process that decoded {domain.name} died (out of memory, or killed).", "Run it again."
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _decode_chunk(domain: Domain, split: Split, indices: list[int], draft: Path) -> Decoded:
    arrays = mapped(draft, domain)
    faults: list[Fault] = []
    for index in indices:
        try:
            packed = pack(domain.sample(split, index), domain)
        except UserError as error:  # the others are looked at all the same, so that all bad files are named at once
            faults.append((index, error))
            continue
        for name, value in packed.items():
            arrays[name][index] = value
    for array in arrays.values():
        if isinstance(array, np.memmap):
            array.flush()
    return len(indices), faults
