"""The ``doctor`` command: is this installation able to run what the README promises?"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ttt_bench.cli.console import console
from ttt_bench.cli.options.values import read_roots
from ttt_bench.domains.pixels.opening import exists
from ttt_bench.errors import UserError
from ttt_bench.machine import usable_cpus

PACKAGES = (
    "torch", "torchvision", "numpy", "scipy", "pandas", "pyarrow", "matplotlib", "tslearn", "submitit", "typer",
    "rich", "pillow", "pytest",
)  # fmt: skip

Finding = tuple[bool | None, str]
"""(good, line); None = worth knowing, neither good nor bad."""


def run_doctor(data: list[str] | None, out: Path) -> None:
    """Print one line per finding; exit 1 when something is broken."""
    findings = [*_packages(), *_torch(), *_machine(out), *_data(read_roots(data))]
    for good, line in findings:
        sign, style = {True: ("ok  ", "green"), False: ("BAD ", "bold red"), None: ("    ", "dim")}[good]
        console.print(sign, style=style, end="")
        console.print(line)
    if any(good is False for good, _ in findings):
        sys.exit(1)


def _packages() -> Iterator[Finding]:
    yield sys.version_info >= (3, 10), f"Python {sys.version.split()[0]}"
    for package in PACKAGES:
        try:
            yield True, f"{package} {version(package)}"
        except PackageNotFoundError:
            yield False, f"{package} is not installed: pip install {package}"


def _torch() -> Iterator[Finding]:
    try:
        import torch
        import torchvision

        torchvision.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
    except (ImportError, RuntimeError, AttributeError) as error:
        yield (
            False,
            (
                f"torch and torchvision do not fit together ({error}): install both from one index, "
                "never a +cpu build beside a plain one."
            ),
        )
        return
    yield True, "torch and torchvision are a matched pair"
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            memory = torch.cuda.get_device_properties(index).total_memory / 2**30
            yield True, f"cuda:{index} {torch.cuda.get_device_name(index)}, {memory:.0f} GiB"
    else:
        yield None, "no CUDA device; everything runs on the CPU"


def _machine(out: Path) -> Iterator[Finding]:
    usable = usable_cpus()
    yield None, f"{usable} processor{'s' * (usable > 1)} that this process may use"
    existing = next(p for p in (out, *Path(os.path.realpath(out)).parents) if exists(p))
    free = shutil.disk_usage(existing).free / 2**30
    yield free > 2, f"{free:.1f} GiB free where {out} goes" + ("" if free > 2 else " (at least 2 are needed)")
    yield os.access(existing, os.W_OK), f"{existing} can be written"
    slurm = shutil.which("sbatch")
    yield None, "Slurm: sbatch found" if slurm else "Slurm: not on this machine"


def _data(roots: Mapping[str, Path]) -> Iterator[Finding]:
    from ttt_bench.domains.catalogue import find_root, list_families, open_domain
    from ttt_bench.domains.disk.roots import UnnamedRootError

    for family in list_families():
        if not family.needs_root:
            continue
        try:
            located = find_root(family, "", roots)
            member = next(iter(family.titles()), "")
            domain = open_domain(f"{family.name}/{member}" if member else family.name, (64, 64), roots)
            counts = f"{domain.length('train')} training and {domain.length('test')} test images"
            yield True, f"{domain.name}: {counts} ({located.origin})"
        except UnnamedRootError as error:
            yield None, f"{family.name}: {error.message} {error.hint}"
        except UserError as error:
            yield False, f"{family.name}: {error.message} {error.hint}"
