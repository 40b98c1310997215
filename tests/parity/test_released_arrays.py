"""The S4T release's data conventions: what each does to a few pixels."""

from __future__ import annotations

import numpy as np
import pytest
from parity_adapters import s4t_arrays as released


def test_shared_classes_number_by_position():
    ids = np.array([[14, 7, 0], [3, 255, 8]], np.uint8)
    assert released.shared_classes(ids, [14, 7, 8]).tolist() == [[0, 1, 255], [255, 255, 2]]


def test_missing_depth_does_not_wrap_around():
    depth = released.taskonomy_depth(np.array([[65535, 0], [512, 5120]], np.uint16), 2)
    np.testing.assert_allclose(depth, [[1, 0], [0.563, 0.770]], atol=1e-3)


def test_taskonomy_normals_are_minus_the_decoded_vector():
    pixels = np.array([255, 0, 51], np.uint8).reshape(1, 1, 3)
    np.testing.assert_allclose(released.taskonomy_normal(pixels, 1).flatten(), [-1, 1, 0.6], atol=1e-6)
    np.testing.assert_allclose(released.taskonomy_image(pixels, 1).flatten(), [1, -1, -0.6], atol=1e-6)


def test_taskonomy_edges_are_minus_one_without_edges_and_not_clipped():
    assert (released.taskonomy_edge(np.zeros((8, 8), np.uint16), 8) == -1).all()
    assert released.taskonomy_edge(np.full((8, 8), 40960, np.uint16), 8).max() == pytest.approx(199)


def test_bilinear_resizing_of_labels_invents_classes():
    labels = np.zeros((4, 4), np.uint8)
    labels[:, 2:] = 10
    assert set(np.unique(released.resize_bilinear(labels, 4))) == {0, 10}
    assert released.resize_bilinear(labels, 2).tolist() == [[1, 9], [1, 9]]


def test_padding_is_centred_with_the_odd_line_below_and_right():
    padded = released.pad(np.ones((2, 3)), (5, 4), 9)
    assert padded.tolist() == [[9, 9, 9, 9], [1, 1, 1, 9], [1, 1, 1, 9], [9, 9, 9, 9], [9, 9, 9, 9]]


def test_nyud_labels_mark_missing_pixels():
    assert released.nyud_semseg(np.array([[0, 1, 24]], np.uint8), (1, 3), [23, 0]).tolist() == [[[255, 1, 0]]]
    depth = released.nyud_depth(np.array([[0.0, 2.5]], np.float32), (1, 4))
    assert depth.tolist() == [[[255, 255, 2.5, 255]]]


def test_normals_outside_the_valid_classes_are_masked():
    pixels = np.full((1, 2, 3), 200, np.uint8)
    masked = released.normals(pixels, (1, 3), np.array([[True, False]]))
    assert (masked[:, 0, 1:] == 255).all()
    np.testing.assert_allclose(masked[:, 0, 0], 2 * 200 / 255 - 1, rtol=1e-6)
