"""The fused heads equal the naive concatenation, values and gradients."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from ttt_bench.networks.catalogue import make_network
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.networks.fused import ConcatConv1x1, fused_conv1x1


def naive_conv1x1(levels, weight, bias, grid):
    up = [F.interpolate(level, size=grid, mode="bilinear", align_corners=False) for level in levels]
    return F.conv2d(torch.cat(up, 1), weight, bias)


def make_levels(batch, size, channels, dtype, seed=0):
    generator = torch.Generator().manual_seed(seed)
    h, w = size
    return [
        torch.randn(batch, c, max(1, -(-h // s)), max(1, -(-w // s)), generator=generator, dtype=dtype)
        .requires_grad_()
        for c, s in zip(channels, (1, 2, 4, 8), strict=True)
    ]  # fmt: skip


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 2e-5)])
@pytest.mark.parametrize("bias", [True, False])
def test_fused_equals_naive_with_gradients(dtype, tolerance, bias, device):
    levels = [each.detach().to(device).requires_grad_() for each in make_levels(2, (16, 24), (4, 8, 16, 32), dtype)]
    weight = torch.randn(12, 60, 1, 1, dtype=dtype, device=device, requires_grad=True)
    offset = torch.randn(12, dtype=dtype, device=device, requires_grad=True) if bias else None
    results = []
    for form in (fused_conv1x1, naive_conv1x1):
        output = form(levels, weight, offset, (16, 24))
        inputs = [*levels, weight] + ([offset] if bias else [])
        direction = torch.linspace(-1, 1, output.numel(), dtype=dtype, device=device).view_as(output)
        results.append([output, *torch.autograd.grad((output * direction).sum(), inputs)])
    for fused, naive in zip(*results, strict=True):
        torch.testing.assert_close(
            fused, naive, rtol=tolerance, atol=tolerance * max(1.0, float(naive.detach().abs().max()))
        )


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9), st.integers(1, 5))
def test_fused_equals_naive_on_any_shape(batch, height, width, outputs):
    levels = make_levels(batch, (height, width), (2, 3, 4, 5), torch.float64, seed=height * 10 + width)
    weight, bias = torch.randn(outputs, 14, 1, 1, dtype=torch.float64), torch.randn(outputs, dtype=torch.float64)
    torch.testing.assert_close(
        fused_conv1x1(levels, weight, bias, (height, width)), naive_conv1x1(levels, weight, bias, (height, width))
    )


def test_initialisation_is_that_of_a_plain_convolution():
    torch.manual_seed(3)
    fused = ConcatConv1x1((4, 8, 16, 32), 7)
    torch.manual_seed(3)
    plain = torch.nn.Conv2d(60, 7, 1)
    assert torch.equal(fused.weight, plain.weight)
    assert torch.equal(fused.bias, plain.bias)


def test_parameter_count_is_the_papers():
    network = make_network(NetworkConfig("resnet50", "linear"), {"semseg": 7, "depth": 1, "normal": 3, "edge": 1})
    assert sum(p.numel() for p in network.parameters()) == 23_554_124


@pytest.mark.parametrize("heads", ["linear", "conv"])
def test_network_equals_head_by_head_evaluation(heads):
    torch.manual_seed(0)
    network = make_network(NetworkConfig("resnet10", heads, hidden=8), {"semseg": 5, "depth": 1, "edge": 1}).eval()
    images = torch.randn(2, 3, 64, 96)
    features = network.features(images)
    predictions = network(images)
    for task, head in network.heads.items():
        naive = naive_conv1x1(features, head.reduce.weight, head.reduce.bias, (16, 24))
        expected = F.interpolate(head.finish(naive), size=(64, 96), mode="bilinear", align_corners=False)
        torch.testing.assert_close(predictions[task], expected, rtol=1e-4, atol=1e-5)


def test_predictions_have_the_size_of_odd_images():
    network = make_network(NetworkConfig("resnet10", "linear"), {"semseg": 5}).eval()
    assert network(torch.randn(1, 3, 75, 51))["semseg"].shape == (1, 5, 75, 51)


def test_encoder_is_torchvisions():
    from torchvision.models import resnet18

    from ttt_bench.networks.resnet import ResNetEncoder

    theirs, ours = resnet18(weights=None).eval(), ResNetEncoder("resnet18").eval()
    missing, unexpected = ours.load_state_dict(theirs.state_dict(), strict=False)
    assert not missing
    assert set(unexpected) == {"fc.weight", "fc.bias"}
    images = torch.randn(1, 3, 64, 64)
    deepest = theirs.layer4(theirs.layer3(theirs.layer2(theirs.layer1(
        theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(images))))))))  # fmt: skip
    assert torch.equal(ours(images)[-1], deepest)
