"""The kinds of malformed input. Each makes one in an empty place and names the command that meets it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from damage import WORDS, json_text, spoil_bytes, spoil_file, spoil_json, strange_node, toml_value
from drawn import DATA

if TYPE_CHECKING:
    from inputs import Attempt

TINY = [
    "--pairs", "rooms/studio->rooms/fog", "--methods", "tent", "--size", "32x32", "--steps", "1", "--batches", "1",
    "--batch-size", "4", "--train-iterations", "4", "--train-samples", "8", "--fit-iterations", "2", "--seeds", "1",
    "--name", "s",
]  # fmt: skip


@dataclass(frozen=True)
class Ground:
    """What all attempts start from."""

    results: Path
    """A finished tiny sweep ``s`` with its cache."""
    trees: Path
    """Data sets of this project's own drawing, by name."""
    canary: Path
    """A file that only executed data would make."""
    options: tuple[str, ...]
    """Options of ``plan`` that take a value."""


def prepare(folder: Path) -> Ground:
    """Make the ground once, and import what the commands import."""
    from drawn import make_trees
    from typer.main import get_command

    from ttt_bench.cli.app import app

    folder.mkdir(parents=True)
    results = folder / "results"
    subprocess.run(
        [sys.executable, "-m", "ttt_bench", "sweep", *TINY, "--out", str(results)],
        check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    make_trees(folder / "trees")
    _warm(results, folder / "trees/frames")
    plan = get_command(app).commands["plan"]  # type: ignore[attr-defined]
    named = {p.opts[0] for p in plan.params if p.opts[0].startswith("--") and not getattr(p, "is_flag", False)}
    options = tuple(sorted(named - {"--out", "--cache", "--help"}))
    return Ground(results, folder / "trees", folder / "executed", options)


def _warm(results: Path, tree: Path) -> None:
    """Run what the attempts run once in this process, on sound input: its forks then import nothing anew."""
    from ttt_bench.cli import main

    data = ["--pairs", "nyudv2->nyudv2+fog:1", "--size", "32x32", "--data", f"nyudv2={tree}"]
    for command in (
        ["plan"], ["plan", *data], ["data", "check", str(tree)], ["status", "s", "-v", "--out", str(results)],
        ["report", "s", "--no-figures", "--out", str(results)], ["cancel", "s", "--out", str(results)],
        ["sweep", *TINY, "--out", str(results), "--no-figures", "--jobs", "1"],
    ):  # fmt: skip
        sys.argv = ["ttt_bench", *command]
        quiet = io.StringIO()
        with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet), contextlib.suppress(SystemExit):
            main()
    import torch

    torch.set_num_threads(1)  # a fork has none but its own thread


def _attempt(kind: str, dice: random.Random, *command: object, may_pass: bool = True, note: str = "") -> Attempt:
    from inputs import Attempt

    return Attempt(kind, 0, [str(part) for part in command], may_pass, note)


def option(ground: Ground, place: Path, dice: random.Random) -> Attempt:
    """One or two options of ``plan`` with values that nobody means."""
    given: list[str] = []
    for name in dice.sample(ground.options, dice.choice((1, 1, 2))):
        given.append(f"{name}={dice.choice(WORDS)}".replace("\x00", ""))
    return _attempt("option", dice, "plan", *given, "--out", place / "out", note=repr(given)[:200])


def method_text(ground: Ground, place: Path, dice: random.Random) -> Attempt:
    """A call of a method with spoilt options."""
    name = dice.choice(("tent", "s4t", "ttt", "clust3", "tipi", "base", "nosuch"))
    key = dice.choice(("lr", "momentum", "mask_ratio", "loss_weight", "optimizer", "nosuch", "heads", ""))
    text = f"{name}({key}={dice.choice(WORDS)})"
    return _attempt("method_text", dice, "plan", f"--methods={text}", note=text[:200])


