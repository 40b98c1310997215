"""A folder of synthetic cells, and a report of it with every figure, made once."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # test folders are no packages

import synthetic


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """Two pairs, four methods, two seeds, with pictures: the whole report."""
    from ttt_bench.report import build_report

    folder = tmp_path_factory.mktemp("sweep")
    cells = []
    for pair, tasks in (
        ("taskonomy->nyudv2", ("semseg", "depth", "normal", "edge")),
        ("rooms/studio->rooms/fog:3", ("semseg", "normal")),
    ):
        for method in ("base", "bn", "tent", "mine_100%"):
            for seed in range(2):
                rng = np.random.default_rng(seed)
                pictures = synthetic.pictures(rng, method, size=16) if "depth" in tasks else {}
                gone = 3 if method == "tent" and seed == 1 else None
                cells.append(
                    synthetic.plausible(
                        method, seed, pair, steps=6, batches=9, tasks=tasks, collapsed=gone, examples=pictures
                    )
                )
    synthetic.save(folder, *cells)
    return build_report(folder, command="python -m ttt_bench report here")
