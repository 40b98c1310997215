"""A cell: Pair x Method(+options) x Protocol x recipe x training x seed, with a stable identity. No torch."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

from ttt_bench.domains.streams import CARRIES_ON, STREAMS
from ttt_bench.identity import ASIDE, counted, counts, identity, plain
from ttt_bench.source.spec import BranchSpec, SourceSpec

SCHEMA = 3
"""Raised when the same settings begin to give other numbers."""
TUNED, TRIAL = "tuned", "trial"
"""Recipes whose settings are chosen, and tried (``selection``)."""


@dataclass(frozen=True)
class TargetPart:
    """One of the domains that a target is made of."""

    domain: str = field(metadata=ASIDE)
    fingerprint: str
    samples: int


@dataclass(frozen=True)
class Cell:
    """Everything that decides one trajectory, and nothing that does not (no device count, no worker count)."""

    pair: str = field(metadata=ASIDE)
    branch: BranchSpec = field(metadata=ASIDE)
    """The source model with the method's auxiliary part; counts by its own identity."""
    target: str = field(metadata=ASIDE)
    target_fingerprint: str
    target_samples: int
    method: str
    options: dict[str, Any]
    recipe: str
    """``native``: the method's published optimiser; ``paper``: S4T's uniform SGD 2e-5; ``tuned``: the published one
    with what was chosen without the target's labels; ``trial``: with what is being tried."""
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
    threads: int = 1
    """Of the process while it computes: sums over pixels are split among them, and round accordingly."""
    stream: str = "iid"
    """In which kind of stream the target arrives: one of ``domains.streams.STREAMS``."""
    parts: tuple[TargetPart, ...] = ()
    """The domains that make up the target, in their order; empty where it is one."""
    order: str = "seed"
    """In which the target's images arrive: shuffled by the ``seed``, or as in the ``files``."""
    split: str = "test"
    """Of the target: ``val`` where it is held-out source data that settings are tried on."""
    signals: tuple[str, ...] = ()
    """What is recorded of every prediction without a label, beside the scores: names of ``adaptation.signals``."""

    changed: tuple[str, ...] = field(default=(), metadata=ASIDE)
    """Options that differ from the method's defaults, for display."""
    choice: dict[str, Any] | None = field(default=None, metadata=ASIDE)
    """Of ``tuned``: which settings were chosen and the trail that led to them (``selection.choice.Choice``)."""
    notes: tuple[str, ...] = field(default=(), metadata=ASIDE)
    """What every table has to say of the data (what decides pixels is in the fingerprints)."""

    @property
    def source(self) -> SourceSpec:
        """The source network."""
        return self.branch.source

    @property
    def segments(self) -> tuple[TargetPart, ...]:
        """Parts that arrive one after the other, each in batches of its own; empty in streams without."""
        return self.parts if STREAMS[self.stream].segments else ()

    @property
    def batches(self) -> int:
        """Batches of the whole stream."""
        counts = [part.samples for part in self.segments] or [self.target_samples]
        return sum(-(-count // self.batch_size) for count in counts)

    @property
    def shows_forgetting(self) -> bool:
        """Whether the source is scored again at the end: where weights were carried through a stream that drifts."""
        return self.protocol == CARRIES_ON and self.stream != "iid"

    @cached_property
    def id(self) -> str:
        """Identity hash over all settings; names of domains are left out, fingerprints decide."""
        return identity({"kind": "cell", "schema": SCHEMA, "branch": self.branch.id, **counted(self)})

    @property
    def label(self) -> str:
        """For people."""
        options = "".join(f" {k}={v}" for k, v in self.options.items() if k in self.changed)
        noise = f" noise {self.input_noise:g}" if self.input_noise else ""
        stream = "" if self.stream == "iid" else f" {self.stream}"
        return f"{self.pair} {self.method}{options} {self.protocol}{stream} {self.recipe}{noise} seed {self.seed}"

    def describe(self) -> dict[str, Any]:
        """The cell as JSON-able fields, flat where a table needs a column."""
        return {
            "pair": self.pair,
            "target": self.target,
            "segments": [
                {"name": part.domain, "batches": -(-part.samples // self.batch_size)} for part in self.segments
            ],
            **{f.name: plain(getattr(self, f.name)) for f in fields(self) if counts(f)},
            "changed": list(self.changed),
            "notes": list(self.notes),
            "choice": plain(self.choice),
            "source": self.source.domain,
            "source_fingerprint": self.source.fingerprint,
            "source_scaling": self.source.scaling,
            "tasks": list(self.source.tasks),
            "classes": list(self.source.classes),
            "size": list(self.source.size),
            "network": self.source.network.counted(),
            "source_training": plain(self.source.training),
            "checkpoint": self.source.id,
            "branch": self.branch.id,
        }
