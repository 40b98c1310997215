"""The measuring side: statistics by hand, against plain loops, and through the scores."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ttt_bench.errors import UserError
from ttt_bench.tasks import get_task, track_tasks
from ttt_bench.tasks import statistics as scores
from ttt_bench.tasks.edge import BINS as EDGE_BINS
from ttt_bench.tasks.measure import angles, measure, moments

CLASSES = 5


def measure_all(predictions, labels):
    parts = [measure(task, prediction, labels[task]) for task, prediction in predictions.items()]
    return {name: value for part in parts for name, value in part.items()}


def batch(seed=0, shape=(2, 7, 9)):
    rng = torch.Generator().manual_seed(seed)
    b, h, w = shape
    channels = {"semseg": CLASSES, "depth": 1, "normal": 3, "edge": 1}
    predictions = {t: 2 * torch.randn((b, c, h, w), generator=rng) for t, c in channels.items()}
    labels = {
        "semseg": torch.randint(0, CLASSES, (b, h, w), generator=rng, dtype=torch.uint8),
        "depth": 5 * torch.rand((b, 1, h, w), generator=rng),
        "normal": torch.nn.functional.normalize(torch.randn((b, 3, h, w), generator=rng), dim=1),
        "edge": (torch.rand((b, 1, h, w), generator=rng) < 0.3).float(),
    }
    hidden = torch.rand((b, h, w), generator=rng) < 0.2
    labels["semseg"][hidden] = 255
    for task in ("depth", "normal", "edge"):
        labels[task][hidden.unsqueeze(1).expand_as(labels[task])] = 255
    return predictions, labels, ~hidden


def test_confusion_counts_every_valid_pixel_once_with_the_truth_in_rows():
    predictions, labels, valid = batch()
    got = measure("semseg", predictions["semseg"], labels["semseg"])["semseg/confusion"]
    want = np.zeros((CLASSES, CLASSES))
    for p, g in zip(predictions["semseg"].argmax(1)[valid], labels["semseg"][valid], strict=True):
        want[int(g), int(p)] += 1
    np.testing.assert_array_equal(got, want)
    assert got.dtype == torch.float64
    assert not np.array_equal(want, want.T), "the example must tell rows from columns"


@pytest.mark.parametrize("stray", [CLASSES, 254, 300])
def test_a_class_id_out_of_range_is_an_error(stray):
    predictions, labels, _ = batch()
    label = labels["semseg"].long()
    label[0, 0, 0] = stray
    with pytest.raises(UserError, match="neither one of 5 classes"):
        measure("semseg", predictions["semseg"], label)


def test_depth_is_clamped_at_zero_and_pooled_over_the_batch():
    predictions, labels, valid = batch()
    got = measure("depth", predictions["depth"], labels["depth"])["depth/moments"].numpy()
    p = predictions["depth"][:, 0][valid].double().clamp(min=0).numpy()
    g = labels["depth"][:, 0][valid].double().numpy()
    np.testing.assert_allclose(got, [len(p), p.sum(), g.sum(), p @ p, p @ g, g @ g], rtol=1e-12)
    rmse = scores.rmse(got[None, None])
    np.testing.assert_allclose(rmse, math.sqrt(((p - g) ** 2).mean()), rtol=1e-12)
    a, b = np.polyfit(p, g, 1)
    aligned = scores.rmse_aligned(got[None, None])
    np.testing.assert_allclose(aligned, math.sqrt(((a * p + b - g) ** 2).mean()), rtol=1e-9)


def test_angles_by_hand():
    x, y = [1.0, 0, 0], [0, 3.0, 0]
    tilt = [math.cos(math.radians(20)), math.sin(math.radians(20)), 0]
    pairs = [(x, x), (x, y), (x, [-2.0, 0, 0]), (tilt, x), ([0, 0, 0], x), ([0, 0, 0], [0, 0, 0])]
    p = torch.tensor([p for p, _ in pairs]).T.reshape(1, 3, 1, -1)
    g = torch.tensor([g for _, g in pairs]).T.reshape(1, 3, 1, -1)
    n, total, *within = angles(p, g).tolist()
    assert n == 6
    assert total == pytest.approx(0 + 90 + 180 + 20 + 90 + 0, abs=1e-3)
    assert within == [2, 3, 3]


def test_angle_agrees_with_the_arc_cosine_and_ignores_length():
    predictions, labels, valid = batch()
    got = measure("normal", 7 * predictions["normal"], labels["normal"])["normal/angles"]
    p = torch.nn.functional.normalize(predictions["normal"].double(), dim=1)
    cosine = (p * labels["normal"].double()).sum(1)[valid].clamp(-1, 1)
    degrees = torch.rad2deg(torch.acos(cosine))
    assert got[0] == valid.sum()
    assert got[1].item() == pytest.approx(degrees.sum().item(), rel=1e-5)
    assert got[4] == (degrees <= 30).sum()


def test_one_invalid_channel_drops_the_normal_of_the_pixel():
    predictions, labels, valid = batch()
    label = labels["normal"].clone()
    where = valid.nonzero()[0]
    label[where[0], 1, where[1], where[2]] = 255
    assert measure("normal", predictions["normal"], label)["normal/angles"][0] == valid.sum() - 1


def test_edge_statistics_are_of_the_probability():
    predictions, labels, valid = batch()
    got = measure("edge", predictions["edge"], labels["edge"])
    p = torch.sigmoid(predictions["edge"].double())[:, 0][valid].numpy()
    g = labels["edge"][:, 0][valid].double().numpy()
    np.testing.assert_allclose(got["edge/moments"], [len(p), p.sum(), g.sum(), p @ p, p @ g, g @ g], rtol=1e-12)
    for row, selected in enumerate((p[g == 0], p[g == 1])):
        want, _ = np.histogram(selected, bins=EDGE_BINS, range=(0, 1))
        np.testing.assert_array_equal(got["edge/histogram"][row], want)


def test_saturated_probabilities_stay_in_the_outer_bins():
    logit = torch.tensor([-1e4, 1e4, float("nan")]).view(1, 1, 1, 3)
    histogram = measure("edge", logit, torch.tensor([0.0, 1, 0]).view(1, 1, 1, 3))["edge/histogram"]
    assert histogram[0, 0] == 2
    assert histogram[1, -1] == 1
    assert histogram.sum() == 3


def test_splitting_the_batch_changes_no_pooled_statistic():
    predictions, labels, _ = batch(shape=(4, 8, 6))
    whole = measure_all(predictions, labels)
    halves = [
        measure_all({t: p[part] for t, p in predictions.items()}, {t: x[part] for t, x in labels.items()})
        for part in (slice(0, 1), slice(1, 4))
    ]
    for name, value in whole.items():
        torch.testing.assert_close(halves[0][name] + halves[1][name], value, rtol=1e-6, atol=1e-9)


def test_every_metric_finds_its_statistic():
    predictions, labels, _ = batch()
    statistics = measure_all(predictions, labels)
    for task in map(get_task, track_tasks("dense")):
        for metric in task.metrics:
            value = metric.compute(statistics[metric.statistic].numpy()[None, None])
            assert value.shape == (1,)
            assert np.isfinite(value).all()


def test_nothing_valid_scores_nan_never_zero():
    predictions, labels, _ = batch()
    statistics = measure_all(predictions, {t: torch.full_like(label, 255) for t, label in labels.items()})
    for task in map(get_task, track_tasks("dense")):
        for metric in task.metrics:
            assert np.isnan(metric.compute(statistics[metric.statistic].numpy()[None, None])).all(), metric.id


def test_invalid_pixels_never_poison_the_sums():
    prediction = torch.tensor([1.0, float("inf")]).view(1, 1, 1, 2)
    got = moments(prediction, torch.tensor([2.0, 255.0]).view(1, 1, 1, 2))
    assert got.tolist() == [1, 1, 2, 1, 2, 4]


def test_bad_input_says_what_was_expected():
    with pytest.raises(UserError, match="depth"):
        measure("dept", torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2))
    with pytest.raises(UserError, match="shape"):
        measure("semseg", torch.zeros(1, 5, 2, 2), torch.zeros(1, 1, 2, 2))
