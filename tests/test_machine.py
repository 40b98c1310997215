"""Processors that a process may use: the least of what is set, never those of the whole node."""

import os
import subprocess
import sys

import pytest

from ttt_bench import machine
from ttt_bench.errors import UserError


@pytest.fixture
def node(monkeypatch, tmp_path):
    """A node of 64 processors without any limit."""
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    for name in ("OMP_NUM_THREADS", "SLURM_CPUS_PER_TASK"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_the_whole_node_without_limits(node):
    assert machine.usable_cpus(node) == 64


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "SLURM_CPUS_PER_TASK"])
@pytest.mark.parametrize(("value", "expected"), [("3", 3), ("1", 1), ("", 64), ("many", 64), ("0", 64), ("128", 64)])
def test_the_environment_limits(node, monkeypatch, name, value, expected):
    monkeypatch.setenv(name, value)
    assert machine.usable_cpus(node) == expected


def test_the_outermost_level_of_a_list_counts(node, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "4,2")
    assert machine.usable_cpus(node) == 4


def test_affinity_limits(node, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 7}, raising=False)
    assert machine.usable_cpus(node) == 2


@pytest.mark.parametrize(
    ("text", "expected"), [("200000 100000", 2), ("150000 100000", 1), ("max 100000", 64), ("50000 100000", 1)]
)
def test_a_quota_of_version_2(node, text, expected):
    (node / "cpu.max").write_text(text)
    assert machine.usable_cpus(node) == expected


@pytest.mark.parametrize(("quota", "expected"), [("300000", 3), ("-1", 64)])
def test_a_quota_of_version_1(node, monkeypatch, quota, expected):
    proc = node / "proc"
    proc.write_text("4:cpu,cpuacct:/job\n")
    group = node / "cpu,cpuacct" / "job"
    group.mkdir(parents=True)
    (group / "cpu.cfs_quota_us").write_text(quota)
    (group / "cpu.cfs_period_us").write_text("100000")
    monkeypatch.setattr(machine, "OWN_GROUPS", proc)
    assert machine.usable_cpus(node) == expected


def test_a_quota_further_up_counts_too(node, monkeypatch):
    proc = node / "proc"
    proc.write_text("0::/slice/job\n")
    (node / "slice/job").mkdir(parents=True)
    (node / "slice/job/cpu.max").write_text("800000 100000")
    (node / "slice/cpu.max").write_text("500000 100000")
    monkeypatch.setattr(machine, "OWN_GROUPS", proc)
    assert machine.usable_cpus(node) == 5


def test_more_threads_than_that_are_refused_with_the_reason(node, monkeypatch):
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "2")
    with pytest.raises(UserError, match=r"--threads 3: .* 2 processors \(SLURM_CPUS_PER_TASK\)"):
        machine.check_threads(3)
    machine.check_threads(2)


HOLES = """
import sys
from pathlib import Path
import numpy as np
from ttt_bench.machine import return_freed_memory, reuse_freed_memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

if not reuse_freed_memory():
    sys.exit("elsewhere")
blocks = [np.ones(2**20) for _ in range(40)]
above = np.ones(1000)  # ends the heap, so that nothing before it is given back by itself
blocks.clear()
kept = resident()
return_freed_memory()
print(kept - resident() > 30 * 2**23)
"""


def test_what_is_kept_for_reuse_is_handed_back_between_pieces_of_work():
    done = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, check=False)
    if "elsewhere" in done.stderr:
        pytest.skip("no glibc")
    assert done.stdout.split() == ["True"], done.stderr
