"""One class per image: statistics and scores against torchmetrics, and what maps have and this has not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_calibration_error

from ttt_bench.errors import UserError
from ttt_bench.samples.augmentation import AUGMENTATIONS, augment_images_and_labels
from ttt_bench.tasks import get_task
from ttt_bench.tasks.measure import measure
from ttt_bench.tasks.supervision import Supervision

TASK = get_task("class")


def batch(seed=0, images=300, classes=10):
    rng = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(images, classes, generator=rng)
    return logits, torch.randint(0, classes, (images,), generator=rng)


def scores(logits, label):
    statistics = measure("class", logits, label)
    return {m.id: float(m.compute(statistics[m.statistic].numpy()[None, None])[0]) for m in TASK.metrics}


@pytest.mark.parametrize("seed", range(5))
def test_metrics_are_those_of_torchmetrics(seed):
    logits, label = batch(seed)
    got = scores(logits, label)
    accuracy = float(multiclass_accuracy(logits, label, 10, average="micro"))
    assert got["class/accuracy"] == pytest.approx(accuracy, abs=1e-7)
    assert got["class/error"] == pytest.approx(1 - accuracy, abs=1e-7)
    calibration = float(multiclass_calibration_error(logits.softmax(1), label, 10, n_bins=15, norm="l1"))
    assert got["class/ece"] == pytest.approx(calibration, abs=1e-6)
    assert got["class/nll"] == pytest.approx(float(torch.nn.functional.cross_entropy(logits, label)), abs=1e-6)
    assert float(TASK.loss(logits, label)) == pytest.approx(got["class/nll"], abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 999), st.integers(1, 29), st.integers(2, 300))
def test_statistics_add_up_over_batches(seed, cut, classes):
    logits, label = batch(seed, 30, classes)
    label[::7] = -1
    whole, first, second = (
        measure("class", logits[part], label[part]) for part in (slice(None), slice(0, cut), slice(cut, None))
    )
    for name, value in whole.items():
        torch.testing.assert_close(first[name] + second[name], value, rtol=1e-9, atol=1e-9)


def test_the_two_hundred_and_fifty_fifth_class_is_a_class():
    label = torch.tensor([254, 255, 256, -1])
    logits = torch.nn.functional.one_hot(label.clamp(min=0), 300).float() * 9
    logits[3, 5] = 99.0
    assert scores(logits, label)["class/accuracy"] == 1.0
    assert measure("class", logits, label)["class/counts"][:, 0].nonzero().flatten().tolist() == [254, 255, 256]
    wrong = logits.clone()
    wrong[1] = logits[0]
    assert scores(wrong, label)["class/accuracy"] == pytest.approx(2 / 3)
    assert TASK.loss(wrong, label) > TASK.loss(logits, label)


def test_images_without_a_label_change_nothing():
    logits, label = batch()
    hidden = label.clone()
    hidden[100:] = -1
    assert scores(logits, hidden) == pytest.approx(scores(logits[:100], label[:100]))
    assert float(TASK.loss(logits, hidden)) == pytest.approx(float(TASK.loss(logits[:100], label[:100])))


@pytest.mark.parametrize("stray", [10, 255, -2])
def test_what_is_no_class_is_refused(stray):
    logits, label = batch()
    label[3] = stray
    with pytest.raises(UserError, match="neither one of 10 classes nor -1"):
        measure("class", logits, label)


def test_a_map_of_classes_is_no_label():
    logits, label = batch(images=8)
    with pytest.raises(UserError, match="no shape"):
        measure("class", logits, label.view(8, 1, 1).expand(8, 2, 2))
    with pytest.raises(UserError, match="prediction has shape"):
        measure("class", logits[:, :, None, None], label)


def test_a_network_that_blew_up_shows_in_its_statistics():
    logits, label = batch(images=8)
    logits[0, 0] = float("nan")
    assert torch.isnan(measure("class", logits, label)["class/nll"]).any()


@pytest.mark.parametrize("recipe", ["light", "paper"])
def test_augmentation_leaves_classes_at_their_images(recipe):
    label = torch.arange(6)
    images = label.view(6, 1, 1, 1).expand(6, 3, 8, 8) / 10
    plain = AUGMENTATIONS[recipe].__class__(flip=0.5, scale=AUGMENTATIONS[recipe].scale)
    for seed in range(4):
        rng = torch.Generator().manual_seed(seed)
        changed, labels = augment_images_and_labels(images, {"class": label}, plain, rng)
        assert torch.equal(labels["class"], label)
        assert torch.allclose(changed.amax((1, 2, 3)), images[:, 0, 0, 0])


def test_collapse_is_seen_where_one_class_takes_all():
    counts = np.zeros((1, 3, 10, 3))
    counts[0, 0, :, 2] = 10
    counts[0, 1, :, 2] = 10
    counts[0, 2, 4, 2] = 100
    column, reason = TASK.collapsed({"class/counts": counts})
    assert (column, reason) == (2, "100.0 % of all images are predicted as one class")
    assert TASK.collapsed({"class/counts": counts[:, :2]}) is None
    assert TASK.collapsed({}) is None


def test_words_name_the_class():
    assert TASK.words(np.array([1.0]), ("cat", "dog")) == "dog"
    assert TASK.words(TASK.shown(np.array([5.0, 1.0])), ("cat", "dog")) == "cat"
    assert TASK.words(np.array([-1.0]), ("cat", "dog")) == "no label"


def test_the_release_has_no_loss_for_it():
    with pytest.raises(UserError, match="no loss for the task 'class'"):
        Supervision(("class",), "taskonomy")
