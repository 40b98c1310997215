"""``corrupt(domain, kind, severity)``: ImageNet-C's corruptions over any domain, labels unchanged.

Parameters are the published ones (``corruption_tables``). What differs from the original generation script:

- Lengths in pixels (blur radii, displacements, flakes) are multiplied by sqrt(H W) / 224, as they were chosen for
  224-pixel images; noise and everything relative to the image is untouched.
- frost: the original pastes photographs of frost; here ice crystals are drawn (ridged noise, thickest at the rim).
- elastic_transform: only the fine local ripple of severities 3 to 5 is kept (root mean square 0.4 to 0.9 % of the
  side) and made weaker for 1 and 2. The published random affine map and the wide warps of severities 1 and 2 move
  objects by up to 10 % of the side, off their labels, which must stay what they are.
- motion_blur and snow streaks use a one-sided Gaussian line instead of ImageMagick's; glass_blur takes each pixel from
  a random neighbour instead of swapping pixels one after the other.

Numpy, scipy and Pillow only. Equal on every call; across machines up to the rounding of exponentials and of the JPEG
library (about one grey level).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ttt_bench.domains.contract import SPLITS, Domain, Sample, Split
from ttt_bench.domains.corruptions.kinds import CORRUPTIONS
from ttt_bench.domains.corruptions.tables import KINDS, PARAMETERS, REFERENCE_SIDE, check_corruption

VERSION = 1
SEED = 40961


class Corrupted(Domain):
    """A domain whose images went through one corruption, seeded by (kind, severity, split, index)."""

    def __init__(self, domain: Domain, kind: str, severity: int) -> None:
        check_corruption(kind, severity)
        self._domain, self._kind, self._severity = domain, kind, severity
        self.name = f"{domain.name}+{kind}:{severity}"
        self.tasks, self.classes, self.size = domain.tasks, domain.classes, domain.size
        self.edge_definition, self.scaling = domain.edge_definition, domain.scaling

    def length(self, split: Split) -> int:
        """As many as the clean domain."""
        return self._domain.length(split)

    def sample(self, split: Split, index: int) -> Sample:
        """The clean sample with a corrupted image."""
        clean = self._domain.sample(split, index)
        key = (SEED, index, SPLITS.index(split), KINDS.index(self._kind), self._severity)
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))
        scale = float(np.sqrt(self.size[0] * self.size[1])) / REFERENCE_SIDE
        parameters = PARAMETERS[self._kind][self._severity - 1]
        image = clean.image.astype(np.float32) / np.float32(255)
        result = CORRUPTIONS[self._kind](image, parameters, scale, rng)
        levels = (np.clip(result, 0, 1) * 255 + 0.5).astype(np.uint8)
        return dataclasses.replace(clean, image=levels)

    def notes(self) -> tuple[str, ...]:
        """Those of the clean domain."""
        return self._domain.notes()

    def doubts(self) -> tuple[str, ...]:
        """Those of the clean domain."""
        return self._domain.doubts()

    def content(self) -> Any:
        """The clean content and the corruption with its parameters."""
        parameters = PARAMETERS[self._kind][self._severity - 1]
        return {
            "corrupted": VERSION, "seed": SEED, "kind": self._kind, "severity": self._severity,
            "parameters": parameters, "of": self._domain.content(),
        }  # fmt: skip


def corrupt(domain: Domain, kind: str, severity: int) -> Domain:
    """``domain`` with every image corrupted; its name is ``<domain>+<kind>:<severity>``.

    Args:
        domain: any domain, a corrupted one included.
        kind: one of ``corruption_tables.KINDS``.
        severity: 1 (mild) to 5 (severe).

    Raises:
        UserError: the kind or the severity does not exist.
    """
    return Corrupted(domain, kind, severity)
