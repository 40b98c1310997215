"""Files as people have them: harmful, turned, of other modes, linked to nothing. One message, or the right pixels."""

import io
import os
import shutil
import socket

import numpy as np
import pytest
from domains.trees import draw, make_frames, make_package, make_pascal, make_taskonomy
from PIL import Image

from ttt_bench.domains.disk.options import FileOptions, reading_with
from ttt_bench.domains.nyudv2.frames import NYUDv2
from ttt_bench.domains.nyudv2.package import NYUDv2Package
from ttt_bench.domains.pascal.reader import Pascal, read_label_map
from ttt_bench.domains.pixels.arrays import read_npy
from ttt_bench.domains.pixels.files import read_names
from ttt_bench.domains.pixels.images import read_pixels
from ttt_bench.domains.pixels.opening import FileError
from ttt_bench.domains.pixels.plausible import Limits, Tally
from ttt_bench.domains.taskonomy.reader import Taskonomy
from ttt_bench.errors import UserError

POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n{} loop\n"
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}  # fmt: skip
"""EXIF orientation -> how an upright picture is stored under it."""


def bomb(path):
    Image.new("1", (20_000, 20_000)).save(path, "PNG")


def zipped(path):
    buffer = io.BytesIO()
    np.savez(buffer, a=np.ones(3))
    path.write_bytes(buffer.getvalue())


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_only_pictures_are_opened_whatever_they_are_called(tmp_path, name, monkeypatch):
    path = tmp_path / name
    path.write_bytes(POSTSCRIPT)
    monkeypatch.setattr("os.system", lambda *_: pytest.fail("a program was started"))
    monkeypatch.setattr("subprocess.Popen.__init__", lambda *_, **__: pytest.fail("a program was started"))
    with pytest.raises(FileError, match="it is no PNG or JPEG file"):
        read_pixels(path, "photo")
    Image.new("RGB", (4, 4)).save(path, "TIFF")
    with pytest.raises(FileError, match="it is no PNG or JPEG file"):
        read_pixels(path, "photo")
    bomb(path)
    with pytest.raises(FileError, match="claims to have more than 50,000,000 pixels"):
        read_pixels(path, "photo")


def test_what_is_no_file_never_waits(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "gone").symlink_to("/gone/annex/x")
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(tmp_path)
        server.bind("socket")
        for name, message in {
            "pipe": "a named pipe", "folder": "a folder", "socket": "a socket", "loop": "leads back to itself",
            "gone": "a link to /gone/annex/x, which is not there", "none": "does not exist",
        }.items():  # fmt: skip
            for read in (lambda path: read_pixels(path, "ids"), read_npy, read_names, read_label_map):
                with pytest.raises(FileError, match=message):
                    read(tmp_path / name)


@pytest.mark.parametrize(
    "write",
    [
        zipped,
        lambda path: np.save(path, np.array([{}], object), allow_pickle=True),
        lambda path: path.write_bytes(b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '<f4', 'fortran_order': False, 'shape': (9" + b"0" * 12 + b", 9), }".ljust(67) + b"\n"),
        lambda path: path.write_bytes(b"\x93NUMPY\x01\x00v\x00" + b"(" * 118),
        lambda path: path.write_bytes(b""),
    ],
)  # fmt: skip
def test_arrays_that_are_none_are_one_message(tmp_path, write):
    write(tmp_path / "d.npy")
    with pytest.raises(FileError, match=r"d\.npy cannot be read"):
        read_npy(tmp_path / "d.npy")


@pytest.mark.parametrize("tag", TURNS)
@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_pictures_are_turned_as_their_tag_says(tmp_path, tag, ending):
    upright = Image.fromarray(draw(0, (48, 80)).image)
    exif = Image.Exif()
    exif[0x0112] = tag
    upright.transpose(TURNS[tag]).save(tmp_path / f"a.{ending}", exif=exif, quality=95)
    found = read_pixels(tmp_path / f"a.{ending}", "photo").astype(int)
    assert found.shape == (48, 80, 3)
    assert np.abs(found - np.asarray(upright)).mean() < 4


