"""Figures drawn by several processes: the same files, whoever draws them and whoever dies."""

from __future__ import annotations

import os

from synthetic import plausible, save

from ttt_bench.report import score_folder, sharing
from ttt_bench.report.figures import draw_all, drawing


def groups(tmp_path):
    for pair in ("a->b", "a->c"):
        for method in ("base", "bn", "tent"):
            save(tmp_path, plausible(method, 0, pair))
    return score_folder(tmp_path).groups


def contents(paths):
    return {path.name: path.read_bytes() for path in paths}


def test_several_processes_draw_the_same_files_in_the_same_order(tmp_path):
    scored, told = groups(tmp_path), []
    alone = draw_all(scored, tmp_path / "alone", "cmd", None)
    shared = draw_all(scored, tmp_path / "shared", "cmd", lambda done, total, what: told.append((done, total)), 2)
    assert [path.name for path in alone] == [path.name for path in shared]
    assert contents(alone) == contents(shared)
    assert told == [(done, told[0][1]) for done in range(1, told[0][1] + 1)]
    assert told[0][1] >= drawing.WORTH_A_PROCESS, "too few for several processes: this tests nothing"


def test_what_a_dead_process_leaves_is_drawn_here(tmp_path, monkeypatch, caplog):
    scored = groups(tmp_path)
    alone = draw_all(scored, tmp_path / "alone", "cmd", None)
    monkeypatch.setattr(sharing, "_do_next", os.abort)
    shared = draw_all(scored, tmp_path / "shared", "cmd", None, 2)
    assert contents(alone) == contents(shared)
    assert "died" in caplog.text
