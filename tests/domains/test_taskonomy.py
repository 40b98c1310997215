"""Taskonomy on a miniature tree: its views, scenes and layouts."""

import shutil

import pytest
from domains.real_layouts import copied
from domains.trees import make_taskonomy

from ttt_bench.domains.contract import SPLITS
from ttt_bench.domains.pixels.files import digest
from ttt_bench.domains.taskonomy.reader import Taskonomy
from ttt_bench.domains.taskonomy.scenes import CHECKSUMS, SCENES
from ttt_bench.errors import UserError


def test_views_come_in_the_order_of_their_numbers(made):
    stems = [view.stem for view in Taskonomy(made / "taskonomy", (32, 32))._views["test"]]
    assert stems == ["point_0_view_9", "point_0_view_10", "point_0_view_11", "point_1_view_9", "point_1_view_10"]


def test_other_layouts_of_taskonomy_are_found(made, tmp_path):
    tree = copied(made, tmp_path, "taskonomy")
    first = Taskonomy(tree, (32, 32)).fingerprint()
    data = tree / "taskonomy/data"
    assert Taskonomy(data, (32, 32)).fingerprint() == first
    for modality in ("rgb", "normal"):
        for scene in (data / modality / "taskonomy").iterdir():
            scene.rename(data / modality / scene.name)
        (data / modality / "taskonomy").rmdir()
    assert Taskonomy(data, (32, 32)).fingerprint() == first


def test_official_scenes_are_used_without_a_table_and_must_be_complete(made, tmp_path):
    assert [len(SCENES[split]) for split in SPLITS] == [25, 5, 5]
    assert len({scene for scenes in SCENES.values() for scene in scenes}) == 35
    assert {split: digest(SCENES[split])[:16] for split in SPLITS} == CHECKSUMS
    tree = copied(made, tmp_path, "taskonomy")
    shutil.rmtree(tree / "taskonomy/data/splits_taskonomy")
    with pytest.raises(UserError, match="scene allensville has no rgb files") as error:
        Taskonomy(tree, (32, 32))
    assert "official tiny split" in error.value.hint
    make_taskonomy(tmp_path / "full", scenes=SCENES, views=1, size=(16, 16))
    with_table = Taskonomy(tmp_path / "full", (32, 32))
    shutil.rmtree(tmp_path / "full/taskonomy/data/splits_taskonomy")
    without = Taskonomy(tmp_path / "full", (32, 32))
    assert without.fingerprint() == with_table.fingerprint()
    assert [without.length(split) for split in SPLITS] == [25, 5, 5]


@pytest.mark.parametrize(
    "table", ["id,train\nbeechwood,1\n", "id,train,val,test\nbeechwood,1,0,0\n", "id,train,val,test\na,1,1,1\n", "x"]
)
def test_refuses_a_broken_table_of_scenes(made, tmp_path, table):
    tree = copied(made, tmp_path, "taskonomy")
    path = tree / "taskonomy/data/splits_taskonomy/train_val_test_tiny.csv"
    path.write_text(table)
    with pytest.raises(UserError, match=r"train_val_test_tiny\.csv"):
        Taskonomy(tree, (32, 32))
