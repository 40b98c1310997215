"""Where candidates are tried: on the target itself, on corrupted held-out source images, on clean ones.

A trial equals the final cell in everything but the settings tried and these images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ttt_bench.cell.spec import TRIAL, Cell, TargetPart
from ttt_bench.domains.catalogue import open_domain
from ttt_bench.domains.corruptions.tables import kinds_in
from ttt_bench.domains.pairs import ARROW
from ttt_bench.errors import UserError
from ttt_bench.method.info import MethodInfo
from ttt_bench.metrics.signals import SIGNALS
from ttt_bench.selection.candidates import Candidate

PROXIES = ("gaussian_noise:3", "defocus_blur:3", "contrast:3", "jpeg_compression:3")
"""Corruptions of the source's held-out split, one of each family (noise, blur, weather, digital)."""
HELD_OUT = "val"
CLEAN = "clean"
TARGET = "target"


@dataclass(frozen=True)
class Place:
    """Images that candidates are tried on."""

    name: str
    """``target``, ``clean``, or a corruption of ``PROXIES``."""
    domain: str
    fingerprint: str
    samples: int
    split: str
    scaling: str
    parts: tuple[TargetPart, ...] = ()
    """Of a target that is made of several; held-out images are one domain in every kind of stream."""
    signals: tuple[str, ...] = ()

    def trial(self, cell: Cell, candidate: Candidate | None = None, info: MethodInfo | None = None) -> Cell:
        """``cell`` on these images, with the settings of ``candidate``; a control keeps its own."""
        settings = {} if candidate is None or info is None else candidate.settings(info)
        return replace(
            cell,
            pair=f"{cell.source.domain}{ARROW}{self.domain}",
            target=self.domain,
            target_fingerprint=self.fingerprint,
            target_samples=self.samples,
            parts=self.parts,
            split=self.split,
            scaling=self.scaling,
            signals=self.signals,
            recipe=TRIAL,
            options={**cell.options, **settings},
            changed=tuple(dict.fromkeys((*cell.changed, *settings))),
            choice=None,
        )


def target_place(cell: Cell) -> Place:
    """The target of ``cell`` itself, where signals are recorded too."""
    return Place(
        TARGET, cell.target, cell.target_fingerprint, cell.target_samples, cell.split, cell.scaling, cell.parts, SIGNALS
    )


def proxies_of(target: str) -> tuple[str, ...]:
    """Corruptions that stand in for a target: without a kind that it is made of itself.

    Raises:
        UserError: none is left.
    """
    kinds = kinds_in(target)
    left = tuple(proxy for proxy in PROXIES if proxy.partition(":")[0] not in kinds)
    if not left:
        raise UserError(
            f"{target} is made of every kind of corruption that settings are chosen on.", "Compare with native only."
        )
    return left


def held_out_places(cell: Cell, samples: int, roots: Mapping[str, Path]) -> dict[str, Place]:
    """Every proxy of the source of ``cell``, and its clean held-out images, by name.

    Args:
        cell: whose source model is tuned.
        samples: of the target; as many are taken, in whole batches where there are fewer.
        roots: folders of data sets.

    Raises:
        UserError: the source holds no image back.
    """
    found = {}
    for name in (*PROXIES, CLEAN):
        written = cell.source.domain if name == CLEAN else f"{cell.source.domain}+{name}"
        domain = open_domain(written, cell.source.size, roots)
        there = domain.length("val")
        if not there:
            raise UserError(
                f"{cell.source.domain} has no held-out images (val) to choose settings on.",
                "Compare with native only, or give the domain a val split.",
            )
        count = samples if there >= samples else max(there - there % cell.batch_size, min(there, cell.batch_size))
        found[name] = Place(name, written, domain.fingerprint(), count, HELD_OUT, cell.source.scaling)
    return found
