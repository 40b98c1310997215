"""One sweep's folder: finished cells, failures, claims and the settings of every sweep that wrote into it.

results/<name>/
    sweeps/<id>.json     what was asked for, one file per distinct command
    cells/<id>.npz       one finished trajectory each, written by rename
    failures/<id>.json   traceback of the last attempt; removed when the cell succeeds
    claims/<id>.json     heartbeats of cells in work
    partials/<id>.pt     last saved step of a cell in work; removed when the cell is finished
    slurm/<id>.json      what was submitted to a cluster; slurm/<id>/ holds the logs
    tables/ figures/ *.parquet   what the report writes
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from ttt_bench.errors import UserError
from ttt_bench.files import read_json, write_json
from ttt_bench.store.claims import Claim, ClaimState, read_claim
from ttt_bench.store.failures import KINDS, Failure, Kind
from ttt_bench.store.trajectory import Trajectory

State = Literal["done", "failed", "running", "stale", "missing"]


class SweepFolder:
    """Reads and writes one sweep's folder. Safe under any number of concurrent writers."""

    def __init__(self, path: Path) -> None:
        self.path = path

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
        """The last failure of a cell, or None."""
        path = self._failure_path(cell_id)
        if not path.exists():
            return None
        content = read_json(path)
        kind: Kind = next((kind for kind in KINDS if kind == content.get("kind")), "error")
        return Failure(
            cell_id, content["label"], content["error"], content["traceback"], content["attempt"], kind,
            content.get("counts", {}),
        )  # fmt: skip

    def claim(self, cell_id: str, what: str) -> Claim:
        """A claim on a cell, not yet acquired."""
        return Claim(self.path / "claims" / f"{cell_id}.json", what)

    def claims(self) -> dict[str, ClaimState]:
        """All claims, alive or stale, by cell."""
        found = (read_claim(path) for path in (self.path / "claims").glob("[!.]*.json"))
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
        """Keep the settings of a sweep, once, and that it was the last one run."""
        path = self.path / "sweeps" / f"{sweep_id}.json"
        if path.exists():
            path.touch()
        else:
            write_json(path, settings)

    def sweeps(self) -> list[dict[str, Any]]:
        """Settings of all sweeps that wrote here, the last one run last.

        Raises:
            UserError: the folder holds no sweep.
        """
        paths = sorted((self.path / "sweeps").glob("[!.]*.json"), key=lambda p: p.stat().st_mtime)
        if not paths:
            raise UserError(
                f"{self.path} holds no sweep.", "Run `python -m ttt_bench sweep --name ...` first, or check --out."
            )
        return [read_json(path) for path in paths]

    def _failure_path(self, cell_id: str) -> Path:
        return self.path / "failures" / f"{cell_id}.json"
