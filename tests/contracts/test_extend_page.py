"""The four files of docs/extend.md, copied out of the page into an empty folder, take part in one sweep."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from tiny_sweep import REPOSITORY, TINY

PAGE = (REPOSITORY / "docs/extend.md").read_text(encoding="utf-8")
KINDS = {"method": "mirror.py", "task": "brightness.py", "domain": "disks.py", "network": "slim.py"}


@pytest.fixture
def files(tmp_path):
    found = dict(re.findall(r'```python title="(\w+\.py)"\n(.*?)```', PAGE, flags=re.DOTALL))
    assert set(found) == set(KINDS.values())
    folder = tmp_path / "guests"
    folder.mkdir()
    for name, text in found.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [f"--{kind}={folder / name}" for kind, name in KINDS.items()]


def options(*instead):
    """The tiny sweep with ``instead`` in the place of its own values."""
    pairs = dict(zip(TINY[::2], TINY[1::2], strict=True)) | dict(zip(instead[::2], instead[1::2], strict=True))
    return [part for pair in pairs.items() for part in pair]


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_the_four_files_of_the_page_run_in_one_sweep(run, tmp_path, files, jobs):
    asked = options("--pairs", "disks/plain->disks/dark", "--methods", "tent,mirror,mirror(weight=0.1)")
    out = tmp_path / "results"
    code, text, errors = run("sweep", *asked, *files, "--no-figures", "--jobs", jobs, out=out)
    assert code == 0, text + errors
    table = pd.read_parquet(out / "main/trajectories.parquet")
    assert {"base", "bn", "tent", "mirror"} <= set(table.method)
    assert set(table.task) == {"semseg", "brightness"}
    assert table.groupby("method").value.count().min() > 0
    again = run("sweep", *asked, *files, "--no-figures", out=out)
    assert again[0] == 0
    assert "nothing is left to do" in run("plan", *asked, *files, out=out)[1]
