"""The fast moments against torch's own, values and gradients."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ttt_bench.toolbox.moments import batch_moments, channel_moments

SHAPES = st.tuples(st.integers(2, 5), st.integers(1, 4), st.integers(1, 5), st.integers(1, 5))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("ours", "over"), [(batch_moments, (0,)), (channel_moments, (0, 2, 3))])
@given(shape=SHAPES, seed=st.integers(0, 99), double=st.booleans())
@settings(max_examples=25, deadline=None)
def test_equal_to_var_mean(layout, ours, over, shape, seed, double):
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(shape, generator=generator, dtype=torch.float64 if double else torch.float32) + 3
    maps = maps.contiguous(memory_format=layout).requires_grad_()
    mean, var = ours(maps)
    naive_var, naive_mean = torch.var_mean(maps, over, correction=1, keepdim=True)
    tolerance = {"rtol": 1e-12, "atol": 1e-12} if double else {"rtol": 1e-5, "atol": 1e-5}
    torch.testing.assert_close(mean, naive_mean[0], **tolerance)
    torch.testing.assert_close(var, naive_var[0], **tolerance)
    weights = torch.randn(2, *mean.shape, generator=generator, dtype=maps.dtype)
    (mine,) = torch.autograd.grad((mean * weights[0] + var * weights[1]).sum(), maps)
    (naive,) = torch.autograd.grad((naive_mean[0] * weights[0] + naive_var[0] * weights[1]).sum(), maps)
    torch.testing.assert_close(mine, naive, **tolerance)


def test_the_input_may_be_overwritten_after_the_call():
    maps = torch.randn(3, 2, 4, 4).requires_grad_()
    copy = maps * 1
    _, var = batch_moments(copy)
    copy.relu_()
    (mine,) = torch.autograd.grad(var.sum(), maps)
    (naive,) = torch.autograd.grad(maps.var(0).sum(), maps)
    torch.testing.assert_close(mine, naive)


def test_a_second_derivative_is_refused():
    maps = torch.randn(3, 2, 4, 4).requires_grad_()
    weight = torch.ones(2, 4, 4, requires_grad=True)
    (gradient,) = torch.autograd.grad((weight * batch_moments(maps)[1]).sum(), maps, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_moments_keep_the_layout_of_their_maps():
    maps = torch.randn(3, 4, 5, 6).contiguous(memory_format=torch.channels_last)
    mean, var = batch_moments(maps)
    assert mean[None].is_contiguous(memory_format=torch.channels_last)
    assert var[None].is_contiguous(memory_format=torch.channels_last)
