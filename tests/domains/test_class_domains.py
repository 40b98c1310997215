"""CIFAR and its kin, TinyImageNet and VisDA in miniature: every layout, every trap, every kind of damage."""

import os
import pickle
import shutil

import numpy as np
import pytest
from domains.class_trees import (
    WNIDS,
    batch,
    dump,
    make_cifar10,
    make_cifar100,
    make_cifar101,
    make_cifarc,
    make_tiny,
    make_tinyc,
    make_visda,
    names_its_class,
)
from tiny_sweep import SHARED

from ttt_bench.domains.catalogue import open_domain
from ttt_bench.domains.cifar.family import TEN
from ttt_bench.errors import UserError

SPLITS = ("train", "val", "test")


def opened(name, root, size=(32, 32)):
    return open_domain(name, size, {name.partition("/")[0]: root})


def read_all(domain):
    for split in SPLITS:
        for index in range(domain.length(split)):
            sample = domain.sample(split, index)
            assert sample.image.shape == (*domain.size, 3)
            assert names_its_class(domain, sample), (domain.name, split, index)
    return [domain.length(split) for split in SPLITS]


def refused(name, root, message):
    with pytest.raises(UserError) as error:
        opened(name, root)
    assert message in error.value.message, error.value.message


@pytest.mark.parametrize("as_bytes", [False, True])
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_cifar10_with_text_and_bytes_keys_and_any_protocol(tmp_path, as_bytes, protocol):
    root = make_cifar10(tmp_path / "any" / "cifar-10-batches-py", as_bytes=as_bytes, protocol=protocol)
    domain = opened("cifar10", root.parent)
    assert read_all(domain) == [90, 10, 30]
    assert domain.classes == TEN
    assert domain.scaling == "cifar10"
    np.testing.assert_array_equal(domain.sample("test", 0).image[0, 0], batch([0], 900)["data"][0][[0, 1024, 2048]])


def test_cifar10_in_part_and_with_classes_in_another_order(tmp_path):
    root = make_cifar10(tmp_path / "a", per_batch=7, batches=2)
    assert read_all(opened("cifar10", root)) == [12, 2, 30]
    turned = make_cifar10(tmp_path / "b", names=TEN[::-1])
    domain = opened("cifar10", turned)
    assert int(domain.sample("test", 0).labels["class"]) == 9, "file label 0 is the first name of the meta file"
    assert domain.classes == TEN
    (root / "batches.meta").unlink()
    assert int(opened("cifar10", shutil.move(root, tmp_path / "c")).sample("test", 3).labels["class"]) == 3


def test_splits_share_no_image(tmp_path):
    domain = opened("cifar10", make_cifar10(tmp_path))
    places = [domain._place(split, i) for split in ("train", "val", "test") for i in range(domain.length(split))]
    assert len(set(places)) == len(places) == 130


class Evil:
    def __reduce__(self):
        return os.mkdir, ("executed",)


@pytest.mark.parametrize("where", ["data_batch_2", "test_batch", "batches.meta"])
def test_a_foreign_pickle_is_refused_and_nothing_of_it_runs(run, tmp_path, monkeypatch, where):
    monkeypatch.chdir(tmp_path)
    root = make_cifar10(tmp_path / "cifar")
    dump({"data": Evil(), "labels": [0], "label_names": list(TEN)}, root / where)
    refused("cifar10", root, f"{root / where} cannot be read as a pickle of CIFAR: it names posix.mkdir")
    assert not (tmp_path / "executed").exists()
    code, out, _ = run("data", "check", root)
    assert code == 1
    assert "posix.mkdir" in out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps([1, 2]), "holds a list, not a dictionary"),
        (b"\x80\x02nonsense", "cannot be read as a pickle of CIFAR"),
        (b"", "cannot be read as a pickle of CIFAR"),
        (pickle.dumps({"data": np.zeros((2, 3072), np.uint8)}), "has no 'labels' and 'data'"),
        (pickle.dumps(batch([1, 2], 0) | {"labels": [1]}, 2), "has 2 images and 1 labels"),
        (pickle.dumps(batch([1, 10], 0), 2), "label 10 is no class"),
        (pickle.dumps({"data": np.zeros((2, 99), np.uint8), "labels": [0, 0]}, 2), "uint8 of shape (2, 99)"),
        (pickle.dumps({"data": [1], "labels": [0]}, 2), "the images are list"),
    ],
)
def test_damaged_batches_are_named(tmp_path, content, message):
    root = make_cifar10(tmp_path)
    (root / "data_batch_3").write_bytes(content)
    refused("cifar10", root, message)
    refused("cifar10", root, str(root / "data_batch_3"))


