"""Random kills and malformed inputs, seeded and bounded: ``python tests/campaign --kills 20 --inputs 500``.

Prints a line for everything that is not as it must be and a summary; exit 1 if there was any.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[up] / sub) for up, sub in ((0, ""), (1, ""), (1, "domains"))]

from inputs import run_inputs  # noqa: E402 - a folder that is run has only itself on its path
from kills import run_kills  # noqa: E402


def _kills_in_a_process_of_their_own(arguments: argparse.Namespace) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "--inputs=0", f"--kills={arguments.kills}", f"--seed={arguments.seed}"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def main() -> int:
    """Both campaigns in a temporary folder; the number of faults decides the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="random SIGKILLs over sweeps of one and of two workers")
    parser.add_argument("--inputs", type=int, default=500, help="malformed inputs over all kinds")
    parser.add_argument("--seed", type=int, default=0, help="of everything random")
    parser.add_argument("--only", default="", help="one kind of input (for finding a fault)")
    arguments = parser.parse_args()
    # Beside each other: a kill waits most of the time, and there are two processors.
    beside = _kills_in_a_process_of_their_own(arguments) if arguments.kills and arguments.inputs else None
    with tempfile.TemporaryDirectory(prefix="campaign") as folder:
        faults = run_inputs(Path(folder) / "inputs", arguments.inputs, arguments.seed, arguments.only)
        if arguments.kills and beside is None:
            faults += run_kills(Path(folder) / "kills", arguments.kills, arguments.seed)
    if beside is not None:
        text, _ = beside.communicate()
        print(text, end="")
        faults += [f"kills: exit {beside.returncode}"] * (beside.returncode != 0)
    for fault in faults:
        print("FAULT", fault)
    print(f"{len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
