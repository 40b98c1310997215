"""What every task must hold, whoever wrote it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ttt_bench.errors import UserError
from ttt_bench.tasks import TASKS, get_task
from ttt_bench.tasks.contract import Key
from ttt_bench.tasks.measure import measure
from ttt_bench.tasks.paint import limits, paint_prediction, paint_truth

CLASSES, COUNT, SIZE = 5, 6, (12, 16)
EVERY = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def label_of(task, seed=0):
    return task.made_up(COUNT, SIZE, CLASSES, generator(seed))


def outputs(task, seed=7):
    shape = task.prediction_shape(label_of(task).shape, CLASSES)
    return 2 * torch.randn(shape, generator=generator(seed))


def perfect(task, label):
    """Raw outputs that say what the label says."""
    if task.output == "classes":
        hot = torch.nn.functional.one_hot(label.clamp(0, CLASSES - 1), CLASSES).float() * 20
        return hot.movedim(-1, 1)
    known = torch.where(label == task.ignore, 0.0, label)
    return 40 * known - 20 if task.output == "probability" else known


def values(task, prediction, label):
    statistics = measure(task.name, prediction, label)
    return {m.id: float(m.compute(statistics[m.statistic].numpy()[None, None])[0]) for m in task.metrics}


@EVERY
def test_labels_have_the_shape_and_type_that_the_task_names(task):
    label = label_of(task)
    assert tuple(label.shape) == (COUNT, *task.label.shape(SIZE))
    assert label.dtype == (torch.int64 if task.output == "classes" else torch.float32)
    stored = label.numpy().astype(task.label.dtype)
    assert np.isclose(stored.astype(np.float64), label.double().numpy(), rtol=1e-3, atol=1e-3).all()
    assert torch.equal(label, label_of(task)), "made-up labels are decided by their generator"
    assert not torch.equal(label, label_of(task, 1))
    assert task.prediction_shape(label.shape, CLASSES)[1] == task.outputs(CLASSES)


@EVERY
def test_the_loss_is_a_finite_scalar_with_a_gradient_that_unlabelled_parts_do_not_reach(task):
    prediction, label = outputs(task).requires_grad_(), label_of(task)
    loss = task.loss(prediction, label)
    loss.backward()
    assert loss.shape == ()
    assert torch.isfinite(loss)
    assert prediction.grad.abs().sum() > 0
    nothing = torch.full_like(label, task.ignore)
    prediction.grad = None
    empty = task.loss(prediction, nothing)
    empty.backward()
    assert empty == 0
    assert not prediction.grad.any()


@EVERY
def test_statistics_add_up_and_every_metric_finds_its_own(task):
    prediction, label = outputs(task), label_of(task)
    whole = measure(task.name, prediction, label)
    parts = [measure(task.name, prediction[part], label[part]) for part in (slice(0, 1), slice(1, None))]
    for name, value in whole.items():
        assert name.split("/")[0] == task.name
        assert value.dtype == torch.float64
        torch.testing.assert_close(parts[0][name] + parts[1][name], value, rtol=1e-6, atol=1e-9)
    assert {m.statistic for m in task.metrics} <= set(whole)


@EVERY
def test_a_better_prediction_scores_better_in_every_metric_and_in_the_loss(task):
    label = label_of(task)
    good, bad = perfect(task, label), outputs(task, 3)
    right, wrong = values(task, good, label), values(task, bad, label)
    for metric in task.metrics:
        sign = 1 if metric.higher_is_better else -1
        assert sign * right[metric.id] > sign * wrong[metric.id], metric.id
    assert task.loss(good, label) < task.loss(bad, label)


@EVERY
def test_nothing_labelled_scores_nan_never_zero(task):
    found = values(task, outputs(task), torch.full_like(label_of(task), task.ignore))
    assert all(np.isnan(value) for value in found.values())


@EVERY
def test_metrics_map_batches_and_steps_to_steps(task):
    statistics = measure(task.name, outputs(task), label_of(task))
    for metric in task.metrics:
        one = statistics[metric.statistic].numpy()
        computed = metric.compute(np.stack([np.stack([one, one, one])] * 2))
        assert computed.shape == (3,)
        assert metric.id.startswith(f"{task.name}/")
        assert metric.display(float("nan")) == "–"


@EVERY
def test_mirrored_twice_is_the_label_and_enlarging_keeps_what_is_unknown(task):
    label = label_of(task)
    mirrored = task.mirrored(label)
    assert mirrored.shape == label.shape
    assert torch.equal(task.mirrored(mirrored), label)
    if task.extent == "image":
        assert torch.equal(mirrored, label), "a batch is not mirrored along its images"
    scale = torch.linspace(0.5, 2.0, COUNT)
    larger = task.enlarged(label, scale)
    assert torch.equal(larger == task.ignore, label == task.ignore)
    assert torch.equal(task.enlarged(label, torch.ones(COUNT)), label)


@EVERY
def test_poisoned_predictions_are_seen_and_poison_nothing_else(task):
    prediction, label = outputs(task), label_of(task)
    label = torch.where(label == task.ignore, label_of(task, 2), label)
    prediction.view(COUNT, -1)[0] = float("nan")
    statistics = measure(task.name, prediction, label)
    assert set(statistics) == set(measure(task.name, outputs(task), label))
    hidden = label.clone()
    hidden[0] = task.ignore
    clean = measure(task.name, prediction, hidden)
    assert all(torch.isfinite(value).all() for value in clean.values()), "what has no label cannot be seen"


@EVERY
def test_a_wrong_shape_is_refused(task):
    prediction, label = outputs(task), label_of(task)
    with pytest.raises(UserError, match="shape"):
        measure(task.name, prediction, label[:-1])
    with pytest.raises(UserError, match="shape"):
        measure(task.name, prediction, label[..., None])


@EVERY
def test_pictures_and_words(task):
    label, prediction = label_of(task)[0].numpy(), outputs(task)[0].numpy()
    truth, guess = paint_truth(task, label), paint_prediction(task, prediction, label)
    assert isinstance(task.key(limits(label)), Key)
    assert (truth is None) == (guess is None)
    for picture in (truth, guess):
        assert picture is None or (picture.shape == (*SIZE, 3) and picture.dtype == np.uint8)
    if task.extent == "image":
        assert truth is None, "one value per image is said, not painted"
        said = task.words(task.shown(np.asarray(prediction, dtype=np.float64)), ("cat",) * CLASSES)
        assert said
        assert "\n" not in said


@EVERY
def test_readers_hear_only_of_tasks_that_were_scored(task):
    assert task.collapsed({}) is None
    assert task.notes({}) == ()
    stored = {k: v.numpy()[None, None] for k, v in measure(task.name, outputs(task), label_of(task)).items()}
    assert task.collapsed(stored) is None
    assert all(isinstance(note, str) and note for note in task.notes(stored))


def test_names_and_ranks_are_in_one_order():
    assert list(TASKS) == ["semseg", "depth", "normal", "edge", "class"]
    assert get_task("class").ignore == -1
    with pytest.raises(UserError, match="Unknown task"):
        get_task("dpeth")
