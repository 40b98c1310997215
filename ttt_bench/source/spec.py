"""What a source model is decided by. Its hash is where it is stored. No torch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from ttt_bench.errors import UserError, did_you_mean
from ttt_bench.identity import ASIDE, LATER, counted, identity
from ttt_bench.networks.config import NetworkConfig

SCHEMA = 2
"""Of trained networks and branches; raised when the same settings begin to give others."""
FIT = ("fit_iterations", "fit_lr", "statistics_batches")
"""Settings of fits on the frozen network: they do not touch the network, and count for branches."""


@dataclass(frozen=True)
class TrainingConfig:
    """How a source model is trained."""

    iterations: int
    batch_size: int
    lr: float
    samples: int
    """Training images used (the first ones of the split)."""
    weight_decay: float = 1e-6
    power: float = 0.9
    augment: str = "light"
    """``light``: flip and colour jitter; ``paper``: also random scale and crop; ``crop``: flip, and a crop out of a
    border of 4 pixels, as for CIFAR; ``none``."""
    optimizer: str = "adam"
    """``adam`` with default betas, or ``sgd`` with momentum 0.9."""
    schedule: str = "poly"
    """``poly``: lr * (1 - i/iterations)^power; ``steps``: lr, a tenth of it from 3/7 of the iterations on, a hundredth
    from 5/7 (epochs 150 and 250 of 350); ``cosine``."""
    fit_iterations: int = field(default=300, metadata=ASIDE)
    """Iterations for a method's branch on the frozen network (``shared`` training)."""
    fit_lr: float = field(default=1e-3, metadata=ASIDE)
    statistics_batches: int = field(default=32, metadata=ASIDE)
    """Source batches that source statistics are taken over."""
    losses: str = "masked"
    """``masked``; ``taskonomy``: the S4T release's on Taskonomy (normals compared along rows, no mask)."""
    weighting: str = "fixed"
    """Of the tasks: ``fixed`` (1, 1, 10, 50); ``automatic``: learned, the S4T release's on Taskonomy."""


TRAINING_PRESETS: dict[str, TrainingConfig] = {
    "fast": TrainingConfig(iterations=1200, batch_size=16, lr=1e-3, samples=2000, fit_iterations=200),
    # S4T appendix A: Adam 2e-5, weight decay 1e-6, 60,000 iterations of batch 8, poly power 0.9.
    "objects": TrainingConfig(iterations=800, batch_size=16, lr=1e-3, samples=2000, fit_iterations=100),
    # ClusT3's source training: 350 epochs of batch 128 over 50,000 images, SGD 0.1.
    "ets": TrainingConfig(
        iterations=136_719, batch_size=128, lr=0.1, samples=1_000_000, weight_decay=1e-4, augment="crop",
        optimizer="sgd", schedule="steps", fit_iterations=20_000, fit_lr=1e-3, statistics_batches=1000,
    ),
    "small": TrainingConfig(
        iterations=700, batch_size=50, lr=2e-3, samples=4000, weight_decay=5e-4, augment="crop", schedule="cosine",
        fit_iterations=150,
    ),
    "paper": TrainingConfig(
        iterations=60_000, batch_size=8, lr=2e-5, samples=1_000_000, augment="paper",
        fit_iterations=20_000, fit_lr=1e-4, statistics_batches=1000,
    ),
}  # fmt: skip


def training_preset(name: str, **changes: Any) -> TrainingConfig:
    """The preset ``name`` with the changes that are not None.

    Raises:
        UserError: there is no such preset.
    """
    if name not in TRAINING_PRESETS:
        raise UserError(f"Unknown preset {name!r}.", did_you_mean(name, TRAINING_PRESETS))
    return replace(TRAINING_PRESETS[name], **{k: v for k, v in changes.items() if v is not None})


@dataclass(frozen=True)
class SourceSpec:
    """Exactly what influences one trained network."""

    domain: str = field(metadata=ASIDE)
    fingerprint: str
    tasks: tuple[str, ...]
    classes: tuple[str, ...]
    size: tuple[int, int]
    network: NetworkConfig
    training: TrainingConfig
    seed: int
    joint: tuple[str, dict[str, Any], str] | None = None
    """(method, its source options, its code) trained along with the network; None: the network alone."""
    scaling: str = "imagenet"
    """Of the input pixels: see ``domains.normalisation.SCALINGS``."""
    task_code: tuple[tuple[str, str], ...] = ()
    """(task, hash of its file) of tasks that are not the project's own."""
    threads: int = 1
    """Of the process while it trains; another count gives other last digits."""
    processes: int = field(default=1, metadata=LATER)
    """That share each batch of the training; another count gives other last digits."""

    @cached_property
    def id(self) -> str:
        """Identity hash; the domain's fingerprint counts, not its name."""
        return identity({"kind": "network", "schema": SCHEMA, **counted(self)})

    @property
    def label(self) -> str:
        """For people."""
        with_method = f" with {self.joint[0]}" if self.joint else ""
        return f"{self.domain}{with_method}, seed {self.seed}"


@dataclass(frozen=True)
class BranchSpec:
    """Exactly what influences one method's auxiliary part on top of a trained network."""

    source: SourceSpec
    method: str
    options: dict[str, Any]
    """The options that influence the source-time part."""
    code: str = ""
    """Hash of the method's file when it is not the project's own."""

    @cached_property
    def id(self) -> str:
        """Identity hash."""
        fit = {k: getattr(self.source.training, k) for k in FIT}
        return identity(
            {"kind": "branch", "schema": SCHEMA, "network": self.source.id, "fit": fit,
             "method": self.method, "options": self.options, "code": self.code}
        )  # fmt: skip
