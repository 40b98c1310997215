"""Accidents of the S4T release as switches, each of which can be turned on alone. No torch.

The default is what the paper means; a switch restores one thing that the published code does besides. Switches of
training, input and protocol are listed here; those that are a method's options are declared in the method's file
(``Method.accidents``), so that nothing here knows a method.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ttt_bench.domains.catalogue import family_of
from ttt_bench.domains.pairs import Pair
from ttt_bench.errors import UserError, did_you_mean
from ttt_bench.method.card import Accident
from ttt_bench.method.configured import MethodCall
from ttt_bench.method.info import MethodInfo
from ttt_bench.source.spec import TrainingConfig
from ttt_bench.tasks import TASKS
from ttt_bench.tasks.statistics import ALIGNED

TASKONOMY = "taskonomy"


@dataclass(frozen=True)
class Switch:
    """One accident of the release, as far as the harness has a part in it."""

    name: str
    title: str
    training: dict[str, Any] = field(default_factory=dict)
    """Settings of a source training on Taskonomy."""
    scaling: str = "imagenet"
    """Of the pixels of Taskonomy, source or target."""
    order: str = "seed"
    """In which the target's images arrive; ``files`` also asks for the protocol ``single``."""
    metrics: tuple[str, ...] = ()
    """Enter Delta instead of their task's first metric."""


HARNESS = (
    Switch(
        "first-batch",
        "adapt on the first batch of the files alone, then score the whole target (protocol single)",
        order="files",
    ),
    Switch(
        ALIGNED,
        "depth and edges enter Delta after a fit of scale and shift to the truth of each batch",
        metrics=tuple(m.id for task in TASKS.values() for m in task.metrics if m.accident == ALIGNED),
    ),
    Switch(
        "source-weight",
        "a source Taskonomy trains with learned task weights, and auxiliary losses count in full",
        training={"weighting": "automatic"},
    ),
    Switch(
        "row-normals",
        "a source Taskonomy compares normals along image rows, and masks no pixel",
        training={"losses": "taskonomy"},
    ),
    Switch(
        "input-scaling",
        "pixels of Taskonomy enter in [-1, 1], all others with ImageNet's mean and deviation",
        scaling="symmetric",
    ),
)


def switches(known: Mapping[str, MethodInfo]) -> dict[str, str]:
    """Every switch with its one line, the harness's first."""
    titles = {switch.name: switch.title for switch in HARNESS}
    for info in known.values():
        for accident in info.accidents:
            titles[accident.switch] = titles.get(accident.switch) or accident.title
    return titles


def parse_released(text: str, known: Mapping[str, MethodInfo]) -> tuple[str, ...]:
    """``"task-order,first-batch"``, ``all`` or ``none`` -> names in the order of ``switches``.

    Raises:
        UserError: there is no such switch.
    """
    names = [word.strip() for word in text.split(",") if word.strip()]
    if names == ["none"]:
        return ()
    valid = tuple(switches(known))
    if names == ["all"]:
        return valid
    if not names:
        raise UserError("--released is empty.", "Valid: all, none, " + ", ".join(valid) + ".")
    check_names(names, known)
    return tuple(name for name in valid if name in names)


def check_names(names: Iterable[str], known: Mapping[str, MethodInfo]) -> None:
    """Refuse names that are no switch.

    Raises:
        UserError: there is one.
    """
    valid = switches(known)
    for name in names:
        if name not in valid:
            raise UserError(f"--released {name!r} is unknown.", did_you_mean(name, ("all", "none", *valid)))


def delta_metrics(names: Sequence[str]) -> tuple[str, ...]:
    """Ids of the metrics that the switches put into Delta."""
    return tuple(id for switch in HARNESS if switch.name in names for id in switch.metrics)


def follows_files(names: Sequence[str]) -> bool:
    """Whether the target's images come in the order of the files, which asks for the protocol ``single``."""
    return any(switch.order == "files" for switch in HARNESS if switch.name in names)


@dataclass(frozen=True)
class Accidents:
    """What the switches that are on mean for one pair."""

    names: tuple[str, ...]
    source: str
    """Family of the source domain."""
    target: str

    @classmethod
    def of(cls, names: tuple[str, ...], pair: Pair) -> Accidents:
        """For ``pair``."""
        return cls(names, family_of(pair.source.name), family_of(pair.target.name))

    @property
    def _on(self) -> tuple[Switch, ...]:
        return tuple(switch for switch in HARNESS if switch.name in self.names)

    def scaling(self, side: str, usual: str) -> str:
        """Of the pixels of a domain of the family ``side``, for a network whose source has them as ``usual``."""
        wanted = (switch.scaling for switch in self._on if side == TASKONOMY)
        return next((scaling for scaling in wanted if scaling != "imagenet"), usual)

    @property
    def order(self) -> str:
        """In which the target's images arrive."""
        return "files" if follows_files(self.names) else "seed"

    def training(self, config: TrainingConfig) -> TrainingConfig:
        """``config`` as the source domain is trained on."""
        changes = {k: v for switch in self._on for k, v in switch.training.items() if self.source == TASKONOMY}
        return replace(config, **changes)

    def applied(self, call: MethodCall) -> MethodCall:
        """``call`` with those options set that have their default: what is given to a method wins over a switch."""
        changes = {k: v for a in call.info.accidents if self._meets(a) for k, v in a.options.items()}
        return call.with_options(**{k: v for k, v in changes.items() if k not in call.given}) if changes else call

    def _meets(self, accident: Accident) -> bool:
        return accident.switch in self.names and accident.holds(self.source, self.target)

    def effects(self, methods: Iterable[MethodCall], tasks: Sequence[str]) -> dict[str, str]:
        """What each switch that is on changes on this pair, in words; or nothing.

        Args:
            methods: all of a sweep.
            tasks: of the pair.
        """
        found: dict[str, list[str]] = {name: [] for name in self.names}
        for switch in self._on:
            said = found[switch.name]
            if switch.order == "files":
                said.append("protocol single, images in the order of the files")
            if switch.scaling != "imagenet":
                sides = [w for w, side in (("source", self.source), ("target", self.target)) if side == TASKONOMY]
                said += [f"{side} pixels {switch.scaling}" for side in sides]
            if self.source == TASKONOMY:
                said += [f"source training {key}={value}" for key, value in switch.training.items()]
            metrics = [id for id in switch.metrics if id.partition("/")[0] in tasks]
            said += [f"Delta from {' and '.join(metrics)}"] if metrics else []
        for call in (each.on(tasks) for each in methods):
            changed = {k: v for k, v in self.applied(call).given.items() if k not in call.given}
            for accident in filter(self._meets, call.info.accidents):
                found[accident.switch] += [f"{call.name} {k}={changed[k]}" for k in accident.options if k in changed]
        return {name: ", ".join(dict.fromkeys(said)) for name, said in found.items()}
