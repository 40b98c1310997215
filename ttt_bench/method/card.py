"""What a method says about itself. No torch, so that listing and planning stay instant."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

BNPolicy = Literal["source", "batch", "track"]
"""How batch norm behaves at test time, the hidden variable of this field:
``source``: running statistics, untouched; ``batch``: statistics of the batch at hand, also for predictions;
``track``: batch statistics while adapting, which move the running statistics that predictions use."""


@dataclass(frozen=True)
class OptimizerSpec:
    """An optimiser as published. Built by ``adaptation.optimizers``."""

    name: Literal["sgd", "adam", "adamw"]
    lr: float = 0.0
    lr_per_sample: float = 0.0
    """When set, the rate is this times the batch size (TIPI's rule)."""
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def rate(self, batch_size: int) -> float:
        """The learning rate for a batch of ``batch_size`` images."""
        return self.lr_per_sample * batch_size if self.lr_per_sample else self.lr


@dataclass(frozen=True)
class Accident:
    """What a switch of ``--released`` sets in a method's options, on pairs of certain families of domains."""

    switch: str
    """The switch's name; several accidents may share one."""
    options: dict[str, Any] = field(default_factory=dict)
    """Options to set where they have their default."""
    source: tuple[str, ...] = ()
    """Families of the source domain (``rooms`` counts as ``taskonomy``); none: any."""
    target: tuple[str, ...] = ()
    """Likewise of the target domain."""
    title: str = ""
    """One line for lists; one of the accidents of a switch has it, unless the harness knows the switch itself."""

    def holds(self, source: str, target: str) -> bool:
        """Whether it applies to a pair of these families."""
        return (not self.source or source in self.source) and (not self.target or target in self.target)


@dataclass(frozen=True)
class Needs:
    """What a method asks of a pair and its batches; the plan applies it before anything is trained."""

    output: Literal["", "classes", "scalar", "direction", "probability"] = ""
    """Some task must predict this kind of output."""
    extent: Literal["", "map", "image"] = ""
    """Every task must be predicted per pixel (``map``), or per image."""
    tasks: tuple[str, ...] = ()
    """Names of tasks that must be there; ``output`` is better, where it says the same."""
    batch: int = 1
    """Images that the smallest batch must have."""
    values: int = 2
    """Values per channel that a batch must have in the smallest maps: batch norm re-estimates nothing from one. 1: it
    copes, as it forwards several views of each image or adapts earlier stages only. Not asked of bn ``source``."""
    stage: str = ""
    """Name of the option that says which stage adapts last: ``values`` is asked of its maps; empty: of all maps."""
    unless: dict[str, Any] = field(default_factory=dict)
    """Nothing of this is needed where all these options have these values."""


@dataclass(frozen=True)
class SourceStage:
    """One part of a fit that has several, each with an optimiser and a budget of its own."""

    name: str
    """What ``SourceBatch.stage`` says in it."""
    optimizer: OptimizerSpec
    share: float | str = 1.0
    """Of the iterations that the network was trained for; or the source option that says it."""
    warmup: float = 0.0
    """Share of the stage in which the rate rises from 0; it then falls along half a cosine."""
    sees_network: bool = True
    """Whether it looks at the trained network's maps and predictions; they are not computed else."""

    def iterations(self, trained: int, options: Mapping[str, Any]) -> int:
        """How many, where the network was trained for ``trained`` and the method has ``options``."""
        share = options[self.share] if isinstance(self.share, str) else self.share
        return max(1, round(share * trained))

    def rate(self, share: float, batch_size: int) -> float:
        """The learning rate where ``share`` of the stage is done."""
        peak = self.optimizer.rate(batch_size)
        if share < self.warmup:
            return peak * share / self.warmup
        return peak * (1 + math.cos(math.pi * (share - self.warmup) / (1 - self.warmup))) / 2


@dataclass(frozen=True)
class ImageForm:
    """What is in force instead of a method's defaults where every task has one answer per image.

    Most methods were published for image classification: this is that form, beside the one for maps.
    """

    native: OptimizerSpec | None = None
    """The published optimiser of this form; None: the same."""
    options: dict[str, Any] = field(default_factory=dict)
    """Other defaults of options."""
    needs: Needs | None = None
    """What this form asks for; None: the same."""


PAPER_RECIPE = OptimizerSpec("sgd", lr=2e-5, weight_decay=1e-6)
"""S4T's uniform test-time optimiser (appendix A), the ``paper`` recipe of every method."""


@dataclass(frozen=True)
class Card:
    """A method's fidelity card: what it is and how far it is the published one."""

    title: str
    paper: str
    venue: str
    equation: str
    """The test-time objective in one line."""
    updates: str
    """What moves at test time."""
    hooks: str = "none"
    defaults: str = ""
    """Where the default options come from."""
    parity_cases: int = 0
    """Reference cases of the official code that this code reproduces (a test holds the number to the runner's)."""
    deviations: tuple[str, ...] = ()
    """What differs from the published code, one line each, with the option that restores it."""
    oddities: tuple[str, ...] = ()
    """Accidents of the official code and the option that reproduces each."""
    tunable: dict[str, tuple[bool | int | float | str, ...]] = field(default_factory=dict)
    """Options of the test time that may be chosen beside the rate, with the values to try: they share its budget."""
