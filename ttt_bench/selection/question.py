"""One choice to be made: a method on a pair, under one protocol, training and seed, with everywhere it may be tried."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ttt_bench.cell.spec import TRIAL, Cell
from ttt_bench.errors import UserError
from ttt_bench.identity import canonical
from ttt_bench.method import registry
from ttt_bench.method.info import MethodInfo
from ttt_bench.method.options import with_settings
from ttt_bench.plan.plan import Plan
from ttt_bench.selection.candidates import DECADES, GRID, HALVES, Candidate, tunes
from ttt_bench.selection.places import CLEAN, Place, held_out_places, proxies_of, target_place
from ttt_bench.selection.strategies.contract import Where

BASE, BN = registry.CONTROLS


@dataclass(frozen=True)
class Question:
    """What is to be chosen for one cell."""

    cell: Cell
    """With the published settings."""
    info: MethodInfo
    controls: Mapping[str, Cell]
    """``base`` and ``bn`` on the same images, by name."""
    proxies: tuple[str, ...]
    """Those that stand in for this target."""
    held_out: Mapping[str, Place]
    others: tuple[Question, ...] = ()
    """The same method and seed on other pairs; empty as long as ``among`` has not filled it."""

    @cached_property
    def target(self) -> Place:
        """The cell's own images."""
        return target_place(self.cell)

    @property
    def method(self) -> str:
        """The method with what was asked of it, for rows."""
        return with_settings(self.cell.method, {key: self.cell.options[key] for key in self.cell.changed})

    @property
    def series(self) -> str:
        """Questions that differ in the pair alone share it."""
        cell = self.cell
        return canonical([cell.method, cell.options, cell.protocol, cell.training, cell.seed])

    def trial(self, place: Place, candidate: Candidate) -> Cell:
        """A candidate on some images: made once, as every strategy asks for the same trials and their ids."""
        key = (place, candidate)
        if key not in self._trials:
            self._trials[key] = place.trial(self.cell, candidate, self.info)
        return self._trials[key]

    @cached_property
    def _trials(self) -> dict[tuple[Place, Candidate], Cell]:
        return {}

    def control(self, place: Place, name: str) -> Cell:
        """A control on some images."""
        return place.trial(self.controls[name])

    def places(self, where: Where) -> list[tuple[Question, Place]]:
        """Where a strategy tries its candidates, each with the question whose cell is tried there."""
        if where == "proxies":
            return [(self, self.held_out[name]) for name in self.proxies]
        if where == "clean":
            return [(self, self.held_out[CLEAN])]
        if where == "target":
            return [(self, self.target)]
        return [(other, other.target) for other in self.others] if where == "others" else []

    def possible(self) -> tuple[Candidate, ...]:
        """Everything that any strategy might try."""
        options = [
            Candidate(half, ((name, value),))
            for half in DECADES
            for name, values in self.info.card.tunable.items()
            for value in values
        ]
        return (*GRID, *map(Candidate, HALVES), *options)


def questions_of(plan: Plan, recipe: str, roots: Mapping[str, Path]) -> list[Question]:
    """A question for every cell of ``recipe`` whose method has settings to choose.

    Raises:
        UserError: a rate is given that is to be chosen, or a source has no held-out images.
    """
    known = registry.discover(plan.extra_methods)
    cells = [cell for cell in plan.cells if cell.recipe == recipe]
    controls: dict[tuple[str, str, str, int], dict[str, Cell]] = {}
    for cell in cells:
        if cell.method in registry.CONTROLS:
            controls.setdefault(_images(cell), {})[cell.method] = cell
    asked = plan.config.batches * plan.config.batch_size
    most = asked or max((cell.target_samples for cell in cells), default=0)
    places: dict[str, dict[str, Place]] = {}
    found = []
    for cell in cells:
        info = known[cell.method]
        if cell.method in registry.CONTROLS or not tunes(info):
            continue
        _check_free(cell)
        key = f"{cell.source.domain} {cell.source.size} {cell.batch_size} {cell.source.scaling}"
        if key not in places:
            places[key] = held_out_places(cell, most, roots)
        found.append(Question(cell, info, controls[_images(cell)], proxies_of(cell.target), places[key]))
    return found


def among(questions: Iterable[Question]) -> list[Question]:
    """``questions``, each with those on other pairs: never one on its own pair, nor on its target by another name."""
    series: dict[str, list[Question]] = {}
    listed = list(questions)
    for question in listed:
        series.setdefault(question.series, []).append(question)
    return [replace(q, others=tuple(o for o in series[q.series] if not _same_target(q, o))) for q in listed]


def _same_target(one: Question, other: Question) -> bool:
    return one.cell.target_fingerprint == other.cell.target_fingerprint


def _images(cell: Cell) -> tuple[str, str, str, int]:
    return cell.pair, cell.protocol, cell.training, cell.seed


def _check_free(cell: Cell) -> None:
    given = [key for key in ("lr", "lr_per_sample") if key in cell.options]
    if given:
        raise UserError(
            f"{cell.method}({given[0]}=...): the rate is what is to be chosen.",
            f"Leave {given[0]} out, or compare with --recipes native.",
        )


def by_place(cells: Sequence[Cell]) -> list[Cell]:
    """Each cell once; trials on the same images follow each other, so that those are read once."""
    unique = {cell.id: cell for cell in cells}
    rank: dict[tuple[str, str, str, int], int] = {}
    for cell in unique.values():
        rank.setdefault(_read(cell), len(rank))
    return sorted(unique.values(), key=lambda cell: (cell.recipe != TRIAL, rank[_read(cell)]))


def _read(cell: Cell) -> tuple[str, str, str, int]:
    return cell.target, cell.split, cell.source.id, cell.seed
