"""A cell: Pair x Method(+options) x Protocol x recipe x training x seed, with a stable identity. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ttt_bench.identity import identity, plain
from ttt_bench.source.spec import BranchSpec, SourceSpec

SCHEMA = 1
"""Raised when the same settings begin to give other numbers."""


@dataclass(frozen=True)
class Cell:
    """Everything that decides one trajectory, and nothing that does not (no device count, no worker count)."""

    pair: str
    branch: BranchSpec
    """The source model with the method's auxiliary part."""
    target: str
    target_fingerprint: str
    target_samples: int
    method: str
    options: dict[str, Any]
    recipe: str
    """``native``: the method's published optimiser; ``paper``: S4T's uniform SGD 2e-5."""
    protocol: str
    training: str
    """``shared`` or ``joint``."""
    seed: int
    steps: int
    eval_steps: tuple[int, ...]
    batch_size: int
    precision: str = "fp32"
    """Of the adaptation and its predictions (``adaptation.execution``); source models are trained in fp32."""
    compiled: bool = False
    """Whether the encoder is compiled."""
    input_noise: float = 0.0
    """Gaussian noise on the target images, in their standard deviations."""
    scaling: str = "imagenet"
    """Of the target's pixels: see ``domains.normalisation.SCALINGS``."""
    order: str = "seed"
    """In which the target's images arrive: shuffled by the ``seed``, or as in the ``files``."""

    @property
    def source(self) -> SourceSpec:
        """The source network."""
        return self.branch.source

    @cached_property
    def id(self) -> str:
        """Identity hash over all settings; names of domains are left out, fingerprints decide."""
        fields = {k: getattr(self, k) for k in (
            "target_fingerprint", "target_samples", "method", "options", "recipe", "protocol", "training", "seed",
            "steps", "eval_steps", "batch_size", "precision",
        )}  # fmt: skip
        return identity({"kind": "cell", "schema": SCHEMA, "branch": self.branch.id, **fields, **self._unusual})

    @property
    def _unusual(self) -> dict[str, Any]:
        """What differs from its usual value: cells from before there was a choice keep their names."""
        usual = {"input_noise": 0.0, "scaling": "imagenet", "order": "seed", "compiled": False}
        return {key: getattr(self, key) for key, value in usual.items() if getattr(self, key) != value}

    @property
    def label(self) -> str:
        """For people."""
        options = "".join(f" {k}={v}" for k, v in self.options.items() if k in self.changed)
        noise = f" noise {self.input_noise:g}" if self.input_noise else ""
        return f"{self.pair} {self.method}{options} {self.protocol} {self.recipe}{noise} seed {self.seed}"

    changed: tuple[str, ...] = ()
    """Options that differ from the method's defaults (for display; not part of the identity)."""
    notes: tuple[str, ...] = ()
    """What every table has to say of the data (for display; what decides pixels is in the fingerprints)."""

    def describe(self) -> dict[str, Any]:
        """The cell as JSON-able fields, flat where a table needs a column."""
        return {
            **{k: plain(getattr(self, k)) for k in (
                "pair", "target", "target_fingerprint", "target_samples", "method", "options", "recipe",
                "protocol", "training", "seed", "steps", "eval_steps", "batch_size", "precision", "changed",
            )},
            "source": self.source.domain,
            "source_fingerprint": self.source.fingerprint,
            "tasks": list(self.source.tasks),
            "classes": list(self.source.classes),
            "size": list(self.source.size),
            "network": self.source.network.describe(),
            "source_training": plain(self.source.training.describe()),
            "checkpoint": self.source.id,
            "branch": self.branch.id,
            **({"source_scaling": self.source.scaling} if self.source.scaling != "imagenet" else {}),
            **({"notes": list(self.notes)} if self.notes else {}),
            **self._unusual,
        }  # fmt: skip
