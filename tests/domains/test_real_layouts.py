"""The readers of real data sets on miniature trees: what every reader must do, layout by layout."""

import os
import pickle

import numpy as np
import pytest
from domains.real_layouts import LAYOUTS, READERS
from domains.trees import draw, make_package
from parity_adapters import s4t_arrays as released

from ttt_bench.domains.catalogue import open_domain
from ttt_bench.domains.contract import SPLITS
from ttt_bench.domains.nyudv2 import frames as nyudv2
from ttt_bench.domains.nyudv2.package import NYUDv2Package
from ttt_bench.domains.pascal.reader import NORMAL_CLASSES, Pascal
from ttt_bench.domains.taskonomy.reader import Taskonomy


@pytest.fixture(params=LAYOUTS)
def layout(request):
    return request.param


@pytest.fixture
def reader(layout):
    return READERS[layout]


@pytest.mark.parametrize("size", [(32, 32), (48, 80), (80, 48), (200, 256)])
def test_keeps_the_contract_of_a_sample(made, layout, reader, size):
    domain = reader(made / layout, size)
    assert all(domain.length(split) > 0 for split in SPLITS)
    seen = set()
    for index in range(domain.length("train")):
        sample = domain.sample("train", index)
        assert sample.image.shape == (*size, 3)
        assert sample.image.dtype == np.uint8
        expected = {"semseg": (size, "uint8"), "depth": ((1, *size), "float32"), "normal": ((3, *size), "float32"),
                    "edge": ((1, *size), "float32")}  # fmt: skip
        found = {task: (label.shape, str(label.dtype)) for task, label in sample.labels.items()}
        assert found == {task: expected[task] for task in domain.tasks}
        ids = sample.labels["semseg"]
        assert ((ids < len(domain.classes)) | (ids == 255)).all()
        seen |= set(np.unique(ids))
        normal = sample.labels["normal"]
        invalid = (normal == 255).all(0)
        assert ((normal == 255).any(0) == invalid).all()
        np.testing.assert_allclose(np.linalg.norm(normal, axis=0)[~invalid], 1, atol=1e-5)
        assert set(np.unique(sample.labels["edge"])) <= {0, 1, 255}
        if "depth" in domain.tasks:
            depth = sample.labels["depth"]
            assert ((depth > 0.2) & (depth < 30) | (depth == 255)).all()
    assert {domain.classes.index(name) for name in ("chair", "table")} & seen


def test_labels_are_those_of_the_drawing(made, layout, reader):
    """At the native size nothing is resampled, so every label can be compared with what was drawn."""
    native = {"nyudv2-package": (85, 112), "pascal": (60, 80), "taskonomy": (64, 64)}[layout]
    domain = reader(made / layout, native)
    # The drawing behind the first sample of each layout's validation split.
    sample = domain.sample("val", 0)
    drawn = draw({"nyudv2-package": 0, "pascal": 0, "taskonomy": 11}[layout], native)
    tolerance = 0 if layout != "pascal" else 60
    assert np.abs(sample.image.astype(int) - drawn.image.astype(int)).mean() <= tolerance / 10
    ids, own = sample.labels["semseg"], drawn.labels["semseg"]
    for position, name in enumerate(draw_classes()):
        if name in domain.classes:
            agree = ids == domain.classes.index(name)
            where = (own == position)[5:]
            assert (agree[5:] == where).all(), name
    normal, truth = sample.labels["normal"], drawn.labels["normal"]
    valid = normal[0] != 255
    assert valid.mean() > 0.1
    assert ((normal * truth).sum(0)[valid] > 0.999).all()
    if "depth" in domain.tasks:
        depth = sample.labels["depth"][0]
        there = depth != 255
        np.testing.assert_allclose(depth[there], drawn.labels["depth"][0][there], atol=2e-3)
        assert 0.9 < there.mean() < 1
    if layout != "pascal":
        edge = sample.labels["edge"][0]
        assert not ((edge == 1) & (drawn.labels["edge"][0] == 0)).any()
        assert (edge == 1).sum() > 0.7 * drawn.labels["edge"].sum()


def draw_classes():
    from ttt_bench.domains.rooms.family import CLASSES

    return CLASSES


def test_thin_lines_survive_any_resizing(made):
    counts = []
    for height in (85, 43, 30):
        domain = NYUDv2Package(made / "nyudv2-package", (height, round(height * 112 / 85)))
        counts.append(domain.sample("test", 0).labels["edge"].sum() / height)
    assert min(counts) > 0.5 * max(counts), "the length of the lines per side stays about the same"


def test_reads_through_a_link_from_another_place_and_with_the_archives_folder(made, layout, tmp_path):
    name = {"nyudv2-package": "nyudv2"}.get(layout, layout)
    link = tmp_path / "a link"
    link.symlink_to(made / layout, target_is_directory=True)
    domain = open_domain(name, (32, 32), {name: link})
    assert domain.fingerprint() == READERS[layout](made / layout, (32, 32)).fingerprint()
    if layout != "taskonomy":
        above = tmp_path / "above"
        above.mkdir()
        os.symlink(made / layout, above / {"pascal": "PASCALContext"}.get(layout, "NYUDv2"))  # noqa: PTH211
        assert open_domain(name, (32, 32), {name: above}).fingerprint() == domain.fingerprint()


