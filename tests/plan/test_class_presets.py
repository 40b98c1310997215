"""The presets of the class track: published files in every layout, what they train with, and what they forecast."""

import pytest
import torch
from domains.class_trees import make_cifar10, make_cifar100, make_cifarc, make_tiny, make_tinyc

from ttt_bench.domains.corruptions.tables import TEST_KINDS
from ttt_bench.domains.pairs import expand_pairs
from ttt_bench.errors import UserError
from ttt_bench.forecast.cost import encoder_seconds
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.plan.sweep import PRESETS
from ttt_bench.samples.augmentation import AUGMENTATIONS, augment_images_and_labels
from ttt_bench.source.loop import scheduled_rate, training_optimizer
from ttt_bench.source.spec import TRAINING_PRESETS

TINY = ["--batch-size", "4", "--steps", "1", "--eval-steps", "0,1", "--train-iterations", "2", "--train-samples", "8",
        "--fit-iterations", "1", "--backbone", "resnet26", "--seeds", "1", "--training", "shared"]  # fmt: skip


def place(tmp_path, layout):
    clean, corrupted = {
        "plain": ("c10", "c10c"),
        "unpacked": ("c10/cifar-10-batches-py", "c10c/CIFAR-10-C"),
        "underscored": ("c10/cifar-10-batches-py", "c10c/cifar10_c/test"),
    }[layout]
    make_cifar10(tmp_path / clean, per_batch=4, batches=2)
    make_cifarc(tmp_path / corrupted, TEST_KINDS, count=5)
    return f"cifar10={tmp_path / 'c10'},cifar10c={tmp_path / 'c10c'}"


@pytest.mark.parametrize("layout", ["plain", "unpacked", "underscored"])
def test_cifar10c_is_planned_in_every_layout(run, tmp_path, layout):
    code, out, error = run("plan", "--preset", "cifar10c", "--methods", "cta,tent", "--data", place(tmp_path, layout))
    assert code == 0, error
    assert "15 pairs, 3 source networks" in out
    assert "180 cells" in out
    assert "cost: about" in out


def test_cifar10c_is_swept_as_a_user_types_it(run, tmp_path):
    data = place(tmp_path, "unpacked")
    code, out, error = run(
        "sweep", "--preset", "cifar10c", "--data", data, "--methods", "tent", *TINY, "--no-figures", "--pairs",
        "cifar10->cifar10c/fog-5,cifar10->cifar10c/snow-5", "--pixels", "ets",
    )  # fmt: skip
    assert code == 0, out + error
    assert "cifar10->cifar10c/fog-5" in out


def test_the_others_are_planned_too(run, tmp_path):
    make_cifar100(tmp_path / "c100")
    make_cifarc(tmp_path / "c100c", TEST_KINDS, count=100, classes=100)
    make_tiny(tmp_path / "tiny")
    make_tinyc(tmp_path / "tinyc", TEST_KINDS)
    for preset, data in (
        ("cifar100c", f"cifar100={tmp_path / 'c100'},cifar100c={tmp_path / 'c100c'}"),
        ("tinyimagenetc", f"tinyimagenet={tmp_path / 'tiny'},tinyimagenetc={tmp_path / 'tinyc'}"),
    ):
        code, out, error = run("plan", "--preset", preset, "--methods", "tent", "--data", data)
        assert code == 0, error
        assert "15 pairs" in out


def test_the_small_one_takes_six_kinds_and_three_seeds_of_cifar10_alone(run, tmp_path):
    make_cifar10(tmp_path / "c10", per_batch=60, batches=5)
    code, out, error = run("plan", "--preset", "cifar-small", "--data", f"cifar10={tmp_path / 'c10'}")
    assert code == 0, error
    assert "6 pairs, 3 source networks" in out
    assert {"pairs", "network", "source_training"} <= PRESETS["cifar-small"].keys()


def test_shorthands_of_published_files():
    [*names] = expand_pairs(["cifar10->cifar10c/all-5"])
    assert names == [f"cifar10->cifar10c/{kind}-5" for kind in TEST_KINDS]
    assert len(expand_pairs(["a->b/all-1-5"])) == 75
    assert len(expand_pairs(["a->b/validation-3"])) == 4
    assert expand_pairs(["folder/all->folder/allergy"]) == ("folder/all->folder/allergy",)
    for wrong in ("a->b/all-", "a->b/all-5-1", "a->b/all-6", "a->b+all"):
        with pytest.raises(UserError):
            expand_pairs([wrong])


def test_rates_by_schedule():
    steps = TRAINING_PRESETS["ets"]
    rates = [scheduled_rate(steps, round(share * steps.iterations)) for share in (0, 0.42, 0.43, 0.71, 0.72)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001])
    small = TRAINING_PRESETS["small"]
    assert scheduled_rate(small, 350) == pytest.approx(small.lr / 2)
    assert isinstance(training_optimizer([torch.nn.Parameter(torch.zeros(1))], steps), torch.optim.SGD)


def test_crops_out_of_a_black_border_keep_labels_of_images_and_mark_those_of_maps():
    images = torch.full((40, 3, 8, 8), 0.5)
    labels = {"class": torch.arange(40) % 10, "semseg": torch.ones(40, 8, 8, dtype=torch.int64)}
    moved, changed = augment_images_and_labels(images, labels, AUGMENTATIONS["crop"], torch.Generator().manual_seed(0))
    assert moved.shape == images.shape
    outside = moved[:, 0] == 0
    assert 0.2 < outside.float().mean() < 0.7
    assert torch.equal(changed["class"], labels["class"])
    assert torch.equal(changed["semseg"] == 255, outside)


def test_small_images_at_full_size_cost_as_much_as_they_do():
    whole, reduced = (
        encoder_seconds(NetworkConfig("resnet10", "linear", stem=stem), (32, 32), 16) for stem in ("cifar", "imagenet")
    )
    # Measured on one core of the reference machine: 0.28 s and 0.055 s; the figures are for two.
    assert 0.1 < whole < 0.25
    assert 0.01 < reduced < 0.06
