"""The plan: which source models, branches and cells a request needs, and what of them is already there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from ttt_bench.cell.spec import Cell, TargetPart
from ttt_bench.domains.contract import Domain
from ttt_bench.domains.disk.options import Roots
from ttt_bench.domains.joined import parts_of
from ttt_bench.domains.pairs import Pair, parse_pair
from ttt_bench.domains.streams import STREAMS
from ttt_bench.errors import UserError
from ttt_bench.method import registry
from ttt_bench.method.configured import MethodCall
from ttt_bench.method.info import MethodInfo
from ttt_bench.method.needs import unmet, way_out
from ttt_bench.plan.release import Accidents, check_names, follows_files
from ttt_bench.plan.sweep import SweepConfig
from ttt_bench.samples.need import DataNeed
from ttt_bench.source.spec import BranchSpec, SourceSpec, TrainingConfig
from ttt_bench.tasks.catalogue import outside_code


@dataclass(frozen=True)
class Plan:
    """All work of a sweep, in the order cells are best done: pair, seed, then method with the controls first."""

    config: SweepConfig
    cells: tuple[Cell, ...]
    roots: Mapping[str, Path]
    extra_methods: tuple[Path, ...]
    accidents: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Pair -> switch of ``--released`` that is on -> what it changes there, in words."""
    left_out: tuple[str, ...] = ()
    """Methods that came with ``all`` and cannot run, where and why, in words."""
    later: tuple[Cell, ...] = ()
    """As many cells as will be known once others are done, and as costly; their settings only stand in."""

    @property
    def sources(self) -> tuple[SourceSpec, ...]:
        """Every network to be trained, once each."""
        return tuple({cell.source.id: cell.source for cell in self.cells}.values())

    @property
    def branches(self) -> tuple[BranchSpec, ...]:
        """Every method branch or statistics to be fitted, once each."""
        known = registry.discover(self.extra_methods)
        needed = (c.branch for c in self.cells if _has_branch(known[c.method]))
        return tuple({branch.id: branch for branch in needed}.values())


def source_data(source: SourceSpec) -> DataNeed:
    """The training images of ``source``."""
    return DataNeed(
        source.domain, "train", source.training.samples, source.classes, source.tasks, source.size,
        source.fingerprint, source.scaling,
    )  # fmt: skip


def target_data(cell: Cell) -> tuple[DataNeed, ...]:
    """The target images of ``cell``: of each part, in the order in which they arrive."""
    source = cell.source
    parts = cell.parts or (TargetPart(cell.target, cell.target_fingerprint, cell.target_samples),)
    return tuple(
        DataNeed(
            part.domain,
            cell.split,
            part.samples,
            source.classes,
            source.tasks,
            source.size,
            part.fingerprint,
            cell.scaling,
        )
        for part in parts
    )


def make_plan(
    config: SweepConfig, roots: Mapping[str, Path] | None = None, extra_methods: tuple[Path, ...] = ()
) -> Plan:
    """Lay out every cell of ``config``.

    Raises:
        UserError: a setting, pair or method is unknown, or a pair shares no task.
    """
    config.check()
    known = registry.discover(extra_methods)
    check_names(config.released, known)
    if follows_files(config.released) and config.protocols != ("single",):
        raise UserError(
            f"--released {','.join(config.released)} means the protocol single, not {','.join(config.protocols)}.",
            "Leave --protocols out, or name the other switches only: they go with any protocol.",
        )
    if config.stream != "iid" and follows_files(config.released):
        raise UserError(
            f"--stream {config.stream} and --released {','.join(config.released)} both say how images arrive.",
            "Leave one of them out.",
        )
    pairs = [parse_pair(text, config.size, roots or {}, config.tasks, config.stream) for text in config.pairs]
    _check_skipped(pairs, Roots.of(roots or {}))
    forms = (call.on(pair.tasks) for pair in pairs for call in config.methods)
    for call in {(call.label, call.info.written is None): call for call in forms}.values():
        registry.verify(call)
    left_out = {
        (pair.name, protocol, call.label): _lacking(config, pair, protocol, call)
        for pair in pairs
        for protocol in config.protocols
        for call in config.methods
    }
    cells = [
        _cell(config, pair, call, recipe, protocol, training, seed)
        for pair in pairs
        for training in config.trainings
        for recipe in config.recipes
        for protocol in config.protocols
        for seed in config.seeds
        for call in config.methods
        if not left_out[pair.name, protocol, call.label]
    ]
    unique = {cell.id: cell for cell in cells}
    accidents = {pair.name: Accidents.of(config.released, pair).effects(config.methods, pair.tasks) for pair in pairs}
    shown = accidents if config.released else {}
    said = tuple(
        f"{name} on {pair} ({protocol}) needs {why}" for (pair, protocol, name), why in left_out.items() if why
    )
    return Plan(config, tuple(unique.values()), Roots.of(roots or {}), extra_methods, shown, said)


def _check_skipped(pairs: Sequence[Pair], roots: Roots) -> None:
    """Refuse names in ``--skip-bad`` that no domain has: the image that was meant would stay in.

    Raises:
        UserError: there are some.
    """
    known = frozenset[str]().union(*(domain.left_out() for pair in pairs for domain in (pair.source, pair.target)))
    unknown = sorted(roots.options.skipped - known)
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        raise UserError(
            f"--skip-bad names {unknown[0]!r}{more}, and no domain of these pairs has such an image.",
            "Write the names as the data set's lists do, without folder and ending (Taskonomy: scene/point_1_view_2).",
        )


