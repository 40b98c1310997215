"""A folder of damaged, foreign and hostile cells: each is named, none stops the others, nothing leaves the folder."""

import shutil
from pathlib import Path

from synthetic import save, trajectory

from ttt_bench.report import build_report

ROBUST = Path(__file__).parents[1] / "golden" / "robust"
SOUND = {"cell_newline_pair.npz", "cell_traversal_training.npz"}


def test_hostile_cells_are_named_and_stay_in_the_folder(tmp_path):
    folder = tmp_path / "out" / "sweep"
    values = {"semseg": [0.4, 0.5], "depth": [1.0, 0.9]}
    save(folder, trajectory("base", values), trajectory("tent", values))
    bad = sorted(ROBUST.glob("cell_*.npz"))
    for path in bad:
        shutil.copy(path, folder / "cells")
    (folder / "sweeps").mkdir()
    shutil.copy(ROBUST / "sweeps_list.json", folder / "sweeps" / "list.json")
    made = build_report(folder, figures=False)
    said = "\n".join(made.warnings)
    for name in {path.name for path in bad} - SOUND | {"list.json"}:
        assert name in said
    assert {"base", "tent", "bn"} <= set(made.table["method"])
    assert all(folder in path.parents for path in made.paths)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["sweep"]
    for path in folder.glob("tables/*.tex"):
        assert not any(line.startswith("\\input") for line in path.read_text().splitlines())
    assert str(tmp_path) not in (folder / "report.md").read_text()


def test_a_second_file_of_a_cell_is_no_second_seed(tmp_path):
    values = {"semseg": [0.4, 0.5]}
    save(tmp_path, trajectory("base", values), trajectory("tent", values))
    shutil.copy(tmp_path / "cells" / "0001_tent.npz", tmp_path / "cells" / "0001_tent (1).npz")
    made = build_report(tmp_path, figures=False)
    assert made.table["n"].tolist() == [1, 1]
    assert "Delete one" in made.warnings[0]


def test_a_pair_of_many_corruptions_fits_into_the_names_of_files(tmp_path):
    pair = "rooms/studio->rooms/fog" + "+gaussian_noise:1" * 20
    save(tmp_path, trajectory("base", {"semseg": [0.4, 0.5]}, pair=pair))
    made = build_report(tmp_path, figures=True)
    assert max(len(path.name.encode()) for path in made.paths) <= 143


def test_variants_stand_in_numeric_order_and_commits_are_told(tmp_path):
    values = {"semseg": [0.4, 0.5]}
    cells = [trajectory("base", values)]
    cells += [
        trajectory("s4t", values, options={"loss_weight": weight}, provenance={"git_sha": f"sha{weight}"})
        for weight in (1000, 200, 0.01)
    ]
    save(tmp_path, *cells)
    [group] = build_report(tmp_path, figures=False).groups
    weights = ("0.01", "200", "1000")
    assert [row.label for row in group.rows[1:]] == [f"s4t(loss_weight={weight})" for weight in weights]
    assert [row.short for row in group.rows[1:]] == [f"s4t({weight})" for weight in weights]
    assert any("4 versions of the code" in note for note in group.notes)
