"""The options that describe a sweep, once, for every command that takes them."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ttt_bench import plugins
from ttt_bench.cell.spec import TUNED
from ttt_bench.choices import MOST_SEEDS, Range, check_device, check_path, check_word, read_int, read_list, shown
from ttt_bench.domains.catalogue import given_roots
from ttt_bench.domains.disk.options import FileOptions, Roots, read_skipped
from ttt_bench.domains.pairs import expand_pairs
from ttt_bench.errors import UserError
from ttt_bench.method.registry import discover, parse_methods
from ttt_bench.networks.catalogue import choice
from ttt_bench.plan.plan import Plan, make_plan
from ttt_bench.plan.release import follows_files, parse_released
from ttt_bench.plan.sweep import PRESETS, TRACK_PAIRS, TRACKS, SweepConfig
from ttt_bench.plan.work import Context
from ttt_bench.source.spec import TRAINING_PRESETS
from ttt_bench.tasks import TASKS, parse_tasks

What = "What to compare"
How = "Adaptation"
Model = "Source model"
Place = "Where"


TaskFiles = Annotated[
    list[Path] | None, typer.Option(help="A task's file of your own (repeatable).", rich_help_panel=What)
]
DomainFiles = Annotated[
    list[Path] | None, typer.Option(help="A file with domains of your own (repeatable).", rich_help_panel=What)
]
NetworkFiles = Annotated[
    list[Path] | None, typer.Option(help="A network's file of your own (repeatable).", rich_help_panel=What)
]


@dataclass(frozen=True)
class Request:
    """A sweep as asked for on the command line."""

    config: SweepConfig
    name: str
    out: Path
    cache: Path
    roots: Roots
    extra_methods: tuple[Path, ...]
    keep_decoded: bool = True

    @property
    def folder(self) -> Path:
        """The sweep's folder."""
        return self.out / self.name

    def plan(self, keep: bool = False) -> Plan:
        """Every cell of the request that is known: those of ``tuned`` follow from finished trials.

        Args:
            keep: whether choices that are made now are written down.
        """
        plan = make_plan(self.config, self.roots, self.extra_methods)
        if TUNED not in self.config.recipes:
            return plan
        from ttt_bench.selection.rounds import tuned

        return tuned(plan, self.folder, self.roots, self.cache if keep else None)

    def context(self, device: str = "cpu") -> Context:
        """Where and with what its work is done."""
        return Context(
            self.folder, self.cache, self.roots, self.extra_methods, device, self.config.threads, self.keep_decoded
        )


