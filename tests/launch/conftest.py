"""A fake Slurm on the PATH, and a profile for it."""

import os

import pytest

# Each fake notes how it was called and answers from a file that a test may write.
FAKES = {
    "sbatch": """
n=$(cat "$FAKE/next" 2>/dev/null || echo 100); echo $((n + 1)) > "$FAKE/next"
cp "$1" "$FAKE/script.$n.sh"; env > "$FAKE/env.$n"
[ -e "$FAKE/refuse" ] && { cat "$FAKE/refuse" >&2; exit 1; }
echo "Submitted batch job $n"
""",
    "srun": "exit 0",
    "scontrol": 'cat "$FAKE/config"',
    # Like the real one, it shows only what the shell's variables let it.
    "squeue": '[ -e "$FAKE/squeue" ] || exit 1; env | grep -q "^SQUEUE_" || cat "$FAKE/squeue"',
    "sacct": '[ -e "$FAKE/sacct" ] && cat "$FAKE/sacct" || exit 1',
    "scancel": 'echo "$@" > "$FAKE/cancelled"',
}


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A folder whose files are the fake Slurm's answers."""
    folder = tmp_path / "slurm"
    (folder / "bin").mkdir(parents=True)
    for name, body in FAKES.items():
        path = folder / "bin" / name
        path.write_text(f'#!/bin/sh\necho {name} "$@" >> "$FAKE/calls"\n{body.strip()}\n')
        path.chmod(0o755)
    (folder / "config").write_text("ClusterName = fake\nMaxArraySize            = 4\nMaxJobCount = 10000\n")
    (folder / "squeue").write_text("")
    monkeypatch.setenv("FAKE", str(folder))
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
    for name in [name for name in os.environ if name.startswith(("SLURM", "SBATCH", "SQUEUE"))]:
        monkeypatch.delenv(name, raising=False)
    return folder


PROFILE = """
partition = "gpu"
account = "lab"
qos = "normal"
gpus = 1
cpus = 8
memory = "64G"
walltime = "02:00:00"
constraint = "h100"
exclude = "node7"
setup = ["module load cuda", "source venv/bin/activate"]
array_parallelism = 6
task_minutes = 0.001
container = "apptainer exec --nv image.sif"
python = "python3"

[sbatch]
mail-type = "FAIL"
"""


@pytest.fixture
def profile(tmp_path):
    path = tmp_path / "gpu.toml"
    path.write_text(PROFILE)
    return path
