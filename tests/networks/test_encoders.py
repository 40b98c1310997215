"""Encoders are the published networks: parameters counted, arithmetic followed by hand."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ttt_bench.networks.catalogue import make_network
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.networks.convolutions import SubsampledConv1x1, make_safe


@pytest.mark.parametrize(
    ("backbone", "stem", "classes", "millions"),
    [
        ("wrn28_10", "", 10, 36.479194),
        ("wrn40_2", "", 10, 2.243546),
        ("resnet18", "cifar", 10, 11.173962),
        ("resnet50", "cifar", 10, 23.520842),
        ("resnet50", "", 1000, 25.557032),
    ],
)
def test_parameters_of_classifiers_are_the_published_ones(backbone, stem, classes, millions):
    with torch.device("meta"):
        network = make_network(NetworkConfig(backbone, stem=stem), {"class": classes}, ["class"])
    assert sum(p.numel() for p in network.parameters()) == round(millions * 1e6)


def test_maps_of_a_wide_resnet_lie_at_strides_1_2_and_4():
    levels = make_network(NetworkConfig("wrn40_2"), {"class": 10}, ["class"]).features(torch.randn(2, 3, 32, 32))
    assert [tuple(level.shape[1:]) for level in levels] == [(32, 32, 32), (64, 16, 16), (128, 8, 8)]


def test_group_norm_network_has_no_batch_statistics():
    network = make_network(NetworkConfig("resnet26_gn"), {"class": 10}, ["class"])
    assert not list(network.buffers())
    norms = [m for m in network.modules() if isinstance(m, nn.GroupNorm)]
    assert {norm.num_groups for norm in norms} == {8}
    assert len(norms) == 25


@pytest.mark.parametrize("size", [(8, 12), (7, 9)])
def test_convolutions_at_risk_are_replaced_by_equal_ones(size):
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(4, 6, 1, stride=2), nn.Conv2d(6, 32, 3, stride=2, padding=1))
    before = dict(plain.named_parameters())
    x = torch.randn(2, 4, *size, requires_grad=True)
    expected = F.conv2d(x, plain[0].weight, plain[0].bias, stride=2)
    make_safe(plain)
    assert type(plain[0]) is SubsampledConv1x1
    assert type(plain[1]) is nn.Conv2d
    assert all(value is before[name] for name, value in plain.named_parameters())
    found = plain[0](x)
    torch.testing.assert_close(found, expected)
    weights = [torch.autograd.grad(y.square().sum(), plain[0].weight)[0] for y in (found, expected)]
    torch.testing.assert_close(*weights)


def test_a_network_of_any_kind_is_made_safe():
    network = make_network(NetworkConfig("wrn40_2"), {"class": 10}, ["class"])
    assert not [
        m
        for m in network.modules()
        if type(m) is nn.Conv2d and m.kernel_size == (1, 1) and m.in_channels < 16 and max(m.stride) > 1
    ]
