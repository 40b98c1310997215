"""Readers of real data sets name the file that is cut short, missing or contradicts another."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from domains.real_layouts import FILES, KINDS, READERS, copied
from domains.trees import only
from PIL import Image

from ttt_bench.domains.catalogue import open_domain
from ttt_bench.domains.nyudv2.package import NYUDv2Package
from ttt_bench.domains.taskonomy.reader import Taskonomy
from ttt_bench.errors import UserError


@pytest.mark.parametrize(("layout", "kind"), KINDS)
def test_names_a_file_that_is_cut_short(made, tmp_path, layout, kind):
    tree = copied(made, tmp_path, layout)
    path = only(tree, FILES[layout][kind])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match="cannot be read") as error:
        READERS[layout](tree, (32, 32)).sample("test", 1)
    assert path.name in error.value.message
    assert error.value.hint


@pytest.mark.parametrize(("layout", "kind"), KINDS)
def test_names_a_file_that_is_missing(made, tmp_path, layout, kind):
    tree = copied(made, tmp_path, layout)
    path = only(tree, FILES[layout][kind])
    path.unlink()
    if layout == "taskonomy":
        domain = Taskonomy(tree, (32, 32))
        assert domain.length("test") == 4, "the view is left out and nothing shifts"
        whole = Taskonomy(made / layout, (32, 32))
        assert whole._views["test"][1].stem == "point_0_view_10"
        np.testing.assert_array_equal(domain.sample("test", 1).image, whole.sample("test", 2).image)
        assert domain.fingerprint() != whole.fingerprint()
        return
    with pytest.raises(UserError, match=r"do(es)? not exist") as error:
        READERS[layout](tree, (32, 32))
    assert path.stem in error.value.message
    assert "data check" in error.value.hint


@pytest.mark.parametrize(("layout", "kind"), [pair for pair in KINDS if pair[1] != "image"])
def test_names_a_label_of_another_size(made, tmp_path, layout, kind):
    tree = copied(made, tmp_path, layout)
    path = only(tree, FILES[layout][kind])
    other = only(tree, FILES[layout][kind].replace("13", "14")) if layout == "pascal" else None
    if other:
        shutil.copy(other, path)
    elif path.suffix == ".npy":
        np.save(path, np.load(path)[:-1])
    else:
        Image.open(path).crop((0, 0, 50, 40)).save(path)
    with pytest.raises(UserError, match=r"is \d+x\d+; its image is \d+x\d+") as error:
        READERS[layout](tree, (32, 32)).sample("test", 1)
    assert path.name in error.value.message


@pytest.mark.parametrize(
    ("layout", "value", "message"),
    [
        ("nyudv2-package", 41, "class id 41 is unknown"),
        ("pascal", 21, "class id 21 is unknown"),
        ("taskonomy", 18, "class id 18 is unknown"),
    ],
)
def test_names_a_file_with_an_unknown_class(made, tmp_path, layout, value, message):
    tree = copied(made, tmp_path, layout)
    path = only(tree, FILES[layout]["ids"])
    pixels = np.asarray(Image.open(path)).copy()
    pixels[-1, -1] = value
    Image.fromarray(pixels).save(path)
    with pytest.raises(UserError, match=message) as error:
        READERS[layout](tree, (32, 32)).sample("test", 1)
    assert path.name in error.value.message


def test_missing_modalities_are_errors(made, tmp_path):
    tree = copied(made, tmp_path, "taskonomy")
    shutil.rmtree(tree / "taskonomy/data/depth_zbuffer/taskonomy/ihlen")
    with pytest.raises(UserError, match="scene ihlen has no depth_zbuffer files"):
        Taskonomy(tree, (32, 32))
    shutil.rmtree(tree / "taskonomy/data/edge_occlusion")
    with pytest.raises(UserError, match="no folder edge_occlusion"):
        Taskonomy(tree, (32, 32))
    tree = Path(shutil.copytree(made / "nyudv2-package", tmp_path / "nyu"))
    shutil.rmtree(tree / "normals")
    with pytest.raises(UserError, match=r"normals cannot be listed"):
        NYUDv2Package(tree, (32, 32))


def test_two_files_for_one_name_are_refused(made, tmp_path):
    tree = copied(made, tmp_path, "nyudv2-package")
    shutil.copy(tree / "images/0003.png", tree / "images/0003.PNG")
    if len(list((tree / "images").glob("0003.*"))) == 1:
        pytest.skip("this file system does not tell upper from lower case")
    with pytest.raises(UserError, match="has both"):
        NYUDv2Package(tree, (32, 32))


def test_refuses_a_folder_that_is_something_else(tmp_path):
    for name in ("nyudv2", "pascal", "taskonomy"):
        with pytest.raises(UserError, match=f"does not look like {name}"):
            open_domain(name, (32, 32), {name: tmp_path})
