"""From the options of a command line to the sweep that they ask for."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ttt_bench import plugins
from ttt_bench.cell.spec import TUNED
from ttt_bench.choices import check_path, check_word, read_list
from ttt_bench.cli.options import adaptation, comparison, places, source_model
from ttt_bench.cli.options.values import check_name, read_numbers, read_roots, read_seeds, read_size, read_words
from ttt_bench.domains.disk.options import Roots
from ttt_bench.domains.pairs import expand_pairs
from ttt_bench.method.registry import discover, parse_methods
from ttt_bench.networks.catalogue import choice
from ttt_bench.plan.plan import Plan, make_plan
from ttt_bench.plan.release import follows_files, parse_released
from ttt_bench.plan.sweep import PRESETS, TRACK_PAIRS, TRACKS, SweepConfig
from ttt_bench.plan.work import Context
from ttt_bench.source.spec import TRAINING_PRESETS
from ttt_bench.tasks import parse_tasks


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
    pairs: comparison.Pairs = None,
    track: comparison.Track = "dense",
    methods: comparison.Methods = "all",
    method: comparison.MethodFiles = None,
    task: comparison.TaskFiles = None,
    domain: comparison.DomainFiles = None,
    network: comparison.NetworkFiles = None,
    recipes: comparison.Recipes = None,
    protocols: comparison.Protocols = None,
    training: comparison.Training = None,
    tasks: comparison.Tasks = None,
    seeds: comparison.Seeds = None,
    preset: comparison.Preset = "fast",
    released: comparison.Released = None,
    steps: adaptation.Steps = None,
    eval_steps: adaptation.EvalSteps = None,
    batch_size: adaptation.BatchSize = None,
    batches: adaptation.Batches = None,
    stream: adaptation.Stream = None,
    budget: adaptation.Budget = None,
    precision: adaptation.Precision = None,
    compile: adaptation.Compile = None,
    threads: adaptation.Threads = None,
    size: source_model.Size = None,
    backbone: source_model.Backbone = None,
    architecture: source_model.Architecture = None,
    heads: source_model.Heads = None,
    weights: source_model.Weights = None,
    stem: source_model.Stem = None,
    pixels: source_model.Pixels = None,
    train_iterations: source_model.TrainIterations = None,
    train_samples: source_model.TrainSamples = None,
    train_lr: source_model.TrainLr = None,
    train_processes: source_model.TrainProcesses = None,
    fit_iterations: source_model.FitIterations = None,
    fit_lr: source_model.FitLr = None,
    name: places.Name = "main",
    out: places.Out = Path("results"),
    cache: places.Cache = None,
    data_cache: places.DataCache = True,
    data: places.Data = None,
    trust_names: places.TrustNames = False,
    skip_bad: places.SkipBad = None,
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
        "recipes": read_words("--recipes", recipes),
        "protocols": read_words("--protocols", protocols),
        "trainings": read_words("--training", training),
        "seeds": read_seeds(seeds),
        "tasks": None if tasks is None else parse_tasks(",".join(read_list("--tasks", tasks))),
        "size": read_size(size),
        "steps": steps,
        "eval_steps": read_numbers("--eval-steps", eval_steps),
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
    check_name(name)
    return Request(
        config, name, out, cache or out / "cache", read_roots(data, trust_names, skip_bad, domain), extra, data_cache
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
