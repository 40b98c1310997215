"""Options of the panel "Where": where work is done, and where things lie."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ttt_bench.cli.options.values import check_device_option

PANEL = "Where"

Name = Annotated[str, typer.Option(help="Folder below --out.", rich_help_panel=PANEL)]
Out = Annotated[Path, typer.Option(help="Where results go.", rich_help_panel=PANEL)]
Cache = Annotated[
    Path | None, typer.Option(help="Checkpoints and decoded data; default: OUT/cache.", rich_help_panel=PANEL)
]
DataCache = Annotated[
    bool, typer.Option(help="Keep decoded images in the cache; without, decode at each use.", rich_help_panel=PANEL)
]
Data = Annotated[
    list[str] | None, typer.Option(help="Data set root, e.g. nyudv2=/data/nyudv2,...", rich_help_panel=PANEL)
]
TrustNames = Annotated[
    bool,
    typer.Option("--trust-names", help="Do not hash data files; names and sizes count.", rich_help_panel=PANEL),
]
SkipBad = Annotated[
    Path | None,
    typer.Option(help="A list of images to leave out; every table says so.", rich_help_panel=PANEL),
]
Device = Annotated[
    str, typer.Option(help="cpu, cuda, cuda:1 or auto.", rich_help_panel=PANEL, callback=check_device_option)
]
Jobs = Annotated[
    int,
    typer.Option(
        min=0, max=1024, help="Worker processes; 0: as many as fit on the processors, 4 at most.", rich_help_panel=PANEL
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.", rich_help_panel=PANEL)]
Figures = Annotated[bool, typer.Option(help="Draw figures at the end.", rich_help_panel=PANEL)]
Executor = Annotated[str, typer.Option(help="local, slurm.", rich_help_panel=PANEL)]
ProfileFile = Annotated[
    Path | None, typer.Option("--profile", help="Cluster profile, e.g. slurm/h100.toml.", rich_help_panel=PANEL)
]
RetryCells = Annotated[str, typer.Option(help="failed: also redo cells that failed before.", rich_help_panel=PANEL)]
RetryTrials = Annotated[str, typer.Option(help="failed: also redo trials that failed.", rich_help_panel=PANEL)]
Probe = Annotated[
    bool, typer.Option("--probe", help="Time two steps of everything on --device.", rich_help_panel=PANEL)
]
StudyFigure = Annotated[bool, typer.Option(help="Draw the figure.", rich_help_panel=PANEL)]
