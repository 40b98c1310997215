"""One sweep's folder: finished cells, failures, claims and the settings of every sweep that wrote into it.

results/<name>/
    sweeps/<id>.json     what was asked for, one file per distinct command, numbered in the order they were run
    cells/<id>.npz       one finished trajectory each, written by rename
    failures/<id>.json   traceback of the last attempt; removed when the cell succeeds
    claims/<id>.json     heartbeats of cells in work
    partials/<id>.pt     last saved step of a cell in work; removed when the cell is finished
    study/raw/<id>.json  numbers that a study measured on the models behind a cell
    slurm/<id>.json      what was submitted to a cluster; slurm/<id>/ holds the logs
    tables/ figures/ *.parquet   what the report writes
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, TypeGuard

from ttt_bench.errors import UserError
from ttt_bench.files import clock_of, read_object, remove_leftovers, write_json
from ttt_bench.names import shown
from ttt_bench.store.claims import ClaimState, read_claim
from ttt_bench.store.failures import KINDS, Failure, Kind
from ttt_bench.store.trajectory import Trajectory

State = Literal["done", "failed", "running", "stale", "missing"]


class SweepFolder:
    """Reads and writes one sweep's folder. Safe under any number of concurrent writers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.warnings: list[str] = []
        """Files that could not be read and were passed over, one line each."""

    def cell_path(self, cell_id: str) -> Path:
        """Where the trajectory of a cell lies."""
        return self.path / "cells" / f"{cell_id}.npz"

    def save(self, trajectory: Trajectory) -> None:
        """Store a finished trajectory and forget earlier failures and saved progress of it."""
        trajectory.save(self.cell_path(trajectory.cell_id))
        self.partial_path(trajectory.cell_id).unlink(missing_ok=True)
        self.forgive(trajectory.cell_id)

    def partial_path(self, cell_id: str) -> Path:
        """Where a cell in work saves its progress."""
        return self.path / "partials" / f"{cell_id}.pt"

    def measurement_path(self, id: str) -> Path:
        """Where the numbers of a study's measurement lie."""
        return self.path / "study" / "raw" / f"{id}.json"

    def forgive(self, id: str) -> None:
        """Forget earlier failures of a cell or of a training it needs."""
        self._failure_path(id).unlink(missing_ok=True)

    def fail(self, cell_id: str, label: str, traceback: str, kind: Kind = "error") -> Failure:
        """Record a failed attempt, one more than the last."""
        earlier = self.failure(cell_id)
        attempt = earlier.attempt + 1 if earlier else 1
        lines = [line for line in traceback.strip().splitlines() if line.strip()]
        counts = dict(earlier.counts) if earlier else {}
        counts[kind] = counts.get(kind, 0) + 1
        failure = Failure(cell_id, label, lines[-1] if lines else "unknown", traceback, attempt, kind, counts)
        content = {key: value for key, value in vars(failure).items() if key != "cell_id"}
        write_json(self._failure_path(cell_id), {**content, "time": time.time()})
        return failure

    def failure(self, cell_id: str) -> Failure | None:
        """The last failure of a cell, or None; of a damaged record only that there was one."""
        path = self._failure_path(cell_id)
        if not path.exists():
            return None
        try:
            content = read_object(path)
        except UserError as error:
            self.warn(error)
            content = {}
        kind: Kind = next((kind for kind in KINDS if kind == content.get("kind")), "error")
        counts = content.get("counts")
        counted = {k: v for k, v in counts.items() if _whole(v)} if isinstance(counts, dict) else {}
        attempt = content.get("attempt")
        return Failure(
            cell_id, _text(content, "label"), _text(content, "error") or f"{path} is damaged",
            _text(content, "traceback"), attempt if _whole(attempt) else 1, kind, counted,
        )  # fmt: skip

    def warn(self, error: UserError) -> None:
        """Keep a problem with a file, for whoever shows ``warnings``."""
        line = shown(f"{error.message} {error.hint}".strip())
        if line not in self.warnings:
            self.warnings.append(line)

    def tidy(self) -> list[Path]:
        """Remove temporary files that killed writers left; those removed."""
        try:
            below = [path for path in self.path.iterdir() if path.is_dir()]
        except OSError:
            return []
        return remove_leftovers([self.path, *below])

    def claims(self) -> dict[str, ClaimState]:
        """All claims, alive or stale, by cell."""
        folder = self.path / "claims"
        paths = list(folder.glob("[!.]*.json"))
        now = clock_of(folder) if paths else 0.0
        found = (read_claim(path, now) for path in paths)
        return {state.id: state for state in found if state is not None}

    def done(self) -> set[str]:
        """Identities of all finished cells, from one listing of the folder."""
        return {path.stem for path in (self.path / "cells").glob("[!.]*.npz")}

    def failed(self) -> set[str]:
        """Identities of all failed cells."""
        return {path.stem for path in (self.path / "failures").glob("[!.]*.json")}

    def states(self, cell_ids: Iterable[str]) -> dict[str, State]:
        """The state of each cell, from three listings."""
        done, failed, claims = self.done(), self.failed(), self.claims()
        states: dict[str, State] = {}
        for cell_id in cell_ids:
            if cell_id in done:
                states[cell_id] = "done"
            elif cell_id in claims:
                states[cell_id] = "running" if claims[cell_id].alive else "stale"
            else:
                states[cell_id] = "failed" if cell_id in failed else "missing"
        return states

    def remember(self, sweep_id: str, settings: dict[str, Any]) -> None:
        """Keep the settings of a sweep, and by its number that it was the last one run: files lose their times."""
        known = self._requests()
        path = self.path / "sweeps" / f"{sweep_id}.json"
        numbers = {other: _sequence(content) for other, content in known}
        last = max(numbers.values(), default=0)
        same = any(other == path and content.get("cells") == settings.get("cells") for other, content in known)
        if same and numbers[path] == last > 0 and list(numbers.values()).count(last) == 1:
            return
        write_json(path, {**settings, "sequence": last + 1})

    def sweeps(self) -> list[dict[str, Any]]:
        """Settings of all sweeps that wrote here, the last one run last; unreadable ones are named in ``warnings``.

        Raises:
            UserError: the folder holds no sweep.
        """
        known = self._requests()
        if not known and not self.warnings:
            raise UserError(
                f"{self.path} holds no sweep.", "Run `python -m ttt_bench sweep --name ...` first, or check --out."
            )
        return [content for _, content in known]

    def _requests(self) -> list[tuple[Path, dict[str, Any]]]:
        found = []
        for path in sorted((self.path / "sweeps").glob("[!.]*.json")):
            try:
                content = read_object(path)
                _check_request(path, content)
            except UserError as error:
                self.warn(error)
            else:
                found.append((path, content))
        return sorted(found, key=lambda item: (_sequence(item[1]), item[0].name))

    def _failure_path(self, cell_id: str) -> Path:
        return self.path / "failures" / f"{cell_id}.json"


def _check_request(path: Path, content: dict[str, Any]) -> None:
    """See that the settings of a sweep have the form that readers rely on.

    Raises:
        UserError: they do not.
    """
    cells, metrics, accidents = (content.get(key) for key in ("cells", "metrics", "accidents"))
    sound = isinstance(cells, list) and all(
        isinstance(cell, dict)
        and all(isinstance(cell.get(key), str) for key in ("id", "label"))
        # An identity becomes the name of a file.
        and re.fullmatch(r"[\w+=-][\w.+=-]{0,120}", cell["id"])
        for cell in cells
    )
    sound &= metrics is None or (isinstance(metrics, list) and all(isinstance(each, str) for each in metrics))
    sound &= accidents is None or (
        isinstance(accidents, dict)
        and all(
            isinstance(on, dict) and all(isinstance(said, str) for said in on.values()) for on in accidents.values()
        )
    )
    if not sound:
        raise UserError(f"{path} is not the settings of a sweep.", "Delete it and run that sweep again.")


def _sequence(content: dict[str, Any]) -> int:
    number = content.get("sequence")
    return number if _whole(number) else 0


def _whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _text(content: dict[str, Any], key: str) -> str:
    value = content.get(key)
    return value if isinstance(value, str) else ""
