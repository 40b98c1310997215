"""The environment of every Slurm command: the user's own, without what an outer job or the shell would decide in it.

A sweep may be submitted from inside a job (salloc, ``srun --pty``, a notebook). Slurm's programs take options from
variables, sbatch hands all of them on, and srun on the node takes them for its own: the outer job's memory, cores and
time would be forced on every task, and ``SQUEUE_STATES`` in a shell hides waiting jobs from us.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

OPTIONS = re.compile(
    r"(SLURM|SLURMD|SBATCH|SRUN|SALLOC|SQUEUE|SACCT|SACCTMGR|SCONTROL|SCANCEL|SINFO|SSTAT|SPRIO|SSHARE|SREPORT|SATTACH"
    r"|SBCAST|SCRONTAB)_"
)
KEPT = frozenset(("SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_JWT"))
"""How Slurm is reached; these say nothing of any job."""
DEVICES = ("CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK")
"""Set by Slurm inside a job that has devices, and then that job's own."""


def slurm_environment() -> dict[str, str]:
    """The variables that any of Slurm's programs is started with."""
    outer = DEVICES if "SLURM_JOB_ID" in os.environ else ()
    return {
        name: value
        for name, value in os.environ.items()
        if name in KEPT or not (OPTIONS.match(name) or name in outer)
    }  # fmt: skip


@contextmanager
def as_slurm_sees_it() -> Iterator[None]:
    """``slurm_environment`` as this process's own, for a library that starts sbatch itself."""
    before = dict(os.environ)
    _become(slurm_environment())
    try:
        yield
    finally:
        _become(before)


def _become(variables: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(variables)
