"""All commands and their options; what they do lies in the modules beside this one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ttt_bench import plugins
from ttt_bench.cli.data import app as data_app
from ttt_bench.cli.options import adaptation, comparison, places, source_model
from ttt_bench.cli.options.request import Request, takes_request
from ttt_bench.cli.options.values import check_retry
from ttt_bench.cli.strict import App
from ttt_bench.studies.catalogue import UNASKED, UNNAMED, filled, study_help

app = App(
    name="ttt_bench",
    help="An honest, exact and resumable benchmark harness for test-time training.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(data_app, name="data")

Out = Annotated[Path, typer.Option(help="Where results are.")]
Name = Annotated[str, typer.Argument(help="The sweep's name.")]
FixedStep = Annotated[int | None, typer.Option(min=0, help="Step of the `fixed` selection; default: 10, or the last.")]
MethodFiles = Annotated[list[Path] | None, typer.Option(help="A method file of your own (repeatable).")]


@app.command()
@takes_request
def sweep(
    request: Request,
    jobs: places.Jobs = 0,
    device: places.Device = "auto",
    retry: places.RetryCells = "",
    dry_run: places.DryRun = False,
    figures: places.Figures = True,
    executor: places.Executor = "local",
    profile: places.ProfileFile = None,
) -> None:
    """Train, adapt, record and report: everything that is not there yet."""
    from ttt_bench.cli.cluster import chosen, show_arrays, submit_sweep
    from ttt_bench.cli.planning import show_plan
    from ttt_bench.cli.sweep import run_sweep

    cluster = chosen(request, executor, profile, jobs)
    check_retry(retry)
    if dry_run:
        found = request.plan()
        show_plan(request, found, cost=cluster is None)
        if cluster:
            show_arrays(request, found, cluster, retry)
    elif cluster:
        submit_sweep(request, cluster, retry)
    else:
        run_sweep(request, jobs, device, retry, figures)


@app.command()
@takes_request
def plan(
    request: Request,
    executor: places.Executor = "local",
    profile: places.ProfileFile = None,
    probe: places.Probe = False,
    device: places.Device = "auto",
) -> None:
    """Show what `sweep` with the same options would do, what is already there, and what the rest will cost."""
    from ttt_bench.cli.cluster import chosen, show_arrays
    from ttt_bench.cli.planning import show_plan

    cluster = chosen(request, executor, profile)
    found = request.plan()
    show_plan(request, found, device if probe else "", cluster is None)
    if cluster:
        show_arrays(request, found, cluster)


@app.command()
@takes_request
def train(request: Request, jobs: places.Jobs = 0, device: places.Device = "auto") -> None:
    """Only the source models and branches that `sweep` with the same options would need."""
    from ttt_bench.cli.sweep import run_training

    run_training(request, jobs, device)


def select(
    request: Request,
    strategies: adaptation.Strategies = "all",
    jobs: places.Jobs = 0,
    device: places.Device = "auto",
    retry: places.RetryTrials = "",
    dry_run: places.DryRun = False,
    figures: places.Figures = True,
    executor: places.Executor = "local",
    profile: places.ProfileFile = None,
) -> None:
    """Try each method's settings, and compare who could have chosen them: strategies with and without target labels."""
    from ttt_bench.cli.cluster import chosen
    from ttt_bench.cli.select import run_select, show_selection

    cluster = chosen(request, executor, profile, jobs)
    check_retry(retry)
    if dry_run:
        show_selection(request, strategies, cluster)
    else:
        run_select(request, strategies, jobs, device, retry == "failed", figures, cluster)


app.command()(takes_request(select, name="select"))


def study(
    request: Request,
    which: Annotated[str, typer.Argument(metavar="NAME", help="Which study; see above.")] = "",
    jobs: places.Jobs = 0,
    device: places.Device = "auto",
    figures: places.StudyFigure = True,
    finetune_iterations: source_model.FinetuneIterations = None,
    executor: places.Executor = "local",
    profile: places.ProfileFile = None,
) -> None:
    """Run one of the studies: everything of it that is not there yet."""
    from ttt_bench.cli.cluster import chosen
    from ttt_bench.cli.study import run_study

    cluster = chosen(request, executor, profile, jobs)
    run_study(which, request, jobs, device, figures, finetune_iterations, cluster)


app.command(help=study_help())(
    takes_request(study, lambda given: filled(given["which"], given), methods=UNASKED, track=UNASKED, name=UNNAMED)
)


@app.command()
def status(
    name: Name = "main",
    out: Out = Path("results"),
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="One line per cell.")] = False,
) -> None:
    """Show how far a sweep is, from its folder alone."""
    from ttt_bench.cli.status import show_status

    show_status(out / name, verbose)


@app.command()
def cancel(
    name: Name = "main",
    out: Out = Path("results"),
) -> None:
    """Cancel a sweep's jobs on the cluster; everything finished stays."""
    from ttt_bench.cli.cluster import cancel_sweep

    cancel_sweep(out / name)