def test_modes_are_converted_where_their_meaning_is_certain(tmp_path):
    path = tmp_path / "a.png"
    photo, ids = Image.fromarray(draw(0, (16, 24)).image), Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4))

    def read(image, content):
        image.save(path, "JPEG" if image.mode == "CMYK" else "PNG")
        return read_pixels(path, content)

    np.testing.assert_array_equal(read(photo.convert("RGBA"), "photo"), photo)
    grey = photo.convert("L")
    np.testing.assert_array_equal(read(grey, "photo"), np.asarray(grey.convert("RGB")))
    palette = photo.quantize(16)
    np.testing.assert_array_equal(read(palette, "photo"), np.asarray(palette.convert("RGB")))
    np.testing.assert_array_equal(read(ids.convert("RGB"), "ids"), ids)
    np.testing.assert_array_equal(read(Image.fromarray(np.asarray(ids, np.uint16)), "ids"), ids)
    np.testing.assert_array_equal(read(Image.fromarray(np.eye(4) > 0), "grey"), np.eye(4) * 255)
    clear = photo.convert("RGBA")
    clear.putalpha(100)
    for image, content in (
        (clear, "photo"), (photo.convert("CMYK"), "photo"), (Image.fromarray(np.ones((4, 4), np.uint16)), "photo"),
        (photo, "ids"), (grey, "deep"), (grey, "vectors"),
    ):  # fmt: skip
        with pytest.raises(FileError, match="needed is"):
            read(image, content)


def test_lists_with_marks_and_foreign_line_ends(tmp_path):
    for data in ("\ufeffa\r\nb\r\n".encode(), "a\r\nb".encode("utf-16"), b"a\nb\n\n"):
        (tmp_path / "l.txt").write_bytes(data)
        assert read_names(tmp_path / "l.txt") == ["a", "b"]
    for text in ("a\na\n", "../a\n", "a\x1b[31m\n"):
        (tmp_path / "l.txt").write_text(text)
        with pytest.raises(FileError, match=r"twice|is no name of an image"):
            read_names(tmp_path / "l.txt")


def test_matlabs_newer_files_are_read_transposed(tmp_path):
    h5py = pytest.importorskip("h5py")
    regions = np.arange(12, dtype=np.uint16).reshape(3, 4)
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as file:
        file["LabelMap"] = regions.T
    with (tmp_path / "a.mat").open("rb+") as file:
        file.write(b"MATLAB 7.3 MAT-file")
    np.testing.assert_array_equal(read_label_map(tmp_path / "a.mat"), regions)
    with h5py.File(tmp_path / "b.mat", "w") as file:
        file["LabelMap"] = h5py.ExternalLink(str(tmp_path / "a.mat"), "LabelMap")
    with pytest.raises(FileError, match="holds no LabelMap of numbers"):
        read_label_map(tmp_path / "b.mat")


def test_full_frames_are_read_as_those_of_half_size(tmp_path):
    small, large = make_frames(tmp_path / "small", 2, 1), make_frames(tmp_path / "large", 2, 1)
    for path in [*large.glob("depth/*"), *large.glob("label40/*")]:
        Image.fromarray(np.asarray(Image.open(path)).repeat(2, 0).repeat(2, 1)).save(path)
    for path in large.glob("image/*"):
        Image.open(path).resize((640, 480), Image.Resampling.NEAREST).save(path.with_suffix(".png"))
        path.unlink()
    a, b = NYUDv2(small, (64, 64)).sample("test", 0), NYUDv2(large, (64, 64)).sample("test", 0)
    np.testing.assert_array_equal(a.image, b.image)
    for task, label in a.labels.items():
        np.testing.assert_array_equal(label, b.labels[task])


def test_links_to_nothing_matter_only_in_a_split(tmp_path):
    tree = make_frames(tmp_path / "nyu")
    (tree / "image/0009.jpg").symlink_to("/gone/annex/0009.jpg")
    assert NYUDv2(tree, (32, 32)).length("test") == 2
    (tree / "image/0001.jpg").unlink()
    (tree / "image/0001.jpg").symlink_to("/gone/annex/0001.jpg")
    with pytest.raises(FileError, match=r"is a link to /gone/annex/0001\.jpg, which is not there"):
        NYUDv2(tree, (32, 32))
    with reading_with(FileOptions(skipped=frozenset({"0001"}))):
        domain = NYUDv2(tree, (32, 32))
    assert [domain.length(split) for split in ("train", "val", "test")] == [1, 1, 2]
    assert "1 image is left out by --skip-bad: 0001" in " ".join(domain.notes())


