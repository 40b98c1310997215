"""``corrupt(domain, kind, severity)``: the published corruptions over any domain, labels unchanged.

Parameters (``tables``) and recipes (``noise``, ``blur``, ``weather``, ``digital``) are those of CIFAR-10-C,
Tiny-ImageNet-C and ImageNet-C; the table follows the size of the images. They reproduce the published code when fed
with its draws. What differs:

- frost: the original pastes photographs of frost; here ice crystals are drawn (ridged noise, thickest at the rim).
- spatter: water is lit by the slope of its drops, not by an equalised and embossed edge map.
- elastic_transform over labels that are maps: only a local ripple, as objects must stay on their labels
  (``tables.RIPPLE``). With one label per image it is the published one.
- The draws are our own, seeded per image, so that images are of the published kind and not the published files;
  ImageNet-C's and Tiny-ImageNet-C's files were also saved as JPEG of quality 85 afterwards.

Numpy, scipy and Pillow only. Equal on every call; across machines up to the rounding of exponentials and of the JPEG
library (about one grey level).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ttt_bench.domains.contract import SPLITS, Domain, Sample, Split
from ttt_bench.domains.corruptions.kinds import CORRUPTIONS
from ttt_bench.domains.corruptions.tables import KINDS, check_corruption, parameters_for
from ttt_bench.domains.pixels.planes import Pinhole
from ttt_bench.identity import identity
from ttt_bench.tasks import get_task

VERSION = 2
"""Raise it whenever a pixel of any corrupted image changes: it is part of the fingerprint."""
SEED = 40961


class Corrupted(Domain):
    """A domain whose images went through one corruption, seeded by (kind, severity, split, index)."""

    def __init__(self, domain: Domain, kind: str, severity: int) -> None:
        check_corruption(kind, severity)
        self._domain, self._kind, self._severity = domain, kind, severity
        self.name = f"{domain.name}+{kind}:{severity}"
        self.tasks, self.classes, self.size = domain.tasks, domain.classes, domain.size
        self.edge_definition, self.scaling = domain.edge_definition, domain.scaling
        moves = all(get_task(task).extent == "image" for task in domain.tasks)
        self._parameters = parameters_for(kind, severity, domain.size, moves)

    def length(self, split: Split) -> int:
        """As many as the clean domain."""
        return self._domain.length(split)

    def sample(self, split: Split, index: int) -> Sample:
        """The clean sample with a corrupted image."""
        clean = self._domain.sample(split, index)
        key = (SEED, index, SPLITS.index(split), KINDS.index(self._kind), self._severity)
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))
        image = CORRUPTIONS[self._kind](clean.image, self._parameters, rng)
        return dataclasses.replace(clean, image=image)

    def sample_key(self, split: Split, index: int) -> str:
        """That of the clean sample, with the corruption and what seeds it."""
        clean = self._domain.sample_key(split, index)
        return identity({**self._corruption(), "of": clean, "split": split, "index": index}) if clean else ""

    def left_out(self) -> frozenset[str]:
        """Those of the clean domain."""
        return self._domain.left_out()

    def scene(self, split: Split, index: int) -> str:
        """That of the clean sample."""
        return self._domain.scene(split, index)

    def camera(self) -> Pinhole | None:
        """That of the clean domain: no kind moves more than a few pixels."""
        return self._domain.camera()

    def notes(self) -> tuple[str, ...]:
        """Those of the clean domain."""
        return self._domain.notes()

    def doubts(self) -> tuple[str, ...]:
        """Those of the clean domain."""
        return self._domain.doubts()

    def content(self) -> Any:
        """The clean content and the corruption with its parameters."""
        return {**self._corruption(), "of": self._domain.content()}

    def _corruption(self) -> dict[str, Any]:
        return {
            "corrupted": VERSION, "seed": SEED, "kind": self._kind, "severity": self._severity,
            "parameters": self._parameters,
        }  # fmt: skip


def corrupt(domain: Domain, kind: str, severity: int) -> Domain:
    """``domain`` with every image corrupted; its name is ``<domain>+<kind>:<severity>``.

    Args:
        domain: any domain, a corrupted one included.
        kind: one of ``tables.KINDS``.
        severity: 1 (mild) to 5 (severe).

    Raises:
        UserError: the kind or the severity does not exist.
    """
    return Corrupted(domain, kind, severity)
