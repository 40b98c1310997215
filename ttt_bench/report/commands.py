"""The command that runs a row again: its sweep's, narrowed to the row, where that was kept; else made of the cell."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ttt_bench.method.options import with_settings
from ttt_bench.names import shown
from ttt_bench.report.groups import Row
from ttt_bench.report.runs import Run
from ttt_bench.store.folder import SweepFolder


def asked_commands(folder: Path) -> dict[str, str]:
    """Cell -> the command of the last sweep that asked for it; nothing where cells were merely copied."""
    if not any((folder / "sweeps").glob("[!.]*.json")):
        return {}
    return {
        cell["id"]: shown(sweep["command"])
        for sweep in SweepFolder(folder).sweeps()
        if isinstance(sweep.get("command"), str)
        for cell in sweep["cells"]
    }


def row_command(row: Row, asked: Mapping[str, str]) -> str:
    """One line for a shell. Controls run with every sweep, so the method alone is named."""
    if not row.runs:
        return ""
    first = row.runs[0].run
    narrowed = {
        "--pairs": first.pair,
        "--methods": method_text(first),
        "--protocols": first.block.protocol,
        "--stream": "" if first.block.stream == "iid" else first.block.stream,
        "--recipes": first.block.recipe,
        "--training": first.block.training,
        "--seeds": _seeds([scored.run for scored in row.runs]),
    }
    known = asked.get(first.cell_id, "")
    base = known if _is_sweep(known) else shlex.join(["python", "-m", "ttt_bench", "sweep", *_own_settings(first)])
    return with_options(base, {option: value for option, value in narrowed.items() if value}, without=("--name",))


def with_options(command: str, options: Mapping[str, str], without: Sequence[str] = ()) -> str:
    """``command`` with these options, in the place of others of the same name, and without some."""
    kept = _without(_words(command), {*options, *without})
    return shlex.join([*kept, *(word for pair in options.items() for word in pair)])


def last_sweep(folder: Path) -> str:
    """The command of the last sweep that wrote into ``folder``; one that names the folder where none was kept."""
    sweeps = SweepFolder(folder).sweeps() if any((folder / "sweeps").glob("[!.]*.json")) else []
    commands = [shown(each["command"]) for each in sweeps if isinstance(each.get("command"), str)]
    known = next((command for command in reversed(commands) if _is_sweep(command)), "")
    return known or shlex.join(["python", "-m", "ttt_bench", "sweep", "--name", folder.name])


def _is_sweep(command: str) -> bool:
    return _words(command)[3:4] == ["sweep"]


def method_text(run: Run) -> str:
    """``s4t(mask_ratio=0.5)``: the method with the options that were asked for and differ from its defaults.

    A setting that a strategy chose is not among them: the recipe ``tuned`` chooses it again.
    """
    asked = run.asked
    return shown(with_settings(run.method, {key: asked[key] for key in run.cell.get("changed") or () if key in asked}))


def _seeds(runs: Sequence[Run]) -> str:
    seeds = sorted({int(run.cell["seed"]) for run in runs if isinstance(run.cell.get("seed"), int)})
    if seeds == list(range(len(seeds))):
        return str(len(seeds))
    return ",".join(map(str, seeds)) + ("," if len(seeds) == 1 else "")


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return []  # not a command of ours: somebody wrote into the file


def _without(words: Sequence[str], options: set[str]) -> list[str]:
    kept: list[str] = []
    skipping = False
    for word in words:
        if not skipping and word.partition("=")[0] not in options:
            kept.append(word)
        skipping = not skipping and word in options
    return kept


def _own_settings(run: Run) -> list[str]:
    cell: Mapping[str, Any] = run.cell
    plain = {"--size": run.block.size, "--steps": cell.get("steps"), "--batch-size": cell.get("batch_size")}
    return [shown(word) for option, value in plain.items() if value for word in (option, value)]