@app.command()
def report(
    name: Name = "main",
    out: Out = Path("results"),
    metrics: Annotated[
        str,
        typer.Option(help="Metrics that enter Delta, TASK/METRIC, comma-separated; default: the first of each task."),
    ] = "",
    fixed_step: FixedStep = None,
    budget: Annotated[
        str | None,
        typer.Option(help="At equal compute, e.g. 30x: forwards + 2 backwards of each image; into budget-30x."),
    ] = None,
    figures: Annotated[bool, typer.Option(help="Draw figures.")] = True,
    to: Annotated[Path | None, typer.Option(help="Write the report there; default: into the sweep's folder.")] = None,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="A B", help="Say cell by cell what differs between two sweeps instead."),
    ] = None,
    style: Annotated[str, typer.Option(help="Of the figures: screen, or paper (8 pt, no titles, vector).")] = "screen",
    task: comparison.TaskFiles = None,
) -> None:
    """Make a page, tables and figures from whatever a sweep has finished."""
    from ttt_bench.cli.reporting import compare_sweeps, make_report

    plugins.use({"task": task or ()})
    if compare:
        compare_sweeps(compare, out, metrics, fixed_step, to)
    else:
        make_report(out / name, metrics, figures, fixed_step, to, style, budget)


@app.command()
def leaderboard(
    folders: Annotated[list[Path], typer.Argument(help="Sweeps' folders, of several people or clusters.")],
    published: Annotated[
        Path | None, typer.Option(help="A CSV of published numbers: pair, method, metric, value, source.")
    ] = None,
    metrics: Annotated[str, typer.Option(help="Metrics that enter Delta, TASK/METRIC, comma-separated.")] = "",
    fixed_step: FixedStep = None,
    figures: Annotated[bool, typer.Option(help="Draw figures.")] = False,
    to: Annotated[Path, typer.Option(help="Where to write.")] = Path("leaderboard"),
    task: comparison.TaskFiles = None,
) -> None:
    """Merge the sweeps of several people into one page; what cannot be compared is refused."""
    from ttt_bench.cli.reporting import make_leaderboard

    plugins.use({"task": task or ()})
    make_leaderboard(folders, published, metrics, fixed_step, figures, to)


@app.command()
def methods(
    name: Annotated[str, typer.Argument(help="Show this method's card.")] = "",
    method: MethodFiles = None,
) -> None:
    """List the methods, or show one method's fidelity card."""
    from ttt_bench.cli.listings import show_methods

    show_methods(name, tuple(method or ()))


@app.command()
def domains(
    name: Annotated[str, typer.Argument(help="Show everything about this family.")] = "",
    domain: Annotated[list[Path] | None, typer.Option(help="A domain file of your own (repeatable).")] = None,
) -> None:
    """List the domains, their tasks and what they need, or show one family of them."""
    from ttt_bench.cli.listings import show_domains, show_family

    extra = tuple(Path(os.path.realpath(path)) for path in domain or ())
    if name:
        show_family(name, extra)
    else:
        show_domains(extra)


@app.command()
def doctor(
    data: Annotated[list[str] | None, typer.Option(help="Data set root, e.g. nyudv2=/data/nyudv2.")] = None,
    out: Out = Path("results"),
) -> None:
    """Check this installation: packages, devices, data, disk."""
    from ttt_bench.cli.doctor import run_doctor

    run_doctor(data, out)


@app.command()
def parity(
    folders: Annotated[list[Path], typer.Argument(help="Folders with a manifest.json at or below them.")],
    failures_only: Annotated[bool, typer.Option("--failures-only", help="Print failing cases only.")] = False,
) -> None:
    """Run reference vectors of the published code through this project's code."""
    from ttt_bench.cli.checks import run_parity_command

    run_parity_command(folders, failures_only)


@app.command()
def audit(
    names: Annotated[list[str], typer.Argument(help="Method names, or all.")],
    method: MethodFiles = None,
    footprint: Annotated[bool, typer.Option(help="Also list what moved, and how far.")] = False,
) -> None:
    """Check that methods hold the plug-in contract: no label, no leak, exact reset, determinism."""
    from ttt_bench.cli.checks import run_audit_command

    run_audit_command(names, tuple(method or ()), footprint)


@app.command()
def bench(
    config: Annotated[str, typer.Option(help="paper (the papers' network and batch) or small.")] = "small",
    track: Annotated[str, typer.Option(help="dense, or class (one label per image).")] = "dense",
    backbone: Annotated[str | None, typer.Option(help="Another encoder: resnet18, hrnet18, timm:NAME, ...")] = None,
    architecture: Annotated[str | None, typer.Option(help="multitask, mtinet, or one of --network.")] = None,
    network: comparison.NetworkFiles = None,
    size: Annotated[str | None, typer.Option(help="Image size HxW instead of the configuration's.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images per batch instead of the configuration's.")] = None,
    device: places.Device = "cpu",
    repeats: Annotated[
        int | None, typer.Option(min=1, max=1_000_000, help="Timed rounds; default by configuration.")
    ] = None,
    precision: Annotated[str, typer.Option(help="fp32, tf32 (CUDA) or bf16.")] = "fp32",
    compile: Annotated[bool, typer.Option("--compile", help="torch.compile the encoder.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Time every method's update and evaluation against the encoder's own cost, in one run."""
    from ttt_bench.cli.checks import chosen_bench, run_bench_command

    chosen = chosen_bench(config, track, backbone, architecture, tuple(network or ()), size, batch_size)
    run_bench_command(chosen, device, repeats, precision, compile, json)
