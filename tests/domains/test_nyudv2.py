import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ttt_bench.domains.catalogue import open_domain
from ttt_bench.domains.nyudv2.frames import CLASSES, NAMES, NYUDv2
from ttt_bench.domains.pairs import make_pair
from ttt_bench.domains.rooms.domain import Rooms
from ttt_bench.errors import UserError

SHARED = Path(__file__).resolve().parents[2] / "../shared/data/nyudv2"
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason="the NYUDv2 frames are not there")


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """23 frames: a wall 3 m away with a near box (a sofa) in front of it."""
    tmp_path = tmp_path_factory.mktemp("nyudv2")
    rng = np.random.default_rng(0)
    for folder in ("image", "depth", "label40", "splits"):
        (tmp_path / folder).mkdir()
    ids = np.full((240, 320), 1, np.uint8)
    ids[100:160, 120:200] = 6
    ids[98:162, 118:122] = 0  # the gap that annotators leave
    ids[180:200, 60:120] = 40
    depth = np.where((ids == 6) | (ids == 0), 1500, 3000).astype(np.uint16)
    for frame in range(23):
        pixels = rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)
        pixels[:20] = pixels[-4:] = 255
        Image.fromarray(pixels).save(tmp_path / f"image/{frame:04}.jpg")
        Image.fromarray(depth).save(tmp_path / f"depth/{frame:04}.png")
        Image.fromarray(ids).save(tmp_path / f"label40/{frame:04}.png")
    (tmp_path / "splits/train.txt").write_text("".join(f"{i:04}\n" for i in range(20)))
    (tmp_path / "splits/val.txt").write_text("0020\n0021\n0022\n")
    return tmp_path


@pytest.fixture
def tree(made_once, tmp_path):
    """A copy that a test may spoil."""
    return Path(shutil.copytree(made_once, tmp_path / "nyu"))


@pytest.mark.parametrize("size", [(240, 320), (64, 64), (48, 96), (96, 48)])
def test_keeps_the_contract_of_a_sample(tree, size):
    domain = NYUDv2(tree, size)
    assert [domain.length(s) for s in ("train", "val", "test")] == [18, 2, 3]
    sample = domain.sample("test", 1)
    assert sample.image.shape == (*size, 3)
    assert sample.image.dtype == np.uint8
    assert {t: (a.shape, str(a.dtype)) for t, a in sample.labels.items()} == {
        "semseg": (size, "uint8"),
        "depth": ((1, *size), "float32"),
        "normal": ((3, *size), "float32"),
        "edge": ((1, *size), "float32"),
    }
    assert set(np.unique(sample.labels["semseg"])) == {CLASSES.index("wall"), CLASSES.index("sofa"), 255}
    assert set(np.unique(sample.labels["depth"])) == {np.float32(1.5), np.float32(3.0)}
    assert set(np.unique(sample.labels["edge"])) == {0.0, 1.0}


def test_normals_face_the_viewer_and_edges_follow_the_box(tree):
    labels = NYUDv2(tree, (212, 279)).sample("train", 0).labels
    np.testing.assert_allclose(labels["normal"][2], 1.0, atol=1e-3)
    edge = labels["edge"][0]
    # The box spans rows 100..159 and columns 118..199 of the frame; the crop starts at row 23, column 21.
    assert edge[77:137, 178].mean() > 0.9
    assert edge[:70].sum() == 0
    assert edge[:, :90].sum() == 0, "neither otherprop nor void has an outline"


def test_the_white_border_is_cropped_away(tree):
    assert (NYUDv2(tree, (212, 279)).sample("train", 0).image[0] == 255).all(-1).mean() < 0.05


def test_held_out_frames_are_every_tenth_and_nothing_overlaps(tree):
    domain = NYUDv2(tree, (32, 32))
    assert domain._names["val"] == ["0000", "0010"]
    assert not set(domain._names["val"]) & set(domain._names["train"])
    assert domain._names["test"] == ["0020", "0021", "0022"]


def test_names_are_canonical():
    assert len(NAMES) == 40
    assert NAMES[23:25] == ("refrigerator", "tv")
    assert "otherprop" not in CLASSES
    assert make_pair(Rooms("studio"), _with_classes()).classes == (
        "refrigerator", "table", "toilet", "sofa", "bed", "sink", "chair", "tv",
    )  # fmt: skip


def _with_classes():
    domain = Rooms("studio")
    domain.classes = CLASSES
    return domain


