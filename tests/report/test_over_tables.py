"""What all tables of a report say together: each recipe for itself."""

from types import SimpleNamespace

import pytest

from ttt_bench.report.build import over_tables
from ttt_bench.report.runs import Block
from ttt_bench.statistics.resampling import Interval
from ttt_bench.statistics.verdict import Standing


def group(recipe, **gains):
    """One table in which each gain over ``bn`` is sure unless it is zero."""
    standings = [
        Standing(name, Interval(gain, gain - 1, gain + 1, 0.001, 3), 0.001 if gain else 1.0, None)
        for name, gain in gains.items()
    ]
    block = Block("online", recipe, "shared", "64x64")
    return SimpleNamespace(block=block, uncertainty=SimpleNamespace(standings=lambda: standings))


NATIVE = [group("native", tent=-2.0, ttt=0.0), group("native", tent=-1.0, ttt=0.0)]
TUNED = [group("tuned", tent=3.0, ttt=0.0), group("tuned", tent=0.0, ttt=0.0)]


def test_settings_that_are_never_ranked_together_speak_for_themselves():
    assert over_tables([*NATIVE, *TUNED]) == (
        "Native: over 2 tables: no method is above bn in any. Below: tent in 2 of 2. Never to be told from bn: ttt. "
        "Tuned: over 2 tables: above bn tent in 1 of 2. Never to be told from bn: ttt."
    )


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        (NATIVE, "Over 2 tables: no method is above bn in any. Below: tent in 2 of 2. Never to be told from bn: ttt."),
        (
            [NATIVE[0], TUNED[0]],
            "Over 2 tables: above bn tent in 1 of 2. Below: tent in 1 of 2. Never to be told from bn: ttt.",
        ),
        (NATIVE[:1], ""),
    ],
)
def test_one_kind_of_table_needs_no_name_and_one_table_speaks_for_itself(groups, said):
    assert over_tables(groups) == said
