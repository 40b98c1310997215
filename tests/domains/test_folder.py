"""Data of your own in a folder: both tracks, every layout, and what is said when something is missing."""

import csv
import shutil

import numpy as np
import pytest
from domains.class_trees import drawn, save_picture
from domains.trees import draw, encode

from ttt_bench.domains.catalogue import open_domain
from ttt_bench.domains.disk.options import FileOptions, reading_with
from ttt_bench.domains.folder.description import read_description
from ttt_bench.domains.folder.maps import Maps
from ttt_bench.domains.pixels.thinning import thin
from ttt_bench.domains.rooms.family import CLASSES
from ttt_bench.errors import UserError

KINDS = ("cat", "ant", "bee")
SPLITS = ("train", "val", "test")


def opened(root, name="folder", size=(32, 32)):
    return open_domain(name, size, {name: root})


def lengths(domain):
    return [domain.length(split) for split in SPLITS]


def make_classes(root, layout, toml="", per_class=10):
    root.mkdir(parents=True)
    (root / "dataset.toml").write_text(toml)
    rows = []
    for label, name in enumerate(KINDS):
        for i in range(per_class):
            split = ("train", "train", "val", "test")[i % 4]
            below = {"classes": f"{name}/", "splits": f"{split}/{name}/"}.get(layout, "")
            save_picture(drawn(label, i), root / f"images/{below}{name}{i}.png")
            rows.append({"file": f"{name}{i}.png", "label": name, "split": split})
    if layout in ("table", "table with splits"):
        columns = ["file", "label"] + ["split"] * (layout != "table")
        with (root / "labels.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)
    return root


def make_maps(root, count=20, toml=None, maps=("semseg", "depth", "normal", "edge"), npy=False):
    for i in range(count):
        sample = draw(i, (48, 64))
        save_picture(sample.image, root / f"images/{i:03}.png")
        ids = sample.labels["semseg"]
        metres = sample.labels["depth"][0].copy()
        metres[:2] = 0
        if "semseg" in maps:
            save_picture(np.where(ids == 255, 0, ids + 1).astype(np.uint8), root / f"semseg/{i:03}.png")
        if "depth" in maps and npy:
            (root / "depth").mkdir(exist_ok=True)
            np.save(root / f"depth/{i:03}.npy", metres)
        elif "depth" in maps:
            save_picture(np.rint(metres * 500).astype(np.uint16), root / f"depth/{i:03}.png")
        if "normal" in maps:
            save_picture(encode(sample.labels["normal"], (1, -1, 1)), root / f"normal/{i:03}.png")
        if "edge" in maps:
            save_picture((sample.labels["edge"][0] * 255).astype(np.uint8), root / f"edge/{i:03}.png")
    names = ", ".join(f'"{name}"' for name in CLASSES)
    usual = f"[semseg]\nclasses = [{names}]\nfirst_id = 1\nignore = [0]\n[depth]\nunit = 0.002\n[normal]\naxes = [1, -1, 1]\n"
    (root / "dataset.toml").write_text(usual if toml is None else toml)
    return root


@pytest.mark.parametrize(
    ("layout", "counts"),
    [("classes", [24, 3, 3]), ("splits", [18, 6, 6]), ("table", [24, 3, 3]), ("table with splits", [18, 6, 6])],
)
def test_class_track_in_every_layout(tmp_path, layout, counts):
    domain = opened(make_classes(tmp_path / "a", layout))
    assert lengths(domain) == counts
    assert (domain.name, domain.tasks, domain.classes) == ("folder", ("class",), ("ant", "bee", "cat"))
    for split in SPLITS:
        for index in range(domain.length(split)):
            sample = domain.sample(split, index)
            label = KINDS.index(domain.classes[int(sample.labels["class"])])
            assert np.abs(sample.image.mean((0, 1)) - drawn(label, 0).mean((0, 1))).max() < 15


def test_class_names_have_the_order_of_the_description(tmp_path):
    toml = '[classes]\nnames = ["bee", "cat", "dog", "ant"]\n'
    assert opened(make_classes(tmp_path / "a", "classes", toml)).classes == ("bee", "cat", "dog", "ant")
    with pytest.raises(UserError, match="'cat' is not among the names"):
        opened(make_classes(tmp_path / "b", "classes", '[classes]\nnames = ["bee", "ant"]\n'))


def test_splits_by_lists_and_a_target_only(tmp_path):
    root = make_classes(tmp_path / "a", "classes", '[splits]\ntest = "mine.txt"\n')
    (root / "mine.txt").write_text("cat/cat1.png\nbee3\n")
    assert lengths(opened(root)) == [0, 0, 2]
    other = make_classes(tmp_path / "b", "classes", '[splits]\ntrain = "a.txt"\ntest = "b.txt"\n')
    (other / "a.txt").write_text("cat1\ncat2\n")
    (other / "b.txt").write_text("cat2\n")
    with pytest.raises(UserError, match="'cat2' is listed twice"):
        opened(other)


def test_dense_track_gives_back_what_was_stored(tmp_path):
    domain = opened(make_maps(tmp_path / "kitchen"), "folder/kitchen", (48, 64))
    assert lengths(domain) == [16, 2, 2]
    assert (domain.name, domain.tasks) == ("folder/kitchen", ("semseg", "depth", "normal", "edge"))
    assert domain.classes == CLASSES
    sample, truth = domain.sample("test", 0), draw(5, (48, 64))
    np.testing.assert_array_equal(sample.image, truth.image)
    np.testing.assert_array_equal(sample.labels["semseg"], truth.labels["semseg"])
    np.testing.assert_allclose(sample.labels["depth"][0, 2:], truth.labels["depth"][0, 2:], atol=0.0011)
    assert (sample.labels["depth"][0, :2] == 255).all()
    assert np.abs(sample.labels["normal"] - truth.labels["normal"]).max() < 0.01
    np.testing.assert_array_equal(sample.labels["edge"][0], thin(truth.labels["edge"][0] > 0))


def test_normals_are_fitted_to_the_depth_with_a_camera(tmp_path):
    camera = "[camera]\nfx = 45\nfy = 45\ncx = 31.5\ncy = 23.5\n"
    root = make_maps(tmp_path / "a", toml=camera, maps=("depth",), npy=True)
    domain = opened(root, size=(48, 64))
    assert domain.tasks == ("depth", "normal")
    normal = domain.sample("train", 0).labels["normal"]
    valid = normal[0] != 255
    assert valid.mean() > 0.8
    assert (normal[2][valid] > 0).mean() > 0.95, "what is seen faces the viewer"
    assert opened(make_maps(tmp_path / "b", toml="", maps=("depth",), npy=True)).tasks == ("depth",)


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("[smseg]\n", "'smseg' means nothing"),
        ("[semseg]\nfirst = 1\n", "[semseg] has no 'first'"),
        ("[semseg]\nclasses = 3\n", "classes should be a list of str, not 3"),
        ("[depth]\nunit = true\n", "unit should be float"),
        ("[depth]\nunit = -1\n", "[depth] unit is -1"),
        ("[normal]\naxes = [1, 2, 1]\n", "each 1 or -1"),
        ("[camera]\nfx = 3\n", "[camera] lacks one of fx, fy, cx, cy"),
        ("semseg = 3\n", "semseg is no table"),
        ("[depth\n", "cannot be read"),
        ("", "does not name the classes of semseg/"),
    ],
)
def test_says_what_is_wrong_with_the_description(run, tmp_path, toml, message):
    root = make_maps(tmp_path / "a", 2, toml)
    with pytest.raises(UserError) as error:
        opened(root)
    assert message in error.value.message
    assert str(root) in error.value.message
    code, out, _ = run("data", "check", root)
    assert code == 1
    assert message in out