def profile(ground: Ground, place: Path, dice: random.Random) -> Attempt:
    """A cluster profile with spoilt values."""
    keys = (
        "partition", "account", "qos", "gpus", "cpus", "memory", "walltime", "constraint", "exclude", "setup", "python",
        "container", "array_parallelism", "task_minutes", "seconds_per_update", "signal_seconds", "max_timeouts", "nosuch",
    )  # fmt: skip
    lines = [f"{key} = {toml_value(dice)}" for key in dice.sample(keys, dice.choice((1, 1, 2)))]
    if dice.random() < 0.2:
        lines += ["[sbatch]", f"mail-type = {toml_value(dice)}"]
    data = "\n".join(lines).encode()
    file = place / "profile.toml"
    file.write_bytes(spoil_bytes(data, dice) if dice.random() < 0.15 else data)
    return _attempt("profile", dice, "plan", "--executor", "slurm", "--profile", file, note=repr(lines)[:200])


METHOD = '''"""A method."""
from dataclasses import dataclass
from ttt_bench.method.contract import Card, Method, OptimizerSpec, norm_affine

@dataclass(frozen=True)
class Mine(Method):
    """Mine."""
    name = "mine"
    card = Card(title="Mine", paper="none", venue="", equation="x", updates="BN affine")
    bn = "track"
    native = OptimizerSpec("sgd", lr=1e-3)
    weight: float = 1.0

    def updated(self, model):
        return norm_affine(model.network)

    def loss(self, model, images, rng):
        return self.weight * images.sum()
'''


def method_file(ground: Ground, place: Path, dice: random.Random) -> Attempt:
    """A method's file with a spoilt declaration, or spoilt bytes; planning must not run it."""
    text = METHOD
    swaps = (
        ('"mine"', dice.choice(('""', "5", "b'x'", '"a b"', '"../x"', '"[red]"', "f()", "None", '"tent"'))),
        ('bn = "track"', f"bn = {dice.choice(('1', 'None', repr('sometimes'), 'f()', '[]'))}"),
        ("lr=1e-3", dice.choice(("lr='x'", "lr=-1", "rate=1", "lr=1e999", "lr=f()", ""))),
        ('title="Mine", ', dice.choice(("", "title=5, ", 'title="[/x]", ', "nosuch=1, ", "title=f(), "))),
        ("weight: float = 1.0", dice.choice((
            "weight: float = b'x'", "weight: float = None", "weight: float = f()", "weight: float = 1e999",
            "weight: float = [1]", "weight = 1.0", "weight: float", "aux_mode = 'x'", "source_options = ('nosuch',)",
        ))),
        ("    def updated", dice.choice(("\tdef updated", "def updated", "    def def"))),
    )  # fmt: skip
    for old, new in dice.sample(swaps, dice.choice((1, 1, 2))):
        text = text.replace(old, new, 1)
    text += f"\nopen({str(ground.canary)!r}, 'w')\n"
    file = place / "mine.py"
    data = text.encode()
    file.write_bytes(spoil_bytes(data, dice) if dice.random() < 0.2 else data)
    return _attempt("method_file", dice, "plan", "--method", file, "--methods", "bn")


REPORT = ("report", "s", "--no-figures")


def _copied(ground: Ground, place: Path) -> Path:
    shutil.copytree(ground.results, place / "results", ignore=shutil.ignore_patterns("cache"))
    return place / "results"


def cell(ground: Ground, place: Path, dice: random.Random) -> Attempt:
    """One of two finished cells damaged: bytes, header or arrays."""
    results = _copied(ground, place)
    file = dice.choice(sorted(results.glob("s/cells/*.npz")))
    way = dice.randrange(3)
    if way == 0:
        file.write_bytes(spoil_bytes(file.read_bytes(), dice))
    else:
        with np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        if way == 1:
            header = json.loads(arrays["header"].tobytes())
            text = json_text(spoil_json(header, dice), dice).encode("utf-8", "surrogatepass")
            arrays["header"] = np.frombuffer(text, np.uint8)
        else:
            name = dice.choice(sorted(arrays))
            arrays[name] = dice.choice((
                arrays[name][:0], arrays[name][None], arrays[name].astype("U8"), np.array(1.5), arrays[name].T,
                np.full(arrays[name].shape, np.nan), np.array([b"x"]), arrays[name].astype(np.complex64),
            ))  # fmt: skip
        _save(file, arrays)
    command = dice.choice((REPORT, ("status", "s", "-v"), REPORT))
    return _attempt("cell", dice, *command, "--out", results, note=f"way {way}, {file.name}")


def _save(file: Path, arrays: dict[str, np.ndarray]) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    file.write_bytes(buffer.getvalue())


