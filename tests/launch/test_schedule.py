"""From a plan to job arrays: order, dependencies, chunks, shares, bundles. No Slurm, no torch."""

import subprocess
import sys
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttt_bench.launch.slurm.schedule import MOST_GROUPS, STAGES, Limits, schedule, select, share, without_idle
from ttt_bench.plan.work import Adapt, Decode, Fit, Train


def seconds(_work):
    return 10.0


def work(id, kind="cell", *needs):
    make = {
        "data": partial(Decode, data=None), "train": partial(Train, source=None),
        "fit": partial(Fit, source=None, branches=()), "cell": partial(Adapt, cell=None),
    }[kind]  # fmt: skip
    return make(id, f"{kind} {id}", frozenset(needs))


def plan(sources=2, cells=5, fits=True):
    """Sources with data, training and fit each; cells that need their source's, and one target's data."""
    works = [work("target", "data")]
    for s in range(sources):
        works += [work(f"d{s}", "data"), work(f"t{s}", "train", f"d{s}")]
    if fits:
        works += [work(f"f{s}", "fit", f"t{s}", f"d{s}") for s in range(sources)]
    for s in range(sources):
        extra = [f"f{s}"] if fits else []
        works += [work(f"c{s}.{i}", "cell", "target", f"t{s}", *extra) for i in range(cells)]
    return works


def ids(task):
    return [w.id for w in task.works]


def test_stages_follow_each_other_and_data_rides_with_its_training():
    arrays = schedule(plan(), seconds, Limits(task_seconds=0)).arrays
    assert [a.stage for a in arrays] == ["train", "fit", "fit", "adapt", "adapt"]
    assert [ids(t) for t in arrays[0].tasks] == [["d0", "t0"], ["d1", "t1"], ["target"]]
    assert [ids(t) for t in arrays[1].tasks] == [["f0"]]


def test_cells_wait_for_just_the_tasks_they_need():
    arrays = schedule(plan(), seconds, Limits(task_seconds=0)).arrays
    first, second = arrays[3:]
    assert [w.id for t in first.tasks for w in t.works] == [f"c0.{i}" for i in range(5)]
    assert first.after == ((0, 0), (0, 2), (1, None))
    assert second.after == ((0, 1), (0, 2), (2, None))


def test_cells_whose_training_is_there_wait_for_nothing():
    works = [w for w in plan() if w.id not in ("d0", "t0", "f0", "target")]
    arrays = schedule(works, seconds, Limits(task_seconds=0)).arrays
    free = next(a for a in arrays if ids(a.tasks[0]) == ["c0.0"])
    assert free.after == ()
    assert free.after_jobs == ()


def test_what_an_earlier_submission_does_is_waited_for_by_job():
    queued = {"t0": "77_0", "f0": "78"}
    works = [w for w in plan() if w.id not in ("d0", "t0", "f0", "target")]
    arrays = schedule(works, seconds, Limits(task_seconds=0), queued).arrays
    assert next(a for a in arrays if ids(a.tasks[0]) == ["c0.0"]).after_jobs == ("77_0", "78")


def test_arrays_are_no_larger_than_the_site_allows():
    arrays = schedule(plan(1, 25), seconds, Limits(array_size=10, task_seconds=0)).arrays
    assert [len(a.tasks) for a in arrays if a.stage == "adapt"] == [10, 10, 5]
    done = [w.id for a in arrays if a.stage == "adapt" for t in a.tasks for w in t.works]
    assert done == [f"c0.{i}" for i in range(25)]


def test_the_throttle_is_shared_among_chunks():
    arrays = schedule(plan(1, 25), seconds, Limits(array_size=10, parallelism=10, task_seconds=0)).arrays
    assert [a.parallelism for a in arrays if a.stage == "adapt"] == [4, 4, 2]


@settings(deadline=None)  # the machine may be busy
@given(st.integers(1, 60), st.lists(st.integers(1, 500), max_size=30))
def test_shares_add_up(total, sizes):
    shares = share(total, sizes)
    assert len(shares) == len(sizes)
    assert all(1 <= part <= size for part, size in zip(shares, sizes, strict=True))
    assert sum(shares) == max(len(sizes), min(total, sum(sizes)))


