"""Peak memory of this process."""

from __future__ import annotations

import sys
from pathlib import Path


def resident_peak() -> int:
    """Peak resident bytes of this process since it started its program.

    On Linux ``ru_maxrss`` will not do: it survives exec, so that a small child shows its large parent's peak.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    peak = int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return peak if sys.platform == "darwin" else peak * 1024
