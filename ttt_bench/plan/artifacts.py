"""What work leaves on disk, and whether it is there. No torch."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ttt_bench.domains.catalogue import open_domain
from ttt_bench.domains.contract import SPLITS, Domain
from ttt_bench.plan.plan import DataNeed
from ttt_bench.plan.work import Context, Work
from ttt_bench.samples.cache import SampleCache
from ttt_bench.source.paths import checkpoint_path
from ttt_bench.store.claims import Claim
from ttt_bench.store.folder import SweepFolder


def is_done(work: Work, context: Context) -> bool:
    """Whether the product of ``work`` is on disk."""
    if work.kind == "cell":
        return SweepFolder(context.folder).cell_path(work.id).exists()
    if work.kind == "train":
        return checkpoint_path(context.cache, work.id).exists()
    if work.kind == "fit":
        return all(checkpoint_path(context.cache, branch.id).exists() for branch in work.branches)
    return not context.keep_decoded or _decoded(work, context).complete


def pending(works: Iterable[Work], context: Context) -> list[Work]:
    """What of ``works`` is still to be done, and the decodings that it reads, whether those are there or not."""
    everything = list(works)
    done = SweepFolder(context.folder).done()
    missing = [
        w for w in everything if w.kind != "data" and not (w.id in done if w.kind == "cell" else is_done(w, context))
    ]
    needed = {need for work in missing for need in work.needs}
    return missing + [w for w in everything if w.kind == "data" and w.id in needed]


def bytes_to_decode(works: Iterable[Work], context: Context) -> int:
    """Bytes that decoded samples will take in the cache for what of ``works`` is still to be done."""
    if not context.keep_decoded:
        return 0
    caches = (_decoded(work, context) for work in pending(works, context) if work.kind == "data")
    return sum(cache.nbytes for cache in caches if not cache.complete)


def _decoded(work: Work, context: Context) -> SampleCache:
    assert work.data is not None
    split = next(split for split in SPLITS if split == work.data.split)
    return SampleCache(domain_of(work.data, context), split, work.data.count, context.cache)


def claim_for(work: Work, context: Context) -> Claim:
    """The claim that keeps two processes from doing ``work`` at the same time."""
    return Claim(claim_path(work, context), work.label)


def claim_path(work: Work, context: Context) -> Path:
    """Where the claim on ``work`` lies: a cell's in its sweep, shared work's in the cache."""
    root = context.folder if work.kind == "cell" else context.cache
    return root / "claims" / f"{work.id}.json"


def domain_of(need: DataNeed, context: Context) -> Domain:
    """The domain of ``need``, opened once per process."""
    return open_domain(need.domain, need.size, context.roots)
