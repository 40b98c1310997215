"""A method with its options and the explicit settings of its optimiser: ``s4t(mask_ratio=0.5,lr=1e-4)``. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ttt_bench.errors import UserError, did_you_mean
from ttt_bench.method.card import PAPER_RECIPE, OptimizerSpec
from ttt_bench.method.info import MethodInfo
from ttt_bench.method.options import SETTINGS, Value, split_settings, with_settings


@dataclass(frozen=True)
class MethodCall:
    """One method as asked for; ``configure`` makes and checks it."""

    info: MethodInfo
    given: Mapping[str, Value] = field(default_factory=dict)
    """Its own options that differ from their defaults, in the order of the file."""
    settings: Mapping[str, Value] = field(default_factory=dict)
    """Explicit settings of its optimiser (``options.SETTINGS``); those that are absent are the recipe's."""
    said: Mapping[str, Value] = field(default_factory=dict)
    """All of its own options that were named, also with their default: another form of the method has others. Empty
    where there is no other form."""
    optional: bool = field(default=False, compare=False)
    """Whether it came with ``all``: left out where it cannot run, while one asked for by name is refused there."""

    @property
    def name(self) -> str:
        """The method's."""
        return self.info.name

    @property
    def own(self) -> dict[str, Value]:
        """Every option of its own."""
        return {**self.info.options, **self.given}

    @property
    def options(self) -> dict[str, Any]:
        """All that decides it: every option of its own, and the explicit settings."""
        return {**self.own, **self.settings}

    @property
    def changed(self) -> dict[str, Value]:
        """What differs from the published method: options off their default, explicit settings."""
        return {**self.given, **self.settings}

    @property
    def source_part(self) -> dict[str, Value]:
        """The options that influence the source-time part."""
        own = self.own
        return {key: own[key] for key in self.info.source_options}

    @property
    def last_stage(self) -> int:
        """Which stage of the encoder adapts last, by the option that its needs name; 4, the last there is, without."""
        return int(self.own[self.info.needs.stage]) if self.info.needs.stage else 4

    @property
    def label(self) -> str:
        """Its name with what differs, as ``parse_methods`` reads it: ``tent(lr=0.0001)``."""
        return with_settings(self.name, self.changed)

    def __str__(self) -> str:
        return self.label

    def with_options(self, **changes: Any) -> MethodCall:
        """Itself with some options or settings changed."""
        return configure(self.info, {**self.changed, **self.said, **changes})

    def on(self, tasks: Iterable[str]) -> MethodCall:
        """Itself with the defaults that are in force on ``tasks``."""
        info = self.info.on(tasks)
        if info is self.info:
            return self
        return replace(configure(info, {**self.said, **self.settings}), optional=self.optional)

    def optimizer(self, recipe: str) -> OptimizerSpec | None:
        """What its cells adapt with under ``recipe``; see ``resolve``."""
        return resolve(self.info.native, recipe, self.settings, self.name)

    def described(self) -> list[Any]:
        """For identities and stored requests: name and everything that decides it."""
        return [self.name, self.options, *([self.said] if self.said else [])]


def configure(info: MethodInfo, values: Mapping[str, Any]) -> MethodCall:
    """``info`` with ``values`` for its options and the explicit settings, as texts or in their types.

    Raises:
        UserError: one is unknown or takes no such value, or settings contradict each other or the method.
    """
    own, settings = split_settings(values)
    for key in own:
        if key not in info.options:
            raise UserError(f"{info.name} has no option {key!r}.", did_you_mean(key, (*info.options, *SETTINGS)))
    read = {option.name: option.read(info.name, own[option.name]) for option in info.declared if option.name in own}
    given = {key: value for key, value in read.items() if value != info.options[key]}
    said = {key: SETTINGS[key].read(info.name, value) for key, value in settings.items()}
    call = MethodCall(info, given, said, read if info.image_form else {})
    _check_settings(call)
    return call


def _check_settings(call: MethodCall) -> None:
    if call.settings and call.info.native is None:
        raise UserError(
            f"{call.label}: {call.name} has no optimiser, so {next(iter(call.settings))} would do nothing.",
            f"Write {call.name} without it.",
        )
    if {"lr", "lr_per_sample"} <= call.settings.keys():
        raise UserError(f"{call.label}: lr and lr_per_sample contradict each other.", "Give one of them.")


def resolve(
    native: OptimizerSpec | None, recipe: str, settings: Mapping[str, Any], name: str = "the method"
) -> OptimizerSpec | None:
    """The optimiser of a cell: the recipe's, overridden by explicit settings. The only place that decides it.

    Args:
        native: the method's published optimiser; None: it has none under any recipe.
        recipe: ``paper`` is S4T's; every other one starts from ``native``.
        settings: explicit ones; others are passed over.
        name: the method's, for messages.

    Raises:
        UserError: a momentum is given for an optimiser that has none.
    """
    if native is None:
        return None
    spec = PAPER_RECIPE if recipe == "paper" else native
    changes = {key: settings[key] for key in ("lr", "lr_per_sample", "momentum", "weight_decay") if key in settings}
    if "optimizer" in settings:
        changes["name"] = settings["optimizer"]
    if "lr" in changes or "lr_per_sample" in changes:
        changes = {"lr": 0.0, "lr_per_sample": 0.0, **changes}
    changed = replace(spec, **changes)
    if changed.name != "sgd":
        if changes.get("momentum"):
            raise UserError(
                f"{name}(momentum={settings['momentum']}): {changed.name} of the recipe {recipe} has no momentum.",
                "Add optimizer=sgd, or leave momentum out.",
            )
        return replace(changed, momentum=0.0, nesterov=False)
    return replace(changed, nesterov=changed.nesterov and changed.momentum > 0)
