"""Pictures of labels and of raw outputs."""

from __future__ import annotations

import numpy as np
import pytest

from ttt_bench.errors import UserError
from ttt_bench.tasks import TASKS, track_tasks
from ttt_bench.tasks.paint import colour_scale, limits, paint_prediction, paint_truth, palette


def test_semseg_logits_get_their_classes_colour():
    logits = np.zeros((3, 2, 2))
    logits[[0, 1, 2, 1], [0, 0, 1, 1], [0, 1, 0, 1]] = 5.0
    picture = paint_prediction(TASKS["semseg"], logits)
    np.testing.assert_array_equal(picture, palette(3)[np.array([[0, 1], [2, 1]])])
    np.testing.assert_array_equal(paint_truth(TASKS["semseg"], np.array([[0, 1], [2, 1]])), picture)


def test_prediction_is_faded_where_there_is_no_truth():
    logits = np.zeros((2, 1, 2))
    plain = paint_prediction(TASKS["semseg"], logits)
    faded = paint_prediction(TASKS["semseg"], logits, truth=np.array([[0, 255]]))
    np.testing.assert_array_equal(faded[0, 0], plain[0, 0])
    assert (faded[0, 1] > plain[0, 1]).any()
    assert (faded[0, 1] >= plain[0, 1]).all()
    assert faded[0, 1].min() > 150


@pytest.mark.parametrize("task", track_tasks("dense"))
def test_invalid_truth_is_dark(task):
    channels = 1 if task == "semseg" else TASKS[task].channels
    picture = paint_truth(TASKS[task], np.full((channels, 4, 5), 255.0))
    assert picture.shape == (4, 5, 3)
    assert picture.dtype == np.uint8
    assert picture.max() < 100


def test_normals_are_normalised_and_shifted():
    output = np.zeros((3, 1, 2))
    output[:, 0, 0] = 0, 0, 7.0
    output[:, 0, 1] = -3.0, 0, 0
    np.testing.assert_array_equal(paint_prediction(TASKS["normal"], output)[0], [[128, 128, 255], [0, 128, 128]])


def test_edges_are_sigmoids_dark_on_white():
    picture = paint_prediction(TASKS["edge"], np.array([[-1000.0, 0.0, 1000.0]]))
    np.testing.assert_array_equal(picture[0, :, 0], [255, 127, 0])
    assert (picture[..., 0] == picture[..., 1]).all()


def test_depth_shares_its_scale():
    truth = np.array([[1.0, 3.0, 255.0]])
    assert limits(truth) == (1.0, 3.0)
    shared = paint_prediction(TASKS["depth"], np.array([[1.0, 3.0, 2.0]]), scale=limits(truth))
    scale = colour_scale(3)
    np.testing.assert_array_equal(shared[0], [scale[0], scale[2], scale[1]])
    np.testing.assert_array_equal(paint_truth(TASKS["depth"], truth)[0, :2], shared[0, :2])
    beyond = paint_prediction(TASKS["depth"], np.array([[-9.0, 99.0]]), scale=(1.0, 3.0))
    np.testing.assert_array_equal(beyond[0], [scale[0], scale[2]])


def test_limits_of_nothing_and_of_a_constant():
    assert limits(np.full((2, 2), 255.0)) == (0.0, 1.0)
    assert limits(np.full((2, 2), 7.0)) == (7.0, 8.0)


@pytest.mark.parametrize("task", track_tasks("dense"))
def test_a_network_that_blew_up_is_painted_dark(task):
    output = np.full((TASKS[task].channels or 3, 3, 3), np.nan, dtype=np.float16)
    assert paint_prediction(TASKS[task], output).max() < 100


def test_palette_is_distinct_for_many_classes():
    assert len({tuple(c) for c in palette(40).tolist()}) == 40
    assert palette(50).shape == (50, 3)


@pytest.mark.parametrize(("task", "shape"), [("depth", (2, 4, 4)), ("normal", (4, 4)), ("edge", (1, 1, 4, 4))])
def test_wrong_shapes_are_refused(task, shape):
    with pytest.raises(UserError, match="cannot be painted"):
        paint_prediction(TASKS[task], np.zeros(shape))
