"""A real headless Chromium, and a page to open in it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # test folders are no packages

import synthetic
from opened_page import HOSTILE, Opened

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def browser():
    """Skips where there is no Chromium."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("no Chromium on this machine (Debian: apt install chromium)")
    from playwright.sync_api import sync_playwright

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", "/tmp")  # its socket's path may have 108 bytes
        playwright = sync_playwright().start()
        opened = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
    yield opened
    opened.close()
    playwright.stop()


@pytest.fixture(scope="session")
def page_file(tmp_path_factory):
    """Two pairs and two recipes; a method that overshoots, a hostile name, a collapse, pictures."""
    from ttt_bench.report.build import score_folder
    from ttt_bench.report.page.write import write_page

    folder = tmp_path_factory.mktemp("paged")
    cells = []
    for pair, recipe in (("a->b", "native"), ("a->b", "paper"), ("a->c", "native")):
        for method in ("base", "bn", "tent", "s4t", "odd"):
            for seed in range(2):
                pictures = synthetic.pictures(np.random.default_rng(seed), method, size=16) if pair == "a->b" else {}
                gone = 3 if method == "s4t" and seed == 1 else None
                options = (
                    {"name": HOSTILE} if method == "odd" and seed == 0 else {"name": "b"} if method == "odd" else {}
                )
                cells.append(
                    synthetic.plausible(
                        method, seed, pair, steps=9, batches=9, recipe=recipe, examples=pictures, collapsed=gone,
                        options=options,
                    )
                )  # fmt: skip
    (folder / "failures").mkdir()
    for number, cell in enumerate(cells):
        object.__setattr__(cell, "cell_id", f"cell{number:03d}")
    synthetic.save(folder, *cells)
    return write_page(score_folder(folder), folder / "index.html", "python -m ttt_bench report here")


@pytest.fixture(scope="session")
def many_file(tmp_path_factory):
    """Five kinds of corruption of one data set, and a stream of segments, one of a hostile name."""
    from ttt_bench.report.build import score_folder
    from ttt_bench.report.page.write import write_page

    folder = tmp_path_factory.mktemp("many")
    synthetic.save(folder, *synthetic.over_kinds(), *synthetic.drifting(HOSTILE))
    return write_page(score_folder(folder), folder / "index.html", "python -m ttt_bench report here")


@pytest.fixture(scope="session")
def severities_file(tmp_path_factory):
    """Two kinds of corruption at three severities."""
    from ttt_bench.report.build import score_folder
    from ttt_bench.report.page.write import write_page

    folder = tmp_path_factory.mktemp("severities")
    synthetic.save(folder, *synthetic.over_kinds(("fog", "snow"), severities=(1, 3, 5)))
    return write_page(score_folder(folder), folder / "index.html", "python -m ttt_bench report here")


@pytest.fixture
def opened(browser, page_file):
    with Opened(browser, page_file) as page:
        yield page
