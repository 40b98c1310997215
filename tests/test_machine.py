"""How this process takes memory from the system."""

import subprocess
import sys

import pytest

from ttt_bench.machine import resident_peak

KEPT = """
from ttt_bench.machine import reuse_freed_memory
import resource, torch
assert reuse_freed_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(16 * 2**20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(min(faults() for _ in range(10)))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's settings exist on Linux only")
def test_freed_memory_is_used_again_without_new_pages():
    done = subprocess.run([sys.executable, "-c", KEPT], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1000, "64 MiB of fresh pages would be 16384 faults"


def test_resident_peak_counts_this_process():
    before = resident_peak()
    block = bytearray(b"x" * (64 << 20))
    assert resident_peak() >= before
    assert resident_peak() >= len(block)
