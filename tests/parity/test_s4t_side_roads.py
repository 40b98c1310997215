"""Losses and estimators of the S4T release that no number here rests on are what they are said to be."""

import numpy as np
import pytest
import torch
from parity_adapters.s4t_side_roads import align, mtinet_normal, present

from ttt_bench.tasks import statistics as scores
from ttt_bench.tasks.measure import moments


def test_mtinet_divides_by_entries():
    prediction, label = torch.tensor([0.0, 0, 2]).view(1, 3, 1, 1), torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1)
    assert float(mtinet_normal(prediction, label)) == pytest.approx(2 / 3)
    label[0, 1] = 255
    assert float(mtinet_normal(prediction, label)) == 1


def test_alignment_is_least_squares_and_agrees_with_the_moments():
    rng = torch.Generator().manual_seed(0)
    p, g = torch.randn(2, 1, 4, 5, generator=rng), torch.randn(2, 1, 4, 5, generator=rng)
    g[0, 0, 0] = 255
    valid = g != 255
    a, b = np.polyfit(p[valid].double().numpy(), g[valid].double().numpy(), 1)
    fitted = align(p, g)
    np.testing.assert_allclose(fitted[valid], a * p[valid].double() + b, rtol=1e-6, atol=1e-9)
    rmse = (fitted[valid] - g[valid]).square().mean().sqrt()
    np.testing.assert_allclose(scores.rmse_aligned(moments(p, g)[None, None].numpy()), rmse, rtol=1e-9)
    np.testing.assert_allclose(align(-7 * p + 3, g)[valid], fitted[valid], rtol=1e-5, atol=1e-6)


def test_a_constant_prediction_becomes_the_mean():
    g = torch.tensor([1.0, 2, 6]).view(1, 1, 1, 3)
    assert align(torch.full_like(g, 9), g).flatten().tolist() == [3, 3, 3]


def test_presentation_of_nyud_and_of_taskonomy():
    raw = torch.tensor([-1.0, 2.0]).view(1, 1, 1, 2)
    assert present("depth", raw).shape == (1, 1, 2, 1)
    assert present("depth", raw).min() == 0
    assert present("depth_zbuffer", raw).tolist() == [[[-1, 2]]]
    assert present("edge", torch.zeros(1, 1, 1, 1)).item() == 127.5
    assert present("normals", torch.tensor([0.0, 0, 5]).view(1, 3, 1, 1)).flatten().tolist() == [127.5, 127.5, 255]
