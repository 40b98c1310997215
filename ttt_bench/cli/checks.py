"""Commands that check the project's own code against references."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ttt_bench.bench.config import BenchConfig


def run_parity_command(folders: list[Path], failures_only: bool) -> None:
    """Run all cases below ``folders``; one line per case, the counts last; exit 1 when one failed."""
    from ttt_bench.parity.runner import Outcome, run_parity

    def show(outcome: Outcome) -> None:
        if outcome.status == "failed" or not failures_only:
            print(f"{outcome.status:8} {outcome.case}  {outcome.detail}", flush=True)

    counts = Counter(outcome.status for outcome in run_parity(folders, show))
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    if counts["failed"]:
        sys.exit(1)


def run_audit_command(names: list[str], extra: tuple[Path, ...], with_footprint: bool) -> None:
    """Audit the named methods, and who may choose their settings; one line per check; exit 1 when one is broken."""
    from ttt_bench.audit.checks import audit
    from ttt_bench.audit.footprint import footprint
    from ttt_bench.method.registry import create, discover, find
    from ttt_bench.selection.proof import prove

    chosen = list(discover(extra)) if "all" in names else [find(name, extra).name for name in names]
    counts: Counter[str] = Counter()
    for name in chosen:
        method = create(name, extra=extra)
        for finding in audit(method):
            counts[finding.status] += 1
            detail = f": {finding.detail}" if finding.detail else ""
            print(f"{finding.status:8} {name:10} {finding.check}{detail}", flush=True)
        if with_footprint:
            for moved in footprint(method):
                print(f"         {name:10} {moved.kind:9} {moved.name} moved by {moved.relative:.2e}")
    for proof in prove(Path()):
        status = "failed" if proof.problem else "passed"
        counts[status] += 1
        print(f"{status:8} {proof.strategy:16} {proof.what}" + f": {proof.problem}" * bool(proof.problem), flush=True)
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['refused']} refused with a reason")
    if counts["failed"]:
        sys.exit(1)


def chosen_bench(
    name: str,
    track: str,
    backbone: str | None,
    architecture: str | None,
    files: tuple[Path, ...],
    size: str | None,
    batch: int | None,
) -> BenchConfig:
    """The configuration that the options of ``bench`` ask for.

    Raises:
        UserError: something of it is unknown or out of range.
    """
    from ttt_bench import plugins
    from ttt_bench.bench.config import bench_config, with_network
    from ttt_bench.cli.options.values import read_size

    plugins.use({"network": files})
    return with_network(bench_config(name, track), backbone, architecture, files, read_size(size), batch)


def run_bench_command(
    config: BenchConfig, device: str, repeats: int | None, precision: str, compiled: bool, as_json: bool
) -> None:
    """Run the benchmark and print its table, or one JSON object."""
    import json

    from ttt_bench.adaptation.execution import Execution
    from ttt_bench.bench.config import CONFIGS
    from ttt_bench.bench.run import as_table, lines, run_bench
    from ttt_bench.choices import check_word
    from ttt_bench.cli.console import errors, wide
    from ttt_bench.cli.devices import found_device
    from ttt_bench.cli.progress import Saying
    from ttt_bench.plan.sweep import PRECISIONS

    check_word("--precision", precision, PRECISIONS)
    device = found_device(device)
    harness = config in CONFIGS["dense"].values()
    with Saying(errors) as say:
        result = run_bench(config, device, repeats, say, Execution(precision, compiled), harness)
    if as_json:
        print(json.dumps(result.as_json(), indent=1))
        return
    console = wide(140)
    console.show(as_table(result))
    for text in lines(result):
        console.print(text)