def test_says_what_is_wrong_with_the_files(run, tmp_path):
    root = make_maps(tmp_path / "a")
    (root / "depth/003.png").unlink()
    with pytest.raises(UserError, match="depth has no file for '003'"):
        opened(root)
    code, out, _ = run("data", "check", root)
    assert code == 1
    assert str(root / "depth/003") in out
    other = make_maps(tmp_path / "b", toml='[semseg]\nclasses = ["a", "b"]\n')
    domain = opened(other)
    with pytest.raises(UserError, match="is unknown"):
        [domain.sample("train", index) for index in range(16)]
    deep = make_maps(tmp_path / "c", toml="[depth]\nunit = 1.0\n", maps=("depth",))
    with pytest.raises(UserError, match="depths are between 0 and 255 m"):
        opened(deep).sample("train", 0)


def test_the_check_explains_what_it_found(run, tmp_path):
    make_classes(tmp_path / "pictures", "classes")
    make_maps(tmp_path / "rooms", maps=("depth", "edge"), toml="")
    code, out, _ = run("data", "check", tmp_path)
    assert code == 0, out
    for text in (
        "one label per image: 3 classes (ant, bee, cat)", "train: 24 images", "maps of depth, edge",
        "not there: semseg/, normal/", "with a [camera] in dataset.toml normals could be fitted",
    ):  # fmt: skip
        assert text in out