def test_short_cells_share_tasks_but_never_leave_slots_empty():
    few = schedule(plan(1, 100, False), seconds, Limits(parallelism=4, task_seconds=60)).arrays[-1]
    assert {len(t.works) for t in few.tasks[:-1]} == {6}
    many = schedule(plan(1, 20, False), seconds, Limits(parallelism=10, task_seconds=600)).arrays[-1]
    assert len(many.tasks) == 10, "two cells each on ten slots, not all on one"


def test_a_long_cell_is_alone():
    costs = {f"c0.{i}": 1000.0 if i == 2 else 1.0 for i in range(5)}
    limits = Limits(parallelism=1, task_seconds=100)
    array = schedule(plan(1, 5, False), lambda w: costs.get(w.id, 1.0), limits).arrays[-1]
    assert [ids(t) for t in array.tasks] == [["c0.0", "c0.1"], ["c0.2"], ["c0.3", "c0.4"]]


def test_many_trainings_do_not_make_many_arrays():
    arrays = schedule(plan(100, 3), seconds, Limits(parallelism=1000, task_seconds=0)).arrays
    cells = [a for a in arrays if a.stage == "adapt"]
    assert len(cells) <= MOST_GROUPS
    assert sum(len(a.tasks) for a in cells) == 300


@settings(deadline=None)
@given(
    st.integers(1, 30), st.integers(0, 8), st.booleans(), st.integers(1, 12), st.integers(1, 9), st.floats(0, 100),
    st.sets(st.integers(0, 300)),
)  # fmt: skip
def test_nothing_is_lost_doubled_or_early(sources, cells, fits, size, parallelism, length, gone):
    works = [w for i, w in enumerate(plan(sources, cells, fits)) if i not in gone]
    arrays = schedule(works, seconds, Limits(size, parallelism, length)).arrays
    planned = [w for a in arrays for t in a.tasks for w in t.works]
    assert sorted(w.id for w in planned) == sorted(w.id for w in works)
    assert all(1 <= len(a.tasks) <= size for a in arrays)
    assert [STAGES.index(a.stage) for a in arrays] == sorted(STAGES.index(a.stage) for a in arrays)
    place = {w.id: (n, i) for n, a in enumerate(arrays) for i, t in enumerate(a.tasks) for w in t.works}
    for number, array in enumerate(arrays):
        waited = {(n, i) for n, t in array.after for i in ([t] if t is not None else range(len(arrays[n].tasks)))}
        assert all(n < number for n, _ in waited)
        for index, task in enumerate(array.tasks):
            for i, each in enumerate(task.works):
                before = {w.id for w in task.works[:i]}
                for need in each.needs & place.keys():
                    # Data may be decoded by a neighbour at the same time: whoever needs it first decodes it.
                    data = need.startswith("d") and place[need][0] == number
                    assert need in before or place[need] in waited or data, (each.id, need, index)


def test_selection_tells_every_fate():
    works = plan(2, 2)
    chosen = select(works, done={"target", "d1", "t1", "f1", "c1.0"}, given_up={"t0"}, queued={"c1.1": "5_0"})
    assert chosen.open == []
    assert (chosen.done, chosen.queued) == (1, 1)
    assert [w.id for w in chosen.failed] == ["t0"]
    assert [w.id for w in chosen.blocked] == ["f0", "c0.0", "c0.1"]


def test_trainings_that_no_open_cell_needs_are_not_submitted():
    works = [w for w in plan(2, 2) if not w.id.startswith("c1")]
    assert [w.id for w in without_idle(works)] == ["target", "d0", "t0", "f0", "c0.0", "c0.1"]


def test_planning_never_loads_torch():
    script = "import sys, ttt_bench.launch.slurm.submit, ttt_bench.launch.status; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize("parallelism", [1, 3, 16])
def test_no_stage_runs_more_at_once_than_the_profile_allows(parallelism):
    arrays = schedule(plan(3, 40), seconds, Limits(array_size=25, parallelism=parallelism, task_seconds=0)).arrays
    for stage in STAGES:
        shares = [a.parallelism for a in arrays if a.stage == stage]
        assert sum(shares) <= max(parallelism, len(shares))
