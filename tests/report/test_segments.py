"""Scores per segment and forgetting, from runs whose values are known."""

import numpy as np
import pandas as pd
import pytest
from report.synthetic import save, trajectory

from ttt_bench.report import build_report
from ttt_bench.report.reduction import Pooling, window_starts
from ttt_bench.report.segments import segment_tables

SEGMENTS = [{"name": "rooms/fog", "batches": 2}, {"name": "rooms/dusk", "batches": 4}]
PAIR = "rooms/studio->rooms/fog>rooms/dusk"


def drifting(method, first, second, left, **keywords):
    """Depth RMSE ``first`` in the first segment and ``second`` in the other, at both steps; ``left`` on the source."""
    made = trajectory(
        method,
        {"depth": [1.0, 1.0]},
        pair=PAIR,
        batches=6,
        extra={"stream": "continual", "segments": SEGMENTS},
        **keywords,
    )
    n = made.statistics["depth/moments"][0, 0, 0]
    truth = made.statistics["depth/moments"][..., 4]
    for batches, rmse in ((slice(0, 2), first), (slice(2, 6), second)):
        made.statistics["depth/moments"][batches, :, 3] = truth[batches] + n * rmse**2
    made.summary["source_scores_after"] = {"depth/rmse": left}
    return made


@pytest.fixture
def report(tmp_path):
    save(
        tmp_path, drifting("base", 2.0, 1.0, 0.5), drifting("bn", 1.0, 1.0, 0.5), drifting("tent", 1.0, 0.5, 0.75),
    )  # fmt: skip
    return build_report(tmp_path, figures=False), tmp_path


def test_each_segment_is_scored_against_the_base_on_it_and_the_source_after_it(report):
    group = report[0].groups[0]
    tent = group.row("tent").runs[0].measures
    assert tent["segment/0/delta"] == pytest.approx(50.0)
    assert tent["segment/1/delta"] == pytest.approx(50.0)
    assert tent["segment/0/delta_bn"] == pytest.approx(0.0)
    assert tent["segment/1/delta_bn"] == pytest.approx(50.0)
    assert tent["forgetting"] == pytest.approx(50.0), "RMSE 0.5 became 0.75"
    assert group.row("base").runs[0].measures["forgetting"] == 0.0
    own, over = segment_tables(group)
    assert own.head == ("method", "n", "1 rooms/fog", "2 rooms/dusk", "forgetting (%) ↓")
    assert [entry.text for entry in own.rows[2]] == ["tent", "1", "+50.00", "+50.00", "+50.00"]
    assert [entry.text for entry in over.rows[2]] == ["tent", "1", "+0.00", "+50.00"]


def test_the_page_and_the_frame_tell_segments(report):
    _, folder = report
    assert "by segment of the stream" in (folder / "report.md").read_text()
    stream = pd.read_parquet(folder / "stream.parquet")
    by_batch = stream.drop_duplicates(["cell_id", "batch"]).sort_values("batch")
    assert by_batch[by_batch["method"] == "tent"]["segment"].tolist() == ["1 rooms/fog"] * 2 + ["2 rooms/dusk"] * 4
    assert set(stream["stream"]) == {"continual"}


def test_streams_never_share_a_table(tmp_path):
    values = {"depth": [1.0, 1.0]}
    cells = [trajectory(m, values) for m in ("base", "bn")]
    cells += [trajectory(m, values, extra={"stream": "correlated"}) for m in ("base", "bn")]
    save(tmp_path, *cells)
    groups = build_report(tmp_path, figures=False).groups
    assert [group.block.stream for group in groups] == ["correlated", "iid"]
    assert "stream correlated" in groups[0].block.title
    assert "stream" not in groups[1].block.title
    assert all(len(group.rows) == 2 for group in groups)
    assert segment_tables(groups[1]) == []


def test_windows_lie_within_segments():
    windows = window_starts(40, (16, 3, 21))
    assert windows.width == 3
    borders = Pooling(segments=(16, 3, 21)).spans
    for start in windows.starts:
        assert any(first <= start and start + windows.width <= end for first, end in borders)
    assert {0, 13, 16, 19, 37} <= set(windows.starts.tolist())
    assert np.array_equal(window_starts(40).starts, window_starts(40, (40,)).starts)


def test_segments_that_do_not_add_up_make_a_cell_unreadable(tmp_path):
    wrong = drifting("tent", 1.0, 1.0, 0.5)
    wrong.cell["segments"] = [{"name": "rooms/fog", "batches": 5}]
    save(tmp_path, drifting("base", 2.0, 1.0, 0.5), wrong)
    report = build_report(tmp_path, figures=False)
    assert len(report.warnings) == 1
    assert len(report.groups[0].rows) == 1
