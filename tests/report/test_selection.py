"""The four rules by hand."""

from __future__ import annotations

import numpy as np
import pytest

from ttt_bench.report.selection import SELECTIONS, label_free_step, select_columns


@pytest.mark.parametrize(
    ("loss", "step"),
    [
        ([1.0, 0.5, 0.3, 0.2999, 0.1], 2),  # 0.3 -> 0.2999 is less than 1 % of the first drop
        ([1.0, 0.5, 0.6, 0.1], 1),  # a rise stops it
        ([1.0, 1.0, 0.5], 0),  # the first update did nothing
        ([1.0, 1.2, 0.5], 0),
        ([1.0, 0.8, 0.6, 0.4], 4),  # never stops falling: all updates
        ([np.nan, np.nan, np.nan], None),
        ([1.0, np.nan, 0.5], None),
        ([1.0], None),
        ([], None),
    ],
)
def test_label_free_stop(loss, step):
    assert label_free_step(loss) == step


def test_columns_read_backwards_never_forwards():
    steps, loss = np.array([0.0, 2.0, 8.0, 20.0]), np.array([1.0, 0.5, 0.4, 0.39, 0.389, 0.389])
    delta = np.array([0.0, 3.0, 7.0, 5.0])
    got = select_columns(steps, loss, delta, fixed_step=10)
    assert got == {"last": 3, "fixed": 2, "label_free": 1, "best": 2}
    assert label_free_step(loss) == 3  # read at step 2, the last one evaluated before it


def test_best_takes_the_earliest_of_ties_and_needs_a_delta():
    steps, none = np.arange(3.0), np.array([])
    assert select_columns(steps, none, np.array([0.0, 5.0, 5.0 - 1e-12]), 1)["best"] == 1
    assert select_columns(steps, none, np.array([np.nan, 1.0, np.nan]), 1)["best"] == 1
    assert select_columns(steps, none, np.full(3, np.nan), 1)["best"] is None


def test_without_a_loss_the_label_free_rule_is_the_last_step():
    assert select_columns(np.arange(5.0), np.full(4, np.nan), np.zeros(5), 2)["label_free"] == 4


def test_only_the_oracle_is_an_oracle():
    assert [s.id for s in SELECTIONS] == ["last", "fixed", "label_free", "best"]
    assert [s.id for s in SELECTIONS if s.oracle] == ["best"]
