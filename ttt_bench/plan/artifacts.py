"""What work leaves on disk: whether it is there, missing, or given up. Everybody asks here. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ttt_bench.domains.contract import SPLITS
from ttt_bench.plan.work import Adapt, Context, Decode, Fit, Measure, Train, Work
from ttt_bench.samples.cache import SampleCache
from ttt_bench.samples.need import DataNeed
from ttt_bench.sealed import is_intact, is_intact_json, set_aside
from ttt_bench.source.paths import checkpoint_path
from ttt_bench.store.claims import Claim
from ttt_bench.store.failures import Failure
from ttt_bench.store.folder import SweepFolder


@dataclass(frozen=True)
class Standing:
    """Where the work of a plan stands; claims apart, which are of the moment."""

    done: frozenset[str]
    failed: Mapping[str, Failure] = field(default_factory=dict)
    """The last failure of what is not done."""

    def given_up(self, retry_failed: bool) -> dict[str, Failure]:
        """What failed and is not to be tried again, by identity."""
        return {} if retry_failed else {id: failure for id, failure in self.failed.items() if not failure.retried}


def standing(works: Iterable[Work], context: Context) -> Standing:
    """What of ``works`` is done and what has failed."""
    asked, folder = list(works), SweepFolder(context.folder)
    done = done_of(asked, context)
    failures = ((id, folder.failure(id)) for id in sorted(folder.failed() & {w.id for w in asked} - done))
    return Standing(done, {id: failure for id, failure in failures if failure is not None})


def done_of(works: Iterable[Work], context: Context) -> frozenset[str]:
    """Identities of what of ``works`` is done."""
    finished = SweepFolder(context.folder).done()  # one listing instead of a look for each of thousands of cells
    return frozenset(w.id for w in works if (w.id in finished if isinstance(w, Adapt) else is_done(w, context)))


def is_done(work: Work, context: Context) -> bool:
    """Whether the product of ``work`` is on disk."""
    if isinstance(work, Decode):
        return not context.keep_decoded or _decoded(work.data, context).complete
    if isinstance(work, Measure):  # small enough to be read each time, and read by nobody who could make it again
        return all(is_intact_json(path) for path in products(work, context))
    return all(path.exists() for path in products(work, context))


def products(work: Work, context: Context) -> list[Path]:
    """The files that ``work`` leaves behind; of decodings the cache knows."""
    match work:
        case Train():
            return [checkpoint_path(context.cache, work.id)]
        case Fit():
            return [checkpoint_path(context.cache, branch.id) for branch in work.branches]
        case Adapt():
            return [SweepFolder(context.folder).cell_path(work.id)]
        case Measure():
            return [SweepFolder(context.folder).measurement_path(work.id)]
        case _:
            return []


def serves(need: Work, work: Work, context: Context) -> bool:
    """Whether ``need`` has left behind what ``work`` needs of it: of a fit, the branch of the cell alone."""
    if isinstance(need, Fit) and isinstance(work, (Adapt, Measure)):
        return checkpoint_path(context.cache, work.cell.branch.id).exists()
    return is_done(need, context)


def set_damaged_aside(work: Work, context: Context) -> None:
    """Move checkpoints and measurements of ``work`` that are not what was written out of the way.

    They are made again.
    """
    intact = {Train: is_intact, Fit: is_intact, Measure: is_intact_json}.get(type(work))
    for path in products(work, context) if intact else []:
        if intact and path.exists() and not intact(path):
            set_aside(path)


def pending(works: Iterable[Work], context: Context) -> list[Work]:
    """What of ``works`` is still to be done, and the decodings that it reads, whether those are there or not.

    A source model or branch that only finished cells were made with is not among them, even when it has been deleted.
    """
    asked = {work.id: work for work in works}
    done = done_of([w for w in asked.values() if not isinstance(w, Decode)], context)
    missing: dict[str, Work] = {}
    read: set[str] = set()
    wanted = [work for work in asked.values() if work.goal and work.id not in done]
    while wanted:
        work = wanted.pop()
        missing[work.id] = work
        for need in map(asked.__getitem__, work.needs):
            if isinstance(need, Decode):
                read.add(need.id)
            elif need.id not in done and need.id not in missing:
                wanted.append(need)
    return [work for work in asked.values() if work.id in missing or work.id in read]


def bytes_to_decode(works: Iterable[Work], context: Context) -> int:
    """Bytes that decoded samples will take in the cache for what of ``works`` is still to be done."""
    if not context.keep_decoded:
        return 0
    caches = (_decoded(work.data, context) for work in pending(works, context) if isinstance(work, Decode))
    return sum(cache.nbytes for cache in caches if not cache.complete)


def _decoded(data: DataNeed, context: Context) -> SampleCache:
    split = next(split for split in SPLITS if split == data.split)
    return SampleCache(data.open(context.roots), split, data.count, context.cache)


def claim_for(work: Work, context: Context) -> Claim:
    """The claim that keeps two processes from doing ``work`` at the same time."""
    return Claim(claim_path(work, context), work.label)


def claim_path(work: Work, context: Context) -> Path:
    """Where the claim on ``work`` lies: a goal's in its sweep, shared work's in the cache."""
    return (context.folder if work.goal else context.cache) / "claims" / f"{work.id}.json"
