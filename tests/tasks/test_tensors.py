"""Lengths and unit vectors against torch's own, gradients included."""

import pytest
import torch
import torch.nn.functional as F

from ttt_bench.tasks.tensors import SHORTEST, length, unit


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_to_normalize(dtype):
    torch.manual_seed(0)
    vectors = torch.randn(2, 3, 5, 7, dtype=dtype)
    vectors[0, :, 0, 0] = 0
    vectors[1, :, 2, 2] *= 1e-8
    vectors[1, :, 3, 3] = 255
    tolerance = {"rtol": 1e-12, "atol": 0.0} if dtype == torch.float64 else {"rtol": 1e-6, "atol": 1e-7}
    torch.testing.assert_close(unit(vectors), F.normalize(vectors, dim=1, eps=SHORTEST), **tolerance)
    torch.testing.assert_close(length(vectors), vectors.norm(dim=1), **tolerance)
    assert (unit(vectors)[0, :, 0, 0] == 0).all()


def test_gradients_equal_normalize_where_it_has_one():
    torch.manual_seed(0)
    vectors = torch.randn(2, 3, 4, 4, dtype=torch.float64).requires_grad_()
    weights = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    (mine,) = torch.autograd.grad((unit(vectors) * weights).sum(), vectors)
    (naive,) = torch.autograd.grad((F.normalize(vectors, dim=1, eps=SHORTEST) * weights).sum(), vectors)
    torch.testing.assert_close(mine, naive, rtol=1e-12, atol=1e-12)


def test_a_zero_vector_has_a_finite_gradient():
    vectors = torch.zeros(1, 3, 1, 1, requires_grad=True)
    unit(vectors).sum().backward()
    assert vectors.grad is not None
    assert vectors.grad.isfinite().all()