def stored_json(ground: Ground, place: Path, dice: random.Random) -> Attempt:
    """A JSON file of the sweep's folder spoilt, or a foreign one beside the others."""
    results = _copied(ground, place)
    file = dice.choice(sorted(results.glob("s/**/*.json")))
    text = json_text(spoil_json(json.loads(file.read_text()), dice), dice)
    target = dice.choice((file, file.with_name("foreign.json"), results / "s/claims/0123456789abcdef.json"))
    for folder in ("claims", "failures", "slurm"):
        if dice.random() < 0.3:
            target = results / "s" / folder / f"{dice.choice(('0123456789abcdef', 'x y', 'a'))}.json"
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(text.encode("utf-8", "surrogatepass"))
    command = dice.choice((("status", "s", "-v"), REPORT, ("cancel", "s"), ("status", "s")))
    return _attempt("stored_json", dice, *command, "--out", results, note=str(target.relative_to(results)))


def data_file(ground: Ground, place: Path, dice: random.Random) -> Attempt:
    """A data set with one file that is damaged, of another kind, a link, or a pipe."""
    name = dice.choice(sorted(DATA))
    shutil.copytree(ground.trees / name, place / "tree")
    file = dice.choice(sorted(p for p in (place / "tree").rglob("*") if p.is_file()))
    note = f"{name}, {spoil_file(file, dice, ground.canary)}: {file.relative_to(place / 'tree')}"
    domain, pair = DATA[name]
    check = ("data", "check", place / "tree")
    plan = ("plan", "--pairs", pair, "--size", "32x32", "--methods", "bn", "--data", f"{domain}={place / 'tree'}")
    return _attempt("data_file", dice, *dice.choice((check, plan)), note=note)


def node(ground: Ground, place: Path, dice: random.Random) -> Attempt:
    """A file of the results that is a pipe, a folder, a link to nowhere or to itself, or that is not there."""
    results = _copied(ground, place)
    file = dice.choice(sorted(p for p in results.glob("s/**/*") if p.is_file()))
    note = f"{strange_node(file, dice)}: {file.relative_to(results)}"
    plan = ("plan", *TINY)
    command = dice.choice((("status", "s", "-v"), REPORT, ("cancel", "s"), plan))
    return _attempt("node", dice, *command, "--out", results, note=note)


def user_file(ground: Ground, place: Path, dice: random.Random) -> Attempt:
    """A file that the user names is damaged, of another kind, a pipe, a folder or a link to nowhere."""
    file = place / "given"
    option, text = dice.choice((
        ("--method", METHOD), ("--domain", METHOD), ("--task", METHOD), ("--network", METHOD), ("--skip-bad", "a\nb\n"),
        ("--weights", "PK\x03\x04"), ("--profile", "cpus = 2\n"),
    ))  # fmt: skip
    if option in ("--method", "--domain", "--task", "--network"):
        file = file.with_suffix(".py")
    file.write_bytes(text.encode())
    note = f"{option} {spoil_file(file, dice, ground.canary)}"
    more = ["--executor", "slurm"] if option == "--profile" else []
    return _attempt("user_file", dice, "plan", "--methods", "bn", option, file, *more, note=note)


def checkpoint(ground: Ground, place: Path, dice: random.Random) -> Attempt:
    """A checkpoint or decoded array damaged: noticed, set aside, made again by the same command."""
    shutil.copytree(ground.results, place / "results")
    shutil.rmtree(place / "results/s/cells")
    files = [p for p in (place / "results/cache").rglob("*") if p.is_file() and p.stat().st_size > 1000]
    file = dice.choice(sorted(files))
    file.chmod(0o644)
    file.write_bytes(spoil_bytes(file.read_bytes(), dice))
    return _attempt(
        "checkpoint", dice, "sweep", *TINY, "--out", place / "results", "--no-figures", "--jobs", "1",
        note=str(file.relative_to(place / "results")),
    )  # fmt: skip


KINDS: dict[str, Callable[[Ground, Path, random.Random], Attempt]] = {
    "option": option, "method_text": method_text, "profile": profile, "method_file": method_file, "cell": cell,
    "stored_json": stored_json, "node": node, "data_file": data_file, "user_file": user_file, "checkpoint": checkpoint,
}  # fmt: skip
"""All kinds, met in turn."""
RARE = {"checkpoint": 10}
"""What trains is met in one turn of so many."""
