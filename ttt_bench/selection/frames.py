"""All trials and all choices in tidy form, each column explained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from ttt_bench.files import write_atomically, write_text

_QUESTION = {
    "pair": "source->images that were adapted to",
    "method": "with the options that were asked for",
    "protocol": "online, episodic or single",
    "training": "shared or joint source training",
    "seed": "of the run and of its source model",
}
TRIAL_COLUMNS = {
    "cell_id": "identity of the trial, the name of its file",
    **_QUESTION,
    "images": "target, clean (held-out source images), or the corruption of held-out source images",
    "settings": "what was tried",
    "multiple": "its rate over the published one",
    "delta": "percent over base on the same images, at the last step",
    "delta_bn": "delta minus the bn control's, points",
    "collapsed": "whether it collapsed",
    "collapsed_step": "first step at which it did",
}
CHOICE_COLUMNS = {
    **_QUESTION,
    "strategy": "who chose",
    "settings": "what was chosen",
    "multiple": "its rate over the published one",
    "at_edge": "whether that is the smallest or the largest of the grid",
    "delta": "on the target, percent over base at the last step; few-labels: without the images it saw",
    "delta_bn": "delta minus the bn control's, points",
    "delta_bn_low": "of the 95 % interval over all seeds",
    "delta_bn_high": "of the 95 % interval over all seeds",
    "delta_bn_stepwise": "mean over the seeds when the step is chosen with the settings",
    "regret": "points behind the oracle's choice, mean over the seeds",
    "collapsed": "whether the chosen run collapsed on the target",
    "cell_id": "of the chosen run",
    "tried_on": "images that the strategy looked at",
    "trail": "every trial that it saw with its score, as canonical JSON",
}
FILES: dict[str, Mapping[str, str]] = {"trials": TRIAL_COLUMNS, "choices": CHOICE_COLUMNS}


def write_frames(rows: Mapping[str, Sequence[Mapping[str, Any]]], folder: Path) -> list[Path]:
    """Write ``trials.parquet`` and ``choices.parquet``, each also as CSV, and ``columns.md``."""
    paths, lines = [], ["# Columns", ""]
    for name, columns in FILES.items():
        frame = pd.DataFrame(list(rows[name]), columns=list(columns))
        if "collapsed_step" in frame:
            frame["collapsed_step"] = frame["collapsed_step"].astype("Int64")
        path = folder / f"{name}.parquet"
        write_atomically(path, partial(frame.to_parquet, index=False))
        csv = frame.to_csv(index=False).encode()
        write_atomically(folder / f"{name}.csv", lambda file, csv=csv: file.write(csv))  # type: ignore[misc]
        paths += [path, folder / f"{name}.csv"]
        lines += [f"## `{name}.parquet`, `{name}.csv`", "", "| column | meaning |", "|:--|:--|"]
        lines += [f"| `{column}` | {meaning} |" for column, meaning in columns.items()] + [""]
    write_text(folder / "columns.md", "\n".join(lines))
    return [*paths, folder / "columns.md"]