def read_request(
    pairs: Annotated[
        str | None,
        typer.Option(
            help="source->target pairs, comma-separated, always in quotes (a shell takes > for itself). +all:5: 15 "
            "kinds. a->b>c: several targets, for --stream.",
            rich_help_panel=What,
        ),
    ] = None,
    track: Annotated[
        str, typer.Option(help="dense (rooms), class (one label per image): defaults.", rich_help_panel=What)
    ] = "dense",
    methods: Annotated[
        str, typer.Option(help="all, or names: tent,s4t(mask_ratio=0.5). Controls always run.", rich_help_panel=What)
    ] = "all",
    method: Annotated[
        list[Path] | None, typer.Option(help="A method file of your own (repeatable).", rich_help_panel=What)
    ] = None,
    task: TaskFiles = None,
    domain: DomainFiles = None,
    network: NetworkFiles = None,
    recipes: Annotated[
        str | None,
        typer.Option(
            help="native (each method's own), paper (SGD 2e-5), tuned (chosen on the source).", rich_help_panel=What
        ),
    ] = None,
    protocols: Annotated[str | None, typer.Option(help="online, episodic, single.", rich_help_panel=What)] = None,
    training: Annotated[
        str | None, typer.Option(help="shared (one frozen network), joint.", rich_help_panel=What)
    ] = None,
    tasks: Annotated[
        str | None, typer.Option(help=f"{','.join(TASKS)}; default: all shared.", rich_help_panel=What)
    ] = None,
    seeds: Annotated[str | None, typer.Option(help="How many (3), or which (0,4,7).", rich_help_panel=What)] = None,
    preset: Annotated[
        str,
        typer.Option(
            help="fast, paper, released (paper with --released all), cifar10c, cifar100c, tinyimagenetc, cifar-small.",
            rich_help_panel=What,
        ),
    ] = "fast",
    released: Annotated[
        str | None,
        typer.Option(help="Accidents of the S4T release to restore: all, none, or names.", rich_help_panel=What),
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Updates per target batch.", rich_help_panel=How)] = None,
    eval_steps: Annotated[
        str | None, typer.Option(help="Steps to score, e.g. 0,1,5,10; default: all.", rich_help_panel=How)
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Target images per batch.", rich_help_panel=How)] = None,
    batches: Annotated[int | None, typer.Option(help="Target batches; 0 = the whole set.", rich_help_panel=How)] = None,
    stream: Annotated[
        str | None,
        typer.Option(help="How targets arrive: iid, correlated, continual, gradual, mixed.", rich_help_panel=How),
    ] = None,
    budget: Annotated[
        int | None, typer.Option(help="Trials per method where settings are chosen (default 8).", rich_help_panel=How)
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="fp32, tf32 (CUDA), bf16: arithmetic of the adaptation.", rich_help_panel=How)
    ] = None,
    compile: Annotated[
        bool | None,
        typer.Option("--compile", help="torch.compile the encoder for the adaptation.", rich_help_panel=How),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            help="Processors of each worker (default 1); results of another number are kept apart.",
            rich_help_panel=How,
        ),
    ] = None,
    size: Annotated[str | None, typer.Option(help="Image size HxW, e.g. 64x64.", rich_help_panel=Model)] = None,
    backbone: Annotated[
        str | None, typer.Option(help="resnet10, resnet18, resnet50, wrn28_10, timm:NAME, ...", rich_help_panel=Model)
    ] = None,
    architecture: Annotated[
        str | None,
        typer.Option(help="multitask (the paper's), mtinet, or one of --network.", rich_help_panel=Model),
    ] = None,
    heads: Annotated[str | None, typer.Option(help="linear (the paper's), conv.", rich_help_panel=Model)] = None,
    weights: Annotated[
        str | None, typer.Option(help="none, imagenet, or a state-dict file.", rich_help_panel=Model)
    ] = None,
    stem: Annotated[
        str | None, typer.Option(help="imagenet, or cifar for small images.", rich_help_panel=Model)
    ] = None,
    pixels: Annotated[
        str | None,
        typer.Option(help="Scaling the weights expect: domain (the data's), raw, ...", rich_help_panel=Model),
    ] = None,
    train_iterations: Annotated[int | None, typer.Option(rich_help_panel=Model)] = None,
    train_samples: Annotated[int | None, typer.Option(rich_help_panel=Model)] = None,
    train_lr: Annotated[float | None, typer.Option(rich_help_panel=Model)] = None,
    train_processes: Annotated[
        int | None, typer.Option(help="Processes (GPUs) that share each training batch.", rich_help_panel=Model)
    ] = None,
    fit_iterations: Annotated[
        int | None, typer.Option(help="For branches on the frozen network.", rich_help_panel=Model)
    ] = None,
    fit_lr: Annotated[float | None, typer.Option(rich_help_panel=Model)] = None,
    name: Annotated[str, typer.Option(help="Folder below --out.", rich_help_panel=Place)] = "main",
    out: Annotated[Path, typer.Option(help="Where results go.", rich_help_panel=Place)] = Path("results"),
    cache: Annotated[
        Path | None, typer.Option(help="Checkpoints and decoded data; default: OUT/cache.", rich_help_panel=Place)
    ] = None,
    data_cache: Annotated[
        bool, typer.Option(help="Keep decoded images in the cache; without, decode at each use.", rich_help_panel=Place)
    ] = True,
    data: Annotated[
        list[str] | None, typer.Option(help="Data set root, e.g. nyudv2=/data/nyudv2,...", rich_help_panel=Place)
    ] = None,
    trust_names: Annotated[
        bool,
        typer.Option("--trust-names", help="Do not hash data files; names and sizes count.", rich_help_panel=Place),
    ] = False,
    skip_bad: Annotated[
        Path | None,
        typer.Option(help="A list of images to leave out; every table says so.", rich_help_panel=Place),
    ] = None,
) -> Request:
    """Turn the options into a request. The signature is what ``takes_request`` gives to commands."""
    check_word("--preset", preset, PRESETS)
    check_word("--track", track, TRACKS)
    for option, path in (("--out", out), ("--cache", cache), ("--weights", weights), ("--skip-bad", skip_bad)):
        check_path(option, path or "")
    for option, files in (("--domain", domain), ("--method", method), ("--task", task), ("--network", network)):
        for path in files or ():
            check_path(option, path)
    plugins.use({"task": task or (), "domain": domain or (), "network": network or ()})
    defaults = {**TRACKS[track], **PRESETS[preset]}
    usual = defaults.pop("pairs", TRACK_PAIRS[track])
    extra = tuple(method or ())
    built, source = _model(
        defaults,
        {
            "backbone": backbone, "heads": heads, "weights": weights, "stem": stem, "pixels": pixels,
            **choice(architecture, tuple(network or ())),
        },
        {
            "iterations": train_iterations, "samples": train_samples, "lr": train_lr,
            "fit_iterations": fit_iterations, "fit_lr": fit_lr,
        },
    )  # fmt: skip
    switches = parse_released(defaults.get("released", "none") if released is None else released, discover(extra))
    if follows_files(switches):
        defaults["protocols"] = ("single",)
    given: dict[str, Any] = {
        "recipes": _words("--recipes", recipes),
        "protocols": _words("--protocols", protocols),
        "trainings": _words("--training", training),
        "seeds": _seeds(seeds),
        "tasks": None if tasks is None else parse_tasks(",".join(read_list("--tasks", tasks))),
        "size": read_size(size),
        "steps": steps,
        "eval_steps": _numbers("--eval-steps", eval_steps),
        "batch_size": batch_size,
        "batches": batches,
        "stream": stream,
        "budget": budget,
        "precision": precision,
        "compiled": compile,
        "threads": threads,
        "train_processes": train_processes,
    }
    config = SweepConfig(
        pairs=expand_pairs(read_list("--pairs", usual if pairs is None else pairs)),
        methods=tuple(parse_methods(methods, extra)),
        **{
            **defaults,
            **{key: value for key, value in given.items() if value is not None},
            "network": built,
            "source_training": source,
            "released": switches,
        },
    )
    _check_name(name)
    return Request(
        config, name, out, cache or out / "cache", _roots(data, trust_names, skip_bad, domain), extra, data_cache
    )


