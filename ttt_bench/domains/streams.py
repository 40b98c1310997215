"""In which kinds of stream a target may arrive, and what each needs of the written pair. No torch."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ttt_bench.domains.joined import NEXT
from ttt_bench.errors import UserError


@dataclass(frozen=True)
class Stream:
    """How the target's images arrive."""

    name: str
    title: str
    """In words."""
    several: bool = False
    """Whether it takes several targets, ``A->B>C``; the others take one."""
    segments: bool = False
    """Whether one part follows the other: batches never mix parts, and scores are told for each."""


STREAMS: dict[str, Stream] = {
    stream.name: stream
    for stream in (
        Stream("iid", "shuffled by the seed"),
        Stream("correlated", "what belongs together in a row: by scene, by file name, or by class (Dirichlet 0.1)"),
        Stream("continual", "several targets one after the other, without a reset", several=True, segments=True),
        Stream("gradual", "one corruption, its severity rising from 1 and falling back to 1", segments=True),
        Stream("mixed", "several targets shuffled into one", several=True),
    )
}
"""By the word after ``--stream``."""

CARRIES_ON = "online"
"""The one protocol in which weights are carried from batch to batch to the end."""
QUOTED = "--pairs 'rooms/studio->rooms/fog>rooms/dusk'"


def targets_of(stream: str, target: str) -> tuple[str, ...]:
    """The written names of the domains that ``target`` stands for under ``stream``, in the order of their arrival.

    Raises:
        UserError: the stream needs another number of targets, or a corruption to vary.
    """
    names = tuple(part.strip() for part in target.split(NEXT))
    kind = STREAMS[stream]
    if not all(names):
        raise UserError(f"{target!r} has an empty target.", f"Write for example {QUOTED}.")
    if kind.several and len(names) < 2:
        raise UserError(
            f"--stream {stream} takes several targets, and {target!r} is one.", f"Write for example {QUOTED}."
        )
    if not kind.several and len(names) > 1:
        several = " or ".join(f"--stream {other.name}" for other in STREAMS.values() if other.several)
        raise UserError(f"--stream {stream} takes one target, and {target!r} is {len(names)}.", f"Give {several}.")
    return _severities(target) if stream == "gradual" else names


def _severities(target: str) -> tuple[str, ...]:
    """``X+fog:3`` -> X+fog:1, X+fog:2, X+fog:3, X+fog:2, X+fog:1."""
    found = re.fullmatch(r"(.*\+[^+:]+):(\d+)", target)
    if found is None:
        raise UserError(
            f"--stream gradual needs a corrupted target, and {target!r} is not corrupted.",
            "Write the highest severity it rises to, for example 'rooms/studio->rooms/studio+fog:5'.",
        )
    name, highest = found[1], int(found[2])
    levels = (*range(1, highest + 1), *range(highest - 1, 0, -1))
    return tuple(f"{name}:{level}" for level in levels)


def check_protocol(stream: str, protocol: str) -> None:
    """Refuse a protocol under which the order of segments cannot be seen.

    Raises:
        UserError: nothing would be carried from one segment to the next.
    """
    if STREAMS[stream].segments and protocol != CARRIES_ON:
        why = {
            "episodic": "resets before every batch, so nothing is carried from one segment to the next",
            "single": "adapts to the first batch only, so it never meets a later segment",
        }[protocol]
        raise UserError(f"--stream {stream} needs --protocols {CARRIES_ON}: {protocol} {why}.")