def _lacking(config: SweepConfig, pair: Pair, protocol: str, call: MethodCall) -> str:
    """What ``call`` needs and does not find there, in words; nothing where it can run.

    Raises:
        UserError: it cannot run and was asked for by name.
    """
    call = call.on(pair.tasks)
    batch = smallest_batch(config, pair, protocol)
    needs = call.info.needs
    smallest = None if call.info.bn == "source" else config.network.smallest_maps(config.size, call.last_stage)
    lacking = unmet(needs, call.own, pair.tasks, batch, smallest)
    if lacking and not call.optional:
        raise UserError(
            f"{call.label} cannot run on {pair.name} ({protocol}): it needs {lacking}.",
            f"{way_out(needs, call.name)}{_without_rest(config, _cut(config, pair), batch)}",
        )
    return lacking


def _without_rest(config: SweepConfig, counts: Sequence[int], batch: int) -> str:
    """A batch size near the one asked for that leaves no last batch of one image, as a hint; nothing without one."""
    if batch > 1 or min(counts) < 2:
        return ""
    sizes = sorted(range(2, 2 * config.batch_size + 2), key=lambda size: abs(size - config.batch_size))
    size = next((size for size in sizes if all(samples % size != 1 for samples in counts)), None)
    said = " and ".join(map(str, dict.fromkeys(counts)))
    return f" With --batch-size {size} no batch of these {said} images has one image." if size else ""


def smallest_batch(config: SweepConfig, pair: Pair, protocol: str) -> int:
    """Images of the smallest batch that a method adapts on: the last one, where it is not full."""
    counts = _cut(config, pair)
    if protocol == "single":
        return min(counts[0], config.batch_size)
    return min(
        count if count <= config.batch_size else count % config.batch_size or config.batch_size for count in counts
    )


def _cut(config: SweepConfig, pair: Pair) -> list[int]:
    """Images that are cut into batches for themselves: those of each segment, or of the whole stream."""
    counts = [part.samples for part in _parts(config, pair)]
    return counts if STREAMS[config.stream].segments else [sum(counts)]


def _cell(
    config: SweepConfig,
    pair: Pair,
    call: MethodCall,
    recipe: str,
    protocol: str,
    training: str,
    seed: int,
) -> Cell:
    accidents = _accidents(config.released, pair)
    call = accidents.applied(call.on(pair.tasks))
    info, source_options = call.info, call.source_part
    call.optimizer(recipe)  # refused here rather than after training
    parts = _parts(config, pair)
    joint = (info.name, source_options, info.code) if training == "joint" and info.branch == "joint" else None
    available = pair.source.length("train")
    source = SourceSpec(
        domain=pair.source.name,
        fingerprint=_fingerprint(pair.source),
        tasks=pair.tasks,
        classes=pair.classes,
        size=config.size,
        network=config.network,
        training=accidents.training(_fitted(config, available)),
        seed=seed,
        joint=joint,
        scaling=accidents.scaling(accidents.source, pair.source.scaling),
        task_code=tuple(outside_code(pair.tasks).items()),
        threads=config.threads,
        processes=config.train_processes,
    )
    return Cell(
        pair=pair.name,
        branch=BranchSpec(source, info.name, source_options, info.code),
        target=pair.target.name,
        target_fingerprint=_fingerprint(pair.target),
        target_samples=sum(part.samples for part in parts),
        method=info.name,
        options=call.options,
        recipe=recipe,
        protocol=protocol,
        training=training,
        seed=seed,
        steps=config.steps,
        eval_steps=config.steps_scored,
        batch_size=config.batch_size,
        precision=config.precision,
        compiled=config.compiled,
        input_noise=config.input_noise,
        scaling=accidents.scaling(accidents.target, pair.source.scaling),
        stream=config.stream,
        parts=parts if len(parts) > 1 else (),
        order=accidents.order,
        threads=config.threads,
        changed=tuple(call.changed),
        notes=_notes(pair.source, pair.target),
    )


@lru_cache(maxsize=64)
def _accidents(names: tuple[str, ...], pair: Pair) -> Accidents:
    """Once per pair, not once per cell."""
    return Accidents.of(names, pair)


@lru_cache(maxsize=64)
def _notes(source: Domain, target: Domain) -> tuple[str, ...]:
    """What tables have to say of the data, once for a domain and its corruptions."""
    return tuple(dict.fromkeys((*source.notes(), *target.notes())))


@lru_cache(maxsize=64)
def _fingerprint(domain: Domain) -> str:
    """Once per domain, not once per cell: plans hold thousands."""
    return domain.fingerprint()


def _fitted(config: SweepConfig, available: int) -> TrainingConfig:
    wanted = config.source_training
    return replace(wanted, samples=min(wanted.samples, available))


def _parts(config: SweepConfig, pair: Pair) -> tuple[TargetPart, ...]:
    """The domains of the target with the images that arrive of each: as many as it would have alone."""
    wanted = config.batches * config.batch_size
    lengths = [(part, part.length("test")) for part in parts_of(pair.target)]
    return tuple(
        TargetPart(part.name, _fingerprint(part), min(wanted, available) if wanted else available)
        for part, available in lengths
    )


def _has_branch(info: MethodInfo) -> bool:
    return info.branch != "none" or info.statistics