def test_cifar100_reads_the_fine_labels(tmp_path):
    domain = opened("cifar100", make_cifar100(tmp_path / "cifar-100-python").parent)
    assert read_all(domain) == [36, 4, 40]
    assert int(domain.sample("test", 3).labels["class"]) == 21


@pytest.mark.parametrize("folder", ["CIFAR-10-C", "cifar10_c", "mine", "CIFAR-10-C/test"])
def test_cifarc_rows_by_severity_in_every_folder(tmp_path, folder):
    make_cifarc(tmp_path / folder)
    root = tmp_path if folder != "mine" else tmp_path / folder
    domains = [opened(f"cifar10c/snow-{level}", root) for level in range(1, 6)]
    assert all(read_all(domain) == [0, 0, 12] for domain in domains)
    assert len({domain.fingerprint() for domain in domains}) == 5
    np.testing.assert_array_equal(domains[2].sample("test", 1).image, np.load(tmp_path / folder / "snow.npy")[25])


def test_cifarc_tells_ten_from_a_hundred_and_takes_labels_given_once(tmp_path):
    refused("cifar10c/fog-1", make_cifarc(tmp_path / "h", classes=100), "does not look like cifar10c")
    assert read_all(opened("cifar100c/fog-1", tmp_path / "h")) == [0, 0, 12]
    root = make_cifarc(tmp_path / "once")
    np.save(root / "labels.npy", np.load(root / "labels.npy")[:12].astype(np.int64))
    assert read_all(opened("cifar10c/fog-4", root)) == [0, 0, 12]


def test_cifarc_damage(run, tmp_path):
    root = make_cifarc(tmp_path / "c")
    refused("cifar10c/frost-1", root, f"{root / 'frost.npy'} does not exist")
    np.save(root / "snow.npy", np.load(root / "snow.npy")[:48])
    refused("cifar10c/snow-1", root, "48 images, which is not the same number at each of 5")
    np.save(root / "fog.npy", np.zeros((60, 32, 32, 3), np.float32))
    refused("cifar10c/fog-1", root, "is float32 of shape")
    labels = np.load(root / "labels.npy")
    for wrong, message in (
        (labels[:24], "24 labels; spatter.npy has 60"),
        (np.sort(labels), "not hold the same labels"),
    ):
        other = shutil.copytree(root, tmp_path / message[:3])
        np.save(other / "labels.npy", wrong)
        refused("cifar10c/spatter-1", other, message)
    code, out, _ = run("data", "check", root)
    assert code == 1
    assert "3 of 19 kinds" in out
    assert "frost" in out


def test_cifar101_in_both_versions(tmp_path):
    assert read_all(opened("cifar10.1", make_cifar101(tmp_path / "a/datasets").parent)) == [0, 0, 12]
    root = make_cifar101(tmp_path / "b", "v4")
    assert read_all(opened("cifar10.1", root)) == [0, 0, 12]
    other = shutil.copytree(root, tmp_path / "c")
    np.save(other / "cifar10.1_v4_labels.npy", np.arange(5))
    refused("cifar10.1", other, "has 5 labels")


@pytest.mark.parametrize("sorted_val", [False, True])
@pytest.mark.parametrize("images", [False, True])
def test_tinyimagenet_flat_and_sorted_with_grey_pictures(tmp_path, sorted_val, images):
    root = make_tiny(tmp_path / "tiny-imagenet-200", sorted_val, images)
    domain = opened("tinyimagenet", root.parent, (64, 64))
    assert domain.classes == tuple(sorted(WNIDS)), "not the order of wnids.txt"
    assert [domain.length(split) for split in SPLITS] == [32, 4, 12]
    grey = 0
    for split in SPLITS:
        for index in range(domain.length(split)):
            sample = domain.sample(split, index)
            flat = bool((sample.image == sample.image[..., :1]).all())
            grey += flat
            assert flat or names_its_class(domain, sample)
    assert grey == 1


def test_tinyimagenet_damage(tmp_path):
    root = make_tiny(tmp_path)
    annotations = root / "val/val_annotations.txt"
    text = annotations.read_text()
    annotations.write_text(text.replace(WNIDS[0], "n99999999", 1))
    refused("tinyimagenet", root, "val_annotations.txt, line 1: 'n99999999' is no class")
    annotations.unlink()
    refused("tinyimagenet", root, "nothing tells the labels")


