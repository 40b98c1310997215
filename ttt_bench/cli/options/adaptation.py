"""Options of the panel "Adaptation": how methods adapt."""

from __future__ import annotations

from typing import Annotated

import typer

PANEL = "Adaptation"

Steps = Annotated[int | None, typer.Option(help="Updates per target batch.", rich_help_panel=PANEL)]
EvalSteps = Annotated[
    str | None, typer.Option(help="Steps to score, e.g. 0,1,5,10; default: all.", rich_help_panel=PANEL)
]
BatchSize = Annotated[int | None, typer.Option(help="Target images per batch.", rich_help_panel=PANEL)]
Batches = Annotated[int | None, typer.Option(help="Target batches; 0 = the whole set.", rich_help_panel=PANEL)]
Stream = Annotated[
    str | None,
    typer.Option(help="How targets arrive: iid, correlated, continual, gradual, mixed.", rich_help_panel=PANEL),
]
Budget = Annotated[
    int | None, typer.Option(help="Trials per method where settings are chosen (default 8).", rich_help_panel=PANEL)
]
Precision = Annotated[
    str | None, typer.Option(help="fp32, tf32 (CUDA), bf16: arithmetic of the adaptation.", rich_help_panel=PANEL)
]
Compile = Annotated[
    bool | None,
    typer.Option("--compile", help="torch.compile the encoder for the adaptation.", rich_help_panel=PANEL),
]
Threads = Annotated[
    int | None,
    typer.Option(
        help="Processors of each worker (default 1); results of another number are kept apart.",
        rich_help_panel=PANEL,
    ),
]
Strategies = Annotated[
    str,
    typer.Option(
        help="all, or names: source-shift,entropy,few-labels:16. The oracle always is.",
        rich_help_panel=PANEL,
    ),
]