def _model(defaults: dict[str, Any], network: dict[str, Any], training: dict[str, Any]) -> tuple[Any, Any]:
    base = SweepConfig(pairs=(), methods=())
    chosen = replace(defaults.pop("network", base.network), **{k: v for k, v in network.items() if v is not None})
    source = defaults.pop("source_training", TRAINING_PRESETS["fast"])
    return chosen.check().pinned(), replace(source, **{k: v for k, v in training.items() if v is not None})


def takes_request(
    command: Callable[..., None], fill: Callable[[dict[str, Any]], dict[str, Any]] | None = None, **defaults: Any
) -> Callable[..., None]:
    """Give ``command(request, ...)`` all options of ``read_request`` before its own, some with other defaults.

    Args:
        command: what is called with the request.
        fill: puts defaults in that follow from other values.
        defaults: by name of the parameter.
    """
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
    shared = [
        parameter.replace(default=defaults.get(parameter.name, parameter.default))
        for parameter in inspect.signature(read_request, eval_str=True).parameters.values()
    ]
    names = {parameter.name for parameter in shared}

    def run(**values: Any) -> None:
        values = fill(values) if fill else values
        request = read_request(**{k: v for k, v in values.items() if k in names})
        command(request, **{k: v for k, v in values.items() if k not in names})

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    keyword = inspect.Parameter.KEYWORD_ONLY
    run.__signature__ = inspect.Signature([p.replace(kind=keyword) for p in shared + own])  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in shared + own}
    return run


def check_retry(text: str) -> None:
    """``--retry`` of every command.

    Raises:
        UserError: it is neither left out nor ``failed``.
    """
    if text not in ("", "failed"):
        raise UserError(f"--retry {text!r} is unknown.", "Valid: failed.")


def check_device_option(text: str) -> str:
    """``--device`` of every command, checked as it is read."""
    check_device("--device", text)
    return text


def _words(option: str, text: str | None) -> tuple[str, ...] | None:
    return None if text is None else read_list(option, text)


def _numbers(option: str, text: str | None) -> tuple[int, ...] | None:
    return None if text is None else tuple(read_int(option, word) for word in read_list(option, text))


def _seeds(text: str | None) -> tuple[int, ...] | None:
    """A count such as ``3``, or a list such as ``0,4,7``."""
    if text is None or "," in text:
        return _numbers("--seeds", text)
    return tuple(range(read_int("--seeds, a count,", text, Range(1, MOST_SEEDS))))


def read_size(text: str | None) -> tuple[int, int] | None:
    """``--size`` of every command: ``64x96``, or ``64`` for a square.

    Raises:
        UserError: it is neither.
    """
    if text is None:
        return None
    sides = text.split("x")
    if len(sides) > 2 or not any(character.isdigit() for character in text):
        raise UserError(f"--size {shown(text)} is not HxW.", "Write for example 64x64 or 96x128.")
    return read_int("--size", sides[0]), read_int("--size", sides[-1])


def _roots(
    data: list[str] | None,
    trust_names: bool = False,
    skip_bad: Path | None = None,
    domain: list[Path] | None = None,
) -> Roots:
    declared = tuple(Path(os.path.realpath(path.expanduser())) for path in domain or ())
    return given_roots(data or (), FileOptions(trust_names, read_skipped(skip_bad)), declared)


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name) or name == "cache":
        raise UserError(
            f"--name {shown(name)} cannot be a folder name here.", "Use letters, digits, '.', '_' and '-', at most 100."
        )