def test_fingerprint_follows_the_files_not_the_place(tree, tmp_path_factory):
    first = NYUDv2(tree, (32, 32)).fingerprint()
    other = tmp_path_factory.mktemp("copy") / "nyu"
    shutil.copytree(tree, other)
    assert NYUDv2(other, (32, 32)).fingerprint() == first
    Image.new("RGB", (320, 240)).save(other / "image/0003.jpg")
    assert NYUDv2(other, (32, 32)).fingerprint() != first
    assert NYUDv2(tree, (32, 33)).fingerprint() != first


def test_missing_depth_is_invalid(tree):
    depth = np.asarray(Image.open(tree / "depth/0020.png")).copy()
    depth[50:60, 50:60] = 0
    Image.fromarray(depth).save(tree / "depth/0020.png")
    labels = NYUDv2(tree, (212, 279)).sample("test", 0).labels
    assert (labels["depth"][0, 27:37, 29:39] == 255).all()
    assert (labels["normal"][:, 27:37, 29:39] == 255).all()
    assert (labels["depth"] == 255).sum() == 100


def broken(tree, what):
    if what == "split":
        (tree / "splits/val.txt").unlink()
    elif what == "empty split":
        (tree / "splits/train.txt").write_text("\n")
    elif what == "folder":
        (tree / "label40").rename(tree / "labels")
    elif what == "file":
        (tree / "depth/0021.png").unlink()
        (tree / "depth/0022.png").unlink()
    elif what == "image":
        (tree / "image/0020.jpg").write_bytes(b"not a picture")
    elif what == "cut image":
        path = tree / "label40/0020.png"
        path.write_bytes(path.read_bytes()[:60])
    elif what == "size":
        Image.new("L", (320, 241)).save(tree / "label40/0020.png")
    elif what == "mode":
        Image.new("L", (320, 240)).save(tree / "depth/0020.png")
    elif what == "id":
        Image.new("L", (320, 240), 41).save(tree / "label40/0020.png")


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("split", r"splits/val.txt does not exist"),
        ("empty split", r"splits/train.txt is empty"),
        ("folder", r"label40 cannot be listed"),
        ("file", r"depth/0021.png does not exist \(and 1 more files\)"),
        ("image", r"image/0020.jpg cannot be read"),
        ("cut image", r"label40/0020.png cannot be read"),
        ("size", r"label40/0020.png is 241x320, not 240x320 or 480x640"),
        ("mode", r"depth/0020.png is a picture of mode L; needed is one 16-bit channel"),
        ("id", r"label40/0020.png: class id 41 is unknown"),
    ],
)
def test_explains_broken_data(tree, what, message):
    broken(tree, what)
    with pytest.raises(UserError, match=message) as error:
        NYUDv2(tree, (64, 64)).sample("test", 0)
    assert error.value.hint


@needs_data
def test_reads_the_real_frames():
    domain = open_domain("nyudv2", (96, 128), {"nyudv2": SHARED})
    assert [domain.length(s) for s in ("train", "val", "test")] == [715, 80, 654]
    samples = [domain.sample("test", i) for i in range(0, 654, 109)]
    normals = np.concatenate([s.labels["normal"].reshape(3, -1) for s in samples], 1)
    ids = np.concatenate([s.labels["semseg"].ravel() for s in samples])
    valid = normals[0] != 255
    assert valid.mean() > 0.98
    np.testing.assert_allclose(np.linalg.norm(normals[:, valid], axis=0), 1.0, atol=1e-4)
    floor, wall = (normals[:, valid & (ids == CLASSES.index(name))] for name in ("floor", "wall"))
    assert np.median(floor[1]) > 0.85, "floors point up"
    assert np.median(np.abs(wall[1])) < 0.25, "walls are upright"
    assert (normals[2, valid] > -0.3).mean() > 0.99, "surfaces face the camera"
    assert 0.01 < np.mean([s.labels["edge"].mean() for s in samples]) < 0.12
    assert 0.5 < np.mean([s.labels["depth"].min() for s in samples]) < 3
    assert not any((s.image[0] > 250).all() for s in samples), "no white border"


@needs_data
def test_a_corruption_of_the_real_frames_opens():
    domain = open_domain("nyudv2+fog:5", (64, 64), {"nyudv2": SHARED})
    assert domain.name == "nyudv2+fog:5"
    assert domain.sample("test", 0).image.shape == (64, 64, 3)
