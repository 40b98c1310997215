"""Options of the panel "What to compare": what is compared with what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ttt_bench.tasks import TASKS

PANEL = "What to compare"

Pairs = Annotated[
    str | None,
    typer.Option(
        help="source->target pairs, comma-separated, always in quotes (a shell takes > for itself). +all:5: 15 "
        "kinds. a->b>c: several targets, for --stream.",
        rich_help_panel=PANEL,
    ),
]
Track = Annotated[
    str, typer.Option(help="dense (rooms), class (one label per image): defaults.", rich_help_panel=PANEL)
]
Methods = Annotated[
    str, typer.Option(help="all, or names: tent,s4t(mask_ratio=0.5). Controls always run.", rich_help_panel=PANEL)
]
MethodFiles = Annotated[
    list[Path] | None, typer.Option(help="A method file of your own (repeatable).", rich_help_panel=PANEL)
]
TaskFiles = Annotated[
    list[Path] | None, typer.Option(help="A task's file of your own (repeatable).", rich_help_panel=PANEL)
]
DomainFiles = Annotated[
    list[Path] | None, typer.Option(help="A file with domains of your own (repeatable).", rich_help_panel=PANEL)
]
NetworkFiles = Annotated[
    list[Path] | None, typer.Option(help="A network's file of your own (repeatable).", rich_help_panel=PANEL)
]
Recipes = Annotated[
    str | None,
    typer.Option(
        help="native (each method's own), paper (SGD 2e-5), tuned (chosen on the source).", rich_help_panel=PANEL
    ),
]
Protocols = Annotated[str | None, typer.Option(help="online, episodic, single.", rich_help_panel=PANEL)]
Training = Annotated[str | None, typer.Option(help="shared (one frozen network), joint.", rich_help_panel=PANEL)]
Tasks = Annotated[str | None, typer.Option(help=f"{','.join(TASKS)}; default: all shared.", rich_help_panel=PANEL)]
Seeds = Annotated[str | None, typer.Option(help="How many (3), or which (0,4,7).", rich_help_panel=PANEL)]
Preset = Annotated[
    str,
    typer.Option(
        help="fast, paper, released (paper with --released all), cifar10c, cifar100c, tinyimagenetc, cifar-small.",
        rich_help_panel=PANEL,
    ),
]
Released = Annotated[
    str | None,
    typer.Option(help="Accidents of the S4T release to restore: all, none, or names.", rich_help_panel=PANEL),
]
