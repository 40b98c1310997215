"""``data check`` and ``data prepare`` on miniature trees, through the command line."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from domains.trees import LAYOUT_NAMES, draw, make_frames, make_mat, make_package, only
from PIL import Image

from ttt_bench.domains.catalogue import open_domain
from ttt_bench.domains.disk.checking import check
from ttt_bench.domains.disk.checklists import checklist_of
from ttt_bench.domains.disk.layouts import recognise
from ttt_bench.domains.nyudv2.frames import NYUDv2
from ttt_bench.domains.nyudv2.package import NYUDv2Package
from ttt_bench.domains.nyudv2.prepare import prepare
from ttt_bench.domains.pascal.reader import Pascal
from ttt_bench.errors import UserError


def copied(made, layout, tmp_path):
    return Path(shutil.copytree(made / layout, tmp_path / "ça"))


def problems(tree):
    (found,) = recognise(tree)
    return {(p.kind, p.what) for p in check("x", checklist_of(found)).problems}


def test_healthy_trees_pass_one_by_one_and_together(run, made):
    code, out, err = run("data", "check", made)
    assert code == 0, out
    assert out.count("nothing is wrong") == 4
    for text in (
        "nyudv2-package in", "nyudv2-frames in", "pascal in", "taskonomy in",
        "train: 12 images (the paper has 795)", "val: 9 images (the paper has 654)", "(the paper has 4998)",
        "(the paper has 5105)", "images are 85x112, not 425x560", "2 train, 1 val, 1 test (tiny has 25/5/5",
        "not the scenes of the official tiny split",
    ):  # fmt: skip
        assert text in out
    assert "checking pascal: 21/21" in err
    for layout in LAYOUT_NAMES:
        assert run("data", "check", made / layout)[0] == 0


SPOILS = {
    "nyudv2-package": ("images/0001.png", "depth/0002.npy", "segmentation/0003.png", "edge/0004.png"),
    "nyudv2-frames": ("image/0001.jpg", "depth/0002.png", "label40/0003.png", "depth/0004.png"),
    "pascal": (
        "JPEGImages/2008_000001.jpg", "pascal-context/trainval/2008_000002.mat", "semseg/VOC12/2008_000003.png",
        "normals_distill/2008_000004.png",
    ),
    "taskonomy": (
        "taskonomy/data/rgb/taskonomy/ihlen/point_0_view_9_domain_rgb.png",
        "taskonomy/data/depth_zbuffer/taskonomy/ihlen/point_0_view_10_domain_depth_zbuffer.png",
        "taskonomy/data/segment_semantic/taskonomy/hanson/point_0_view_9_domain_segmentsemantic.png",
        "taskonomy/data/normal/taskonomy/darden/point_0_view_9_domain_normal.png",
    ),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUT_NAMES)
def test_names_every_file_that_is_wrong_in_one_pass(run, made, tmp_path, layout):
    tree = copied(made, layout, tmp_path)
    missing, cut, class_map, size = (tree / name for name in SPOILS[layout])
    missing.unlink()
    cut.write_bytes(cut.read_bytes()[:-90])
    ids = np.asarray(Image.open(class_map)).copy()
    ids[0, 0] = 99
    Image.fromarray(ids).save(class_map)
    Image.open(size).crop((0, 0, 40, 20)).save(size)
    code, out, _ = run("data", "check", tree)
    assert code == 1
    found = problems(tree)
    assert len(found) == 4, found
    by_kind = dict(found)
    assert set(by_kind) == {"missing", "unreadable", "out of range", "wrong size"}
    for kind, path in zip(
        ("missing", "unreadable", "out of range", "wrong size"), (missing, cut, class_map, size), strict=True
    ):
        assert str(path) in by_kind[kind]
        assert f"  {kind}: 1\n    {by_kind[kind]}" in out
    assert "99" in by_kind["out of range"]


def test_notices_images_of_an_odd_size_and_grey_edges(made, tmp_path):
    tree = copied(made, "nyudv2-package", tmp_path)
    for path in tree.glob("*/0005.*"):
        if path.suffix == ".npy":
            np.save(path, np.load(path)[:40, :40])
        else:
            Image.open(path).crop((0, 0, 40, 40)).save(path)
    edge = np.asarray(Image.open(tree / "edge/0006.png")).copy()
    edge[0, 0] = 7
    Image.fromarray(edge).save(tree / "edge/0006.png")
    assert {(kind, what.split("ça/")[1]) for kind, what in problems(tree)} == {
        ("wrong size", "images/0005.png is 40x40; the others are 85x112"),
        ("out of range", "edge/0006.png: an edge map has values other than 0 and 255"),
    }


def test_notices_lists_and_folders_that_are_missing(made, tmp_path):
    tree = copied(made, "nyudv2-package", tmp_path)
    (tree / "gt_sets/val.txt").unlink()
    shutil.rmtree(tree / "normals")
    found = problems(tree)
    assert any(kind == "missing" and "val.txt" in what for kind, what in found)
    assert sum(kind == "missing" for kind, _ in found) == 14, "the list, the folder, and a file of each of 12 frames"


def test_notices_scenes_without_a_modality(made, tmp_path):
    tree = copied(made, "taskonomy", tmp_path)
    shutil.rmtree(tree / "taskonomy/data/depth_zbuffer/taskonomy/ihlen")
    ((kind, what),) = problems(tree)
    assert kind == "missing"
    assert "scene ihlen (test) has no depth_zbuffer files" in what
    shutil.rmtree(tree / "taskonomy/data/normal")
    assert any("no folder normal/" in what for _, what in problems(tree))


def repainted(tree, pattern, change):
    for number, path in enumerate(sorted(tree.glob(pattern))):
        Image.fromarray(change(np.asarray(Image.open(path)).copy(), number)).save(path)


def test_axes_of_normals_are_measured_or_refused(run, made, tmp_path):
    tree = copied(made, "taskonomy", tmp_path)

    def turned(pixels, number):
        pixels[..., 1:] = 255 - pixels[..., 1:]
        return pixels

    repainted(tree, "taskonomy/data/normal/taskonomy/*/*", turned)
    assert not problems(tree)
    assert "measured against the depth of 8 frames" in run("data", "check", tree)[1]
    repainted(tree, "taskonomy/data/normal/taskonomy/*/*", lambda pixels, _: pixels[..., ::-1].copy())
    ((kind, what),) = problems(tree)
    assert kind == "axes"
    assert "in the order B, G, R" in what
    with pytest.raises(UserError, match="in no convention of axes"):
        open_domain("taskonomy", (32, 32), {"taskonomy": tree}).fingerprint()


def test_assumed_axes_are_said(run, made, tmp_path):
    assert "axes of the stored normals, assumed, as there is no depth" in run("data", "check", made / "pascal")[1]
    tree = Path(shutil.copytree(made / "pascal", tmp_path / "voc"))
    repainted(tree, "normals_distill/*", lambda pixels, _: 255 - pixels)
    assert Pascal(tree, (32, 32)).axes.signs == (1, 1, -1)


def test_shows_the_first_problems_or_all_and_can_read_a_part(run, made, tmp_path):
    tree = Path(made / "nyudv2-package")
    tree = copied(made, "nyudv2-package", tmp_path)
    for path in [*tree.glob("edge/*"), *tree.glob("depth/*")]:
        path.unlink()
    code, out, _ = run("data", "check", tree)
    assert code == 1
    assert "and 22 more (--all names them)" in out
    assert "more (--all" not in run("data", "check", tree, "--all")[1]
    (tree / "segmentation/0001.png").write_bytes(b"")
    assert "unreadable" in run("data", "check", tree)[1]
    _, out, _ = run("data", "check", tree, "--every", "5")
    assert "unreadable" not in out
    assert "only every 5th image was read" in out


def test_a_folder_without_data_is_bad_input(run, tmp_path):
    code, _, err = run("data", "check", tmp_path)
    assert code == 2
    assert "no data set that is known" in " ".join(err.split())
    assert run("data", "check", tmp_path / "no")[0] == 2


# --- prepare ---


def test_prepares_plain_frames_and_passes_the_check(run, tmp_path):
    make_frames(tmp_path / "frames")
    target = tmp_path / "été/NYUDv2"
    code, out, err = run("data", "prepare", "nyudv2", tmp_path / "frames", target)
    assert code == 0
    assert "5 frames written, 0 were there already" in out
    assert "preparing nyudv2: 5/5" in err
    assert sorted(p.name for p in target.iterdir()) == [
        "depth", "edge", "gt_sets", "images", "normals", "prepared.json", "segmentation",
    ]  # fmt: skip
    assert run("data", "check", target)[0] == 0
    package, frames = NYUDv2Package(target, (212, 279)), NYUDv2(tmp_path / "frames", (212, 279))
    assert package.axes.signs == (1, 1, 1)
    a, b = package.sample("test", 1), frames.sample("test", 1)
    np.testing.assert_array_equal(a.image, b.image)
    np.testing.assert_array_equal(a.labels["semseg"], b.labels["semseg"])
    np.testing.assert_allclose(a.labels["depth"], b.labels["depth"], atol=1e-6)
    valid = (a.labels["normal"][0] != 255) & (b.labels["normal"][0] != 255)
    assert ((a.labels["normal"] * b.labels["normal"]).sum(0)[valid] > 0.9998).all()
    assert ((a.labels["normal"] == 255) == (b.labels["normal"] == 255)).mean() > 0.999
    assert np.abs(a.labels["edge"] - b.labels["edge"]).mean() < 0.005, "thinning meets a few pixels of a crossing"


def test_goes_on_where_it_was_stopped(tmp_path):
    make_frames(tmp_path / "frames")
    target = tmp_path / "NYUDv2"

    def stop(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(tmp_path / "frames", target, stop)
    assert not (target / "gt_sets").exists(), "an unfinished package is not taken for a whole one"
    (target / "normals/0001.png").unlink()
    done = prepare(tmp_path / "frames", target)
    assert (done.written, done.kept) == (4, 1)
    again = prepare(tmp_path / "frames", target)
    assert (again.written, again.kept) == (0, 5)
    make_frames(tmp_path / "others", train=2)
    with pytest.raises(UserError, match="prepared from something else"):
        prepare(tmp_path / "others", target)


def test_leaves_other_peoples_folders_alone(run, tmp_path):
    make_frames(tmp_path / "frames")
    make_package(tmp_path / "own", train=2, test=1)
    code, _, err = run("data", "prepare", "nyudv2", tmp_path / "frames", tmp_path / "own")
    assert code == 2
    assert "is not empty" in " ".join(err.split())
    assert run("data", "prepare", "pascal", tmp_path / "frames", tmp_path / "new")[0] == 2
    assert run("data", "prepare", "nyudv2", tmp_path / "gone", tmp_path / "new")[0] == 2
    only(tmp_path / "frames", "image/*").write_bytes(b"x")
    code, _, err = run("data", "prepare", "nyudv2", tmp_path / "frames", tmp_path / "new")
    assert code == 2
    assert "0000.jpg cannot be read" in "".join(err.splitlines())


def test_prepares_the_official_file(tmp_path):
    pytest.importorskip("h5py")
    path = make_mat(tmp_path / "nyu_depth_v2_labeled.mat")
    prepare(path, tmp_path / "NYUDv2")
    domain = open_domain("nyudv2", (425, 560), {"nyudv2": tmp_path})
    assert [domain.length(split) for split in ("train", "val", "test")] == [1, 1, 1]
    sample, drawn = domain.sample("test", 0), draw(1, (480, 640))
    crop = (slice(45, 470), slice(41, 601))
    np.testing.assert_array_equal(sample.image, drawn.image[crop])
    np.testing.assert_allclose(sample.labels["depth"][0], drawn.labels["depth"][0][crop], atol=1e-6)
    chair = domain.classes.index("chair")
    own = drawn.labels["semseg"][crop] == 6
    assert ((sample.labels["semseg"] == chair) == own).all()


@pytest.mark.parametrize("lacking", ["splits.mat", "classMapping40.mat"])
def test_says_what_belongs_beside_the_official_file(tmp_path, lacking):
    pytest.importorskip("h5py")
    path = make_mat(tmp_path / "nyu_depth_v2_labeled.mat", (48, 64))
    path.with_name(lacking).write_bytes(b"not a mat file")
    with pytest.raises(UserError, match=rf"{lacking} holds no"):
        prepare(path, tmp_path / "new")
    path.with_name(lacking).unlink()
    with pytest.raises(UserError, match=rf"{lacking} does not exist") as error:
        prepare(path, tmp_path / "new")
    assert "beside the .mat file" in error.value.hint
    make_mat(path, (48, 64)).write_bytes(b"nothing")
    with pytest.raises(UserError, match="cannot be read as nyu_depth_v2_labeled"):
        prepare(path, tmp_path / "new")
