"""Options of the panel "Source model": the network that is adapted, and its training."""

from __future__ import annotations

from typing import Annotated

import typer

PANEL = "Source model"

Size = Annotated[str | None, typer.Option(help="Image size HxW, e.g. 64x64.", rich_help_panel=PANEL)]
Backbone = Annotated[
    str | None, typer.Option(help="resnet10, resnet18, resnet50, wrn28_10, timm:NAME, ...", rich_help_panel=PANEL)
]
Architecture = Annotated[
    str | None,
    typer.Option(help="multitask (the paper's), mtinet, or one of --network.", rich_help_panel=PANEL),
]
Heads = Annotated[str | None, typer.Option(help="linear (the paper's), conv.", rich_help_panel=PANEL)]
Weights = Annotated[str | None, typer.Option(help="none, imagenet, or a state-dict file.", rich_help_panel=PANEL)]
Stem = Annotated[str | None, typer.Option(help="imagenet, or cifar for small images.", rich_help_panel=PANEL)]
Pixels = Annotated[
    str | None,
    typer.Option(help="Scaling the weights expect: domain (the data's), raw, ...", rich_help_panel=PANEL),
]
TrainIterations = Annotated[int | None, typer.Option(rich_help_panel=PANEL)]
TrainSamples = Annotated[int | None, typer.Option(rich_help_panel=PANEL)]
TrainLr = Annotated[float | None, typer.Option(rich_help_panel=PANEL)]
TrainProcesses = Annotated[
    int | None, typer.Option(help="Processes (GPUs) that share each training batch.", rich_help_panel=PANEL)
]
FitIterations = Annotated[int | None, typer.Option(help="For branches on the frozen network.", rich_help_panel=PANEL)]
FitLr = Annotated[float | None, typer.Option(rich_help_panel=PANEL)]
FinetuneIterations = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="affinity: training on target labels; default: a quarter of the source's.",
        rich_help_panel=PANEL,
    ),
]