def test_tinyimagenetc_and_its_missing_severity(run, tmp_path):
    root = make_tinyc(tmp_path / "Tiny-ImageNet-C")
    assert read_all(opened("tinyimagenetc/frost-3", tmp_path, (64, 64))) == [0, 0, 6]
    shutil.rmtree(root / "fog/4")
    refused("tinyimagenetc/fog-4", root, str(root / "fog/4"))
    code, out, _ = run("data", "check", root)
    assert code == 1
    assert str(root / "fog/4") in out


def test_visda_by_folders_and_by_list(tmp_path):
    root = make_visda(tmp_path)
    assert read_all(opened("visda/train", root)) == [96, 12, 12]
    assert read_all(opened("visda/validation", root)) == [0, 0, 12]
    assert read_all(opened("visda/test", root)) == [0, 0, 12]
    (root / "test/image_list.txt").write_text("trunk00/0.jpg 12\n")
    refused("visda/test", shutil.copytree(root, tmp_path / "other"), "line 1: 'trunk00/0.jpg 12' is not a path")


def test_healthy_trees_pass_the_check(run, tmp_path):
    make_cifar10(tmp_path / "a")
    make_cifar100(tmp_path / "b")
    make_cifarc(tmp_path / "c")
    make_cifarc(tmp_path / "d", classes=100)
    make_cifar101(tmp_path / "e")
    make_tiny(tmp_path / "f")
    make_tinyc(tmp_path / "g")
    make_visda(tmp_path / "h")
    code, out, _ = run("data", "check", tmp_path)
    assert code == 0, out
    assert out.count("nothing is wrong") == 8
    for text in (
        "cifar10-batches in", "cifar100-batches in", "cifar10c in", "cifar100c in", "cifar10.1 in", "tinyimagenet in",
        "tinyimagenetc in", "visda in", "train: 100 images", "a part of the data set", "read from cifar10.1_v6_data",
    ):  # fmt: skip
        assert text in out


@pytest.mark.skipif(not (SHARED / "data/cifar10").is_dir(), reason="the small CIFAR-10 is not there")
def test_the_real_small_cifar10():
    domain = opened("cifar10", SHARED / "data/cifar10")
    assert [domain.length(split) for split in SPLITS] == [3600, 400, 1000]
    labels = [int(domain.sample("test", i).labels["class"]) for i in range(1000)]
    assert np.bincount(labels).tolist() == [103, 89, 100, 103, 90, 86, 112, 102, 106, 109]
    assert [domain.classes[label] for label in labels[:4]] == ["cat", "ship", "ship", "airplane"]


def test_a_batch_that_was_copied_over_another_is_doubted(run, tmp_path):
    root = make_cifar10(tmp_path / "cifar", per_batch=20)
    assert opened("cifar10", root).doubts() == ()
    shutil.copy(root / "data_batch_2", root / "test_batch")
    [doubt] = opened("cifar10", shutil.copytree(root, tmp_path / "again")).doubts()
    assert "20 pictures are in two splits: val 2 = test 0" in doubt
    code, out, _ = run("data", "check", tmp_path / "again")
    assert code == 1
    assert "20 pictures are in two splits" in out


@pytest.mark.parametrize(
    ("labels", "doubted"), [(range(10), False), (range(1, 10), True), (range(9), True), (range(1, 9), True)]
)
def test_labels_that_seem_to_count_from_elsewhere_are_doubted(tmp_path, labels, doubted):
    root = make_cifar101(tmp_path)
    ids = np.resize(np.array(labels), 400)
    np.save(root / "cifar10.1_v6_labels.npy", ids)
    np.save(root / "cifar10.1_v6_data.npy", np.zeros((400, 32, 32, 3), np.uint8))
    assert bool(opened("cifar10.1", root).doubts()) == doubted


def test_the_order_of_the_classes_and_every_pixel_count_in_fingerprints(tmp_path):
    root = make_cifar10(tmp_path / "a")
    prints = {opened("cifar10", root).fingerprint()}
    content = pickle.loads((root / "test_batch").read_bytes())
    content["data"][3, 5] ^= 1
    changed = shutil.copytree(root, tmp_path / "b")
    dump(content, changed / "test_batch")
    renamed = shutil.copytree(root, tmp_path / "c")
    dump({"label_names": list(TEN[::-1])}, renamed / "batches.meta")
    prints |= {opened("cifar10", each).fingerprint() for each in (changed, renamed)}
    assert len(prints) == 3
    assert opened("cifar10", shutil.copytree(root, tmp_path / "d")).fingerprint() in prints
    corrupted = make_cifarc(tmp_path / "e")
    assert len({opened(f"cifar10c/fog-{level}", corrupted).fingerprint() for level in range(1, 6)}) == 5
