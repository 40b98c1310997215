"""The reference arrays of the S4T release, written into trees and read back through the real readers."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from domains.trees import SCENES
from parity_adapters import s4t_arrays as released
from PIL import Image
from scipy.io import savemat
from tiny_sweep import SHARED

from ttt_bench.domains.nyudv2.package import NYUDv2Package
from ttt_bench.domains.pascal.reader import NORMAL_CLASSES, Pascal
from ttt_bench.domains.taskonomy.reader import Taskonomy

CASES = SHARED / "reference/s4t"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the reference arrays are not there")


def case(name):
    return dict(np.load(CASES / f"{name}.npz"))


def save(pixels, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, "PNG")  # also under .jpg: nothing may be lost on the way


def lists(folder: Path, root: Path):
    """``a`` as the validation split; every file of it again as ``b``, since a split is never empty nor holds another's."""
    for file in sorted(root.rglob("a.*")):
        shutil.copy(file, file.with_stem("b"))
    folder.mkdir(parents=True)
    for split, text in (("train", "b\n"), ("val", "a\n")):
        (folder / f"{split}.txt").write_text(text)


def compare(found, arrays):
    expected = {name[4:]: values for name, values in arrays.items() if name.startswith("exp_")}
    assert set(found) == set(expected)
    for name, values in expected.items():
        assert found[name].shape == values.shape
        np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=1e-5, err_msg=name)


def test_nyudv2(tmp_path):
    arrays = case("data_nyud")
    save(arrays["in_image"], tmp_path / "images/a.png")
    save(arrays["in_segmentation"], tmp_path / "segmentation/a.png")
    save(arrays["in_normals"], tmp_path / "normals/a.png")
    save(arrays["in_edge"], tmp_path / "edge/a.png")
    (tmp_path / "depth").mkdir()
    np.save(tmp_path / "depth/a.npy", arrays["in_depth"])
    lists(tmp_path / "gt_sets", tmp_path)
    domain = NYUDv2Package(tmp_path, (32, 32))
    compare(released.nyud_frame(domain, "test", 0, [23, 6, 32, 5, 3, 33, 4], (32, 36)), arrays)


def test_pascal(tmp_path):
    arrays = case("data_pascal")
    assert tuple(arrays["in_normals_valid_classes"]) == NORMAL_CLASSES
    save(arrays["in_image"], tmp_path / "JPEGImages/a.jpg")
    save(arrays["in_semseg"], tmp_path / "semseg/VOC12/a.png")
    save(arrays["in_normals"], tmp_path / "normals_distill/a.png")
    (tmp_path / "pascal-context/trainval").mkdir(parents=True)
    savemat(tmp_path / "pascal-context/trainval/a.mat", {"LabelMap": arrays["in_labelmap"]})
    lists(tmp_path / "ImageSets/Context", tmp_path)
    compare(released.pascal_image(Pascal(tmp_path, (32, 32)), "test", 0, [11, 20, 5, 18, 16, 9], (32, 36)), arrays)


@pytest.mark.parametrize("size", ["same", "down2"])
@pytest.mark.parametrize(("other", "ids"), [("nyud", [14, 7, 8, 4, 6, 13, 3]), ("pascalcontext", [7, 9, 2, 4, 5, 3])])
def test_taskonomy(tmp_path, other, ids, size):
    arrays = case(f"data_taskonomy_{other}_{size}")
    table = ["id,train,val,test"]
    for split, (scene, *_) in SCENES.items():
        table.append(f"{scene},{int(split == 'train')},{int(split == 'val')},{int(split == 'test')}")
        for name in ("rgb", "normal", "depth_zbuffer", "edge_occlusion", "segment_semantic"):
            save(arrays[f"in_{name}"], tmp_path / name / scene / f"point_0_view_0_domain_{name}.png")
    (tmp_path / "train_val_test_tiny.csv").write_text("\n".join(table))
    compare(released.taskonomy_view(Taskonomy(tmp_path, (32, 32)), "test", 0, ids, 32), arrays)
