"""Image classification over kinds and severities of corruption: the table, the printed rows, the figure."""

import numpy as np
import pytest
from report.synthetic import save, trajectory

from ttt_bench.report.build import build_report
from ttt_bench.report.kinds import kind_tables, target_of
from ttt_bench.report.severities import over_severities

KINDS = ("gaussian_noise", "fog", "jpeg_compression")


def counts(share, batches=2, images=1000):
    """(batches, steps, C, 3) of which ``share`` is right."""
    steps = len(share)
    table = np.zeros((batches, steps, 4, 3))
    table[..., 0] = table[..., 2] = images
    table[..., 1] = images * np.asarray(share)[None, :, None]
    return table


def class_cell(method, pair, share, seed=0):
    return trajectory(
        method,
        {"semseg": share},
        pair=pair,
        seed=seed,
        statistics={"class/counts": counts(share)},
        extra={"tasks": ["class"], "target_fingerprint": pair},
    )


def drop(cell):
    del cell.statistics["semseg/confusion"]
    return cell


@pytest.fixture
def folder(tmp_path):
    cells = []
    for severity in (3, 5):
        for place, kind in enumerate(KINDS):
            pair = f"cifar10->cifar10+{kind}:{severity}"
            level = 0.9 - 0.1 * place - 0.05 * severity
            for seed in (0, 1):
                cells.append(drop(class_cell("base", pair, [level] * 3, seed)))
                cells.append(drop(class_cell("tent", pair, [level, level + 0.02, level + 0.05 + 0.01 * seed], seed)))
    save(tmp_path / "in", *cells)
    return tmp_path / "in"


def test_names_of_targets():
    assert target_of("cifar10->cifar10+fog:5") == target_of("cifar10->cifar10/fog-5")
    assert target_of("a->cifar10c/fog-5").clean == "cifar10c"
    assert target_of("a->folder/some-5") is None
    assert target_of("objects/studio->objects/fog") is None


def test_the_table_has_kinds_as_columns_means_errors_and_printed_rows(folder):
    report = build_report(folder, figures=False)
    three, five = kind_tables(report.groups)
    assert "severity 3" in three.title
    assert "severity 5" in five.title
    assert five.head == ("method", "gauss", "fog", "jpeg", "mean accuracy", "mean error")
    rows = {row[0].text: [entry.text for entry in row[1:]] for row in five.rows}
    assert rows["base"] == ["65.0", "55.0", "45.0", "55.0", "45.0"]
    assert rows["tent"] == ["70.5", "60.5", "50.5", "60.5", "39.5"]
    assert [row[-2].emphasis for row in five.rows[:2]] == ["", "bold"]
    assert rows["ClusT3 (ResNet-50, printed)"] == ["76.0", "85.1", "83.2", "81.5", "18.5"]
    assert all(entry.emphasis == "oracle" for entry in five.rows[-1])
    assert not [row for row in three.rows if "printed" in row[0].text]
    text = (folder / "report.md").read_text()
    assert "over 3 kinds of corruption" in text
    assert (folder / "tables" / "kinds.csv").read_text().count("tent,") == 3  # the third: over severities


def test_severities_are_drawn_where_there_are_several(folder):
    report = build_report(folder)
    assert [path.name for path in report.paths if path.name.startswith("severity_")]


@pytest.mark.parametrize(
    ("targets", "severities", "kinds"),
    [
        (("fog:1", "fog:2", "snow:5"), (1, 2), ("fog",)),
        (("fog:1", "fog:5", "snow:1", "snow:5", "frost:5"), (1, 5), ("fog", "snow")),
        (("fog:1", "snow:5"), None, None),
        (("fog:5", "snow:5"), None, None),
    ],
)
def test_severities_are_those_of_the_kind_that_has_the_most(tmp_path, targets, severities, kinds):
    cells = [drop(class_cell("base", f"cifar10->cifar10+{target}", [0.5, 0.5])) for target in targets]
    save(tmp_path / "in", *cells)
    found = over_severities(build_report(tmp_path / "in", figures=severities is not None).groups)
    assert [(each.severities, each.kinds) for each in found] == ([] if severities is None else [(severities, kinds)])


def test_dense_pairs_have_none(tmp_path):
    pairs = [f"rooms/studio->rooms/studio+{kind}:5" for kind in KINDS]
    save(tmp_path / "in", *(trajectory("base", {"semseg": [0.5, 0.5]}, pair=pair) for pair in pairs))
    report = build_report(tmp_path / "in", figures=False)
    assert kind_tables(report.groups) == []
    assert not (tmp_path / "in" / "tables" / "kinds.md").exists()