def test_worker_processes_read_the_same(made, layout, reader):
    domain = reader(made / layout, (32, 32))
    other = pickle.loads(pickle.dumps(domain))
    assert other.fingerprint() == domain.fingerprint()
    a, b = domain.sample("test", 1), other.sample("test", 1)
    np.testing.assert_array_equal(a.image, b.image)
    for task in domain.tasks:
        np.testing.assert_array_equal(a.labels[task], b.labels[task])
    with pytest.raises(IndexError):
        domain.sample("test", domain.length("test"))


def test_splits_do_not_overlap(made):
    for layout, attribute in (("nyudv2-package", "_names"), ("pascal", "_names")):
        names = getattr(READERS[layout](made / layout, (32, 32)), attribute)
        assert [len(names[split]) for split in SPLITS] == [10, 2, 9]
        assert len(set().union(*names.values())) == 21


@pytest.mark.parametrize("signs", [(1, -1, 1), (-1, 1, -1), (-1, -1, -1)])
def test_the_axes_of_the_packages_normals_are_measured(tmp_path, signs):
    make_package(tmp_path / "nyu", train=4, test=1, signs=signs)
    domain = NYUDv2Package(tmp_path / "nyu", (85, 112))
    assert domain.axes.signs == signs
    assert domain.content()["axes"] == signs
    normal, truth = domain.sample("test", 0).labels["normal"], draw(4, (85, 112)).labels["normal"]
    assert ((normal * truth).sum(0) > 0.999).all()


def test_void_and_otherprop_are_void(made):
    ids = NYUDv2Package(made / "nyudv2-package", (85, 112)).sample("test", 0).labels["semseg"]
    assert (ids[0, :5] == 255).all()
    assert ids[ids != 255].max() < len(nyudv2.CLASSES)
    ids = Pascal(made / "pascal", (60, 80)).sample("val", 0).labels["semseg"]
    assert (ids[:2] == 255).all()


def test_missing_depth_is_masked_everywhere(made):
    labels = Taskonomy(made / "taskonomy", (64, 64)).sample("test", 0).labels
    hole = np.zeros((64, 64), bool)
    hole[10:20, 10:20] = True
    assert ((labels["depth"][0] == 255) == hole).all()
    assert ((labels["normal"][0] == 255) == hole).all()
    assert ((labels["edge"][0] == 255) == hole).all()
    labels = NYUDv2Package(made / "nyudv2-package", (85, 112)).sample("val", 0).labels
    assert (labels["depth"][0, :3, :4] == 255).all()
    assert np.isfinite(labels["depth"]).all()


def test_normals_are_valid_only_where_the_classes_are(made):
    from scipy.io import loadmat

    domain = Pascal(made / "pascal", (60, 80))
    regions = loadmat(made / "pascal/pascal-context/trainval/2008_000000.mat")["LabelMap"]
    valid = domain.sample("val", 0).labels["normal"][0] != 255
    assert (valid == np.isin(regions, NORMAL_CLASSES)).all()
    assert 0 < valid.mean() < 1
    assert len(set(NORMAL_CLASSES)) == 170


def test_released_arrays_have_the_papers_sizes(made):
    nyu = released.nyud_frame(NYUDv2Package(made / "nyudv2-package", (32, 32)), "test", 0, [23, 6, 32, 5, 3, 33, 4])
    assert {k: v.shape for k, v in nyu.items()} == {
        "image": (3, 448, 576), "semseg": (1, 448, 576), "depth": (1, 448, 576), "normals": (3, 448, 576),
        "edge": (1, 448, 576),
    }  # fmt: skip
    voc = released.pascal_image(Pascal(made / "pascal", (32, 32)), "test", 0, [11, 20, 5, 18, 16, 9])
    assert {k: v.shape for k, v in voc.items()} == {
        "image": (3, 512, 512), "semseg": (1, 512, 512), "normals": (3, 512, 512), "edge": (1, 512, 512),
    }  # fmt: skip
    task = released.taskonomy_view(Taskonomy(made / "taskonomy", (32, 32)), "test", 0, [14, 7, 8, 4, 6, 13, 3])
    assert {k: v.shape for k, v in task.items()} == {
        "rgb": (3, 256, 256), "normal": (3, 256, 256), "depth_zbuffer": (256, 256), "edge_occlusion": (256, 256),
        "segment_semantic": (256, 256),
    }  # fmt: skip
    assert task["depth_zbuffer"].max() == 1, "missing depth is 1 and unmasked there"
    assert released.pad(np.ones((85, 112)), (448, 576), 255).shape == (448, 576)