def test_content_decides_the_fingerprint(tmp_path):
    a, b = (opened(make_classes(tmp_path / name, "classes")) for name in "ab")
    assert a.fingerprint() == b.fingerprint(), "where the files are does not matter"
    root = make_classes(tmp_path / "c", "classes")
    save_picture(drawn(0, 99), root / "images/cat/cat1.png")
    assert opened(root).fingerprint() != a.fingerprint()


def test_a_target_without_training_images_is_no_source(run, tmp_path):
    root = make_classes(tmp_path / "a", "splits")
    for split in ("train", "val"):
        (root / f"images/{split}").rename(tmp_path / split)
    pairs = ("folder->folder", "no train images: it cannot be the source")
    code, _, err = run("plan", "--data", f"folder={root}", "--pairs", pairs[0], "--size", "32x32")
    assert code == 2
    assert pairs[1] in " ".join(err.split())


def test_a_dense_folder_sweeps(run, tmp_path):
    make_maps(tmp_path / "a")
    make_maps(tmp_path / "b")
    code, out, err = run(
        "sweep", "--data", f"folder/a={tmp_path / 'a'},folder/b={tmp_path / 'b'}", "--pairs", "folder/a->folder/b",
        "--methods", "base", "--size", "32x32", "--steps", "1", "--batches", "1", "--batch-size", "2",
        "--train-iterations", "4", "--train-samples", "16", "--seeds", "1", "--no-figures",
    )  # fmt: skip
    assert code == 0, out + err


def test_axes_are_measured_against_the_depth_unless_they_are_said(tmp_path):
    named = (root := make_maps(tmp_path / "a")).joinpath("dataset.toml").read_text()
    unsaid = named.replace("axes = [1, -1, 1]", "")
    (root / "dataset.toml").write_text(unsaid)
    domain = opened(root, size=(48, 64))
    assert domain.axes.signs == (1, -1, 1)
    assert "measured" in domain.notes()[0]
    assert domain.content()["axes"] == (1, -1, 1)
    wrong = make_maps(tmp_path / "b")
    (wrong / "dataset.toml").write_text(named.replace("[1, -1, 1]", "[1, 1, 1]"))
    with pytest.raises(UserError, match=r"axes are \[1, 1, 1\]; the depth says \[1, -1, 1\]"):
        opened(wrong).sample("train", 0)
    alone = make_maps(tmp_path / "c", toml=named.replace("[1, -1, 1]", "[1, -1, -1]"), maps=("semseg", "normal"))
    assert opened(alone).axes.signs == (1, -1, -1)


@pytest.mark.parametrize(("unit", "doubted"), [("0.002", False), ("0.000002", True), ("0.09", True)])
def test_depths_that_nobody_has_are_doubted_by_the_check_and_by_the_plan(run, tmp_path, unit, doubted):
    root = make_maps(tmp_path / "a", maps=("depth",), toml=f"[depth]\nunit = {unit}\n")
    code, out, _ = run("data", "check", root)
    assert (code, "cannot be metres" in out) == ((1, True) if doubted else (0, False)), out
    code, out, err = run(
        "plan",
        "--pairs",
        "folder/a->folder/a+fog:1",
        "--size",
        "32x32",
        "--methods",
        "bn",
        "--data",
        f"folder/a={root}",
    )
    assert code == 0, err
    assert ("data, implausible: folder/a" in out) == doubted


def test_one_picture_in_two_splits_and_pictures_to_leave_out(tmp_path):
    root = make_maps(tmp_path / "a", maps=("depth",))
    assert opened(root).doubts() == ()
    for kind in ("images", "depth"):
        (root / kind / "005.png").write_bytes((root / kind / "001.png").read_bytes())
    [doubt] = opened(shutil.copytree(root, tmp_path / "b")).doubts()
    assert "1 picture is in two splits" in doubt
    with reading_with(FileOptions(skipped=frozenset({"005"}))):
        domain = Maps("folder", root, (32, 32), read_description(root))
    assert (lengths(domain), domain.doubts()) == ([16, 2, 1], ())
    assert "left out by --skip-bad: 005" in " ".join(domain.notes())
