"""What a method's file declares, read without importing it. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from ttt_bench.method.card import PAPER_RECIPE, Accident, BNPolicy, Card, ImageForm, Needs, OptimizerSpec, SourceStage
from ttt_bench.method.options import Option
from ttt_bench.plugins import PluginFile
from ttt_bench.tasks import only_images


@dataclass(frozen=True, kw_only=True)
class Declared:
    """The class variables of a method, with their defaults; ``method.contract.Method`` says what each means."""

    name: str
    card: Card
    bn: BNPolicy = "track"
    native: OptimizerSpec | None = PAPER_RECIPE
    branch: Literal["none", "joint", "after"] = "none"
    statistics: bool = False
    aux_mode: Literal["train", "eval"] = "eval"
    source_options: tuple[str, ...] = ()
    source_optimizer: OptimizerSpec | None = None
    source_clip_norm: float | None = None
    source_stages: tuple[SourceStage, ...] = ()
    trains_networks: bool = False
    accidents: tuple[Accident, ...] = ()
    image_form: ImageForm | None = None
    needs: Needs = field(default_factory=Needs)
    moves_heads: bool = False
    adapts: bool = True


@dataclass(frozen=True, kw_only=True)
class MethodInfo(Declared):
    """One method as its file describes it."""

    file: PluginFile
    class_name: str
    doc: str
    declared: tuple[Option, ...] = ()
    """Its options, in the order of the file."""
    rules: Literal["none", "options", "all"] = "none"
    """Which stand in code alone: the class checks its ``options`` together, or inherits declarations (``all``)."""
    code: str = ""
    """Hash of the file, for methods from outside (``PluginFile.code``)."""
    written: MethodInfo | None = field(default=None, repr=False)
    """As the file says, where the defaults of another form are in force (``on``)."""

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return self.file.path

    @property
    def options(self) -> dict[str, Any]:
        """Option names with their default values."""
        return {option.name: option.default for option in self.declared}

    def on(self, tasks: Iterable[str]) -> MethodInfo:
        """The method with the defaults that are in force on ``tasks``."""
        if self.image_form is None or self.written is not None or not only_images(tasks):
            return self
        others = self.image_form.options
        declared = tuple(replace(option, default=others.get(option.name, option.default)) for option in self.declared)
        return replace(
            self,
            declared=declared,
            native=self.image_form.native or self.native,
            needs=self.image_form.needs or self.needs,
            written=self,
        )

    def fit_iterations(self, trained: int, usual: int, options: Mapping[str, Any]) -> int:
        """Of its fit on a frozen network.

        Args:
            trained: iterations that the network was trained for.
            usual: iterations of a fit that has no stages.
            options: its source options.
        """
        return sum(stage.iterations(trained, options) for stage in self.source_stages) or usual