def test_contents_decide_and_not_names(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tree = make_package(tmp_path / "nyu", 4, 2, (32, 40))
    for path in tree.rglob("*.*"):
        os.utime(path, ns=(10**18, 10**18))
    first = NYUDv2Package(tree, (32, 32)).fingerprint()
    shutil.copytree(tree, tmp_path / "copy")
    assert NYUDv2Package(tmp_path / "copy", (32, 32)).fingerprint() == first
    path = tree / "depth/0001.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(10**18, 10**18))
    assert NYUDv2Package(tree, (32, 32)).fingerprint() != first
    with reading_with(FileOptions(trust_names=True)):
        trusting = [NYUDv2Package(place, (32, 32)) for place in (tree, tmp_path / "copy")]
    assert trusting[0].fingerprint() == trusting[1].fingerprint() != first
    assert "--trust-names" in " ".join(trusting[0].notes())


def test_one_picture_in_two_splits(tmp_path):
    tree = make_package(tmp_path / "nyu", 4, 2, (32, 40))
    shutil.copy(tree / "images/0001.png", tree / "images/0005.png")
    assert "1 picture is in two splits: images/0001.png (train) = images/0005.png (test)" in " ".join(
        NYUDv2Package(tree, (32, 32)).doubts()
    )
    (tree / "gt_sets/val.txt").write_text("0004\n0001\n")
    with pytest.raises(UserError, match=r"0001 in train\.txt and in val\.txt: one image in two splits"):
        NYUDv2Package(tree, (32, 32))


@pytest.mark.parametrize(("factor", "said"), [(5, "divide by"), (6, "6"), (0.1, "10"), (0.001, "1000"), (1, "")])
def test_depth_in_other_units_is_doubted(tmp_path, factor, said):
    tree = make_package(tmp_path / "nyu", 3, 2, (32, 40))
    for path in tree.glob("depth/*"):
        np.save(path, np.load(path) * np.float32(factor))
    text = " ".join(NYUDv2Package(tree, (32, 32)).doubts())
    assert said in text
    assert ("cannot be indoor metres" in text) == (factor != 1)


@pytest.mark.parametrize(
    ("ids", "doubted"),
    [([0, 4, 39], True), ([0, 4, 38], True), ([1, 4, 40], True), ([0, 4, 13], True), ([0, 4, 34], False), ([0, 40], False)],
)  # fmt: skip
def test_ids_of_another_numbering_are_doubted(ids, doubted):
    tally = Tally(Limits(largest_id=40, void=(0,), others=(13,), short=2))
    for _ in range(3):
        tally.add(None, np.array([ids]))
    assert bool(tally.doubts()) == doubted


def test_scenes_and_views_can_be_left_out(tmp_path):
    tree = make_taskonomy(tmp_path / "t", views=3, size=(32, 32))
    shutil.rmtree(tree / "taskonomy/data/normal/taskonomy/hanson")
    with pytest.raises(UserError, match="scene hanson has no normal files") as error:
        Taskonomy(tree, (32, 32))
    assert "can no longer be had" in error.value.hint
    with reading_with(FileOptions(skipped=frozenset({"hanson", "ihlen/point_0_view_10"}))):
        domain = Taskonomy(tree, (32, 32))
    assert [domain.length(split) for split in ("train", "val", "test")] == [3, 3, 2]
    path = next(tree.glob("taskonomy/data/depth_zbuffer/taskonomy/ihlen/*_view_9_*"))
    path.write_bytes(path.read_bytes()[:80])
    with pytest.raises(FileError, match="cannot be read") as error:
        domain.sample("test", 0)
    assert "delete the five files of this view" in error.value.hint


def test_pascal_reads_a_turned_photograph_upright(tmp_path):
    tree = make_pascal(tmp_path / "voc", 3, 1)
    before = Pascal(tree, (60, 80)).sample("val", 0)
    path = tree / "JPEGImages/2008_000000.JPG"
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.open(path).transpose(Image.Transpose.ROTATE_180).save(path, "JPEG", exif=exif, quality=95)
    after = Pascal(tree, (60, 80)).sample("val", 0)
    assert np.abs(after.image.astype(int) - before.image).mean() < 6


def test_names_to_leave_out_that_no_domain_has_are_refused(run, tmp_path):
    make_package(tmp_path / "nyu", 6, 2)
    (tmp_path / "skip").write_text("0000\nnosuch\n")
    code, _, err = run(
        "plan", "--pairs", "nyudv2->nyudv2+fog:3", "--size", "32x32", "--data", f"nyudv2={tmp_path / 'nyu'}",
        "--skip-bad", tmp_path / "skip",
    )  # fmt: skip
    assert code == 2
    assert "--skip-bad names 'nosuch'" in err
