"""TTTFlow: a proper density, couplings that invert, ActNorm's start, and what moves."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from parity_adapters.plugin import plugin
from tent_family import check_run
from torch import Tensor

from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.errors import UserError
from ttt_bench.method.card import PAPER_RECIPE
from ttt_bench.method.contract import Model, SourceBatch
from ttt_bench.method.registry import create
from ttt_bench.networks.catalogue import make_network
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.toolbox.flow import ActNorm, Coupling, RealNVP, WeightNormConv, checkerboard

OUTPUTS = {"semseg": 5, "depth": 1, "normal": 3, "edge": 1}


def build(**options: Any) -> tuple[Any, Model]:
    torch.manual_seed(0)
    method = plugin("tttflow").TTTFlow(**({"width": 16} | options))
    network = make_network(NetworkConfig("resnet10"), OUTPUTS)
    return method, Model(network, method.auxiliary(network)).eval()


def randomise(flow: RealNVP) -> RealNVP:
    """Give every scalar and ActNorm a value, so that no term is hidden by its zero start."""
    with torch.no_grad():
        for name, parameter in flow.named_parameters():
            if name.endswith(("scale_scale", "shift_scale", "log_scale", "shift")):
                parameter.copy_(0.3 * torch.randn_like(parameter))
    for module in flow.modules():
        if isinstance(module, ActNorm):
            module.initialized.fill_(True)
    return flow


def test_parameter_count_is_that_of_s4ts_table() -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in RealNVP(512, 512, 2, True).parameters()) == 26_003_462
        assert sum(p.numel() for p in RealNVP(256, 256, 2, True).parameters()) == 6_513_670
        assert sum(p.numel() for p in RealNVP(128, 128, 2, True).parameters()) == 1_634_822


def test_log_determinant_is_that_of_the_jacobian() -> None:
    torch.manual_seed(0)
    flow = randomise(RealNVP(2, 4, 1, True)).eval().double()
    maps = torch.randn(1, 2, 3, 4, dtype=torch.float64)

    def flat(x: Tensor) -> Tensor:
        return flow(x.reshape(maps.shape))[0].flatten()

    jacobian = torch.autograd.functional.jacobian(flat, maps.flatten())
    torch.testing.assert_close(flow(maps)[1].sum(), torch.linalg.slogdet(jacobian).logabsdet)


@pytest.mark.parametrize("mask", [0, 1])
def test_coupling_keeps_its_field_and_inverts(mask: int) -> None:
    torch.manual_seed(0)
    coupling = Coupling(3, 6, 1, mask).eval()
    with torch.no_grad():
        coupling.scale_scale.fill_(0.7)
        coupling.shift_scale.fill_(0.2)
        maps = torch.randn(2, 3, 5, 4)
        y, log_det = coupling(maps)
        keep = checkerboard(5, 4, mask).float()
        assert torch.equal(y * keep, maps * keep)
        assert torch.equal(log_det * keep, torch.zeros_like(y))
        s, t = coupling.net(y * keep).chunk(2, 1)
        s = (s.tanh() * 0.7 + 0.2) * (1 - keep)
        torch.testing.assert_close((y - t * (1 - keep)) * (-s).exp(), maps)


def test_checkerboard() -> None:
    board = checkerboard(3, 4, 1)[0, 0]
    assert board.tolist() == [[1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0]]
    assert torch.equal(checkerboard(3, 4, 0), 1 - checkerboard(3, 4, 1))


def test_weight_norm_matches_torch() -> None:
    ours = WeightNormConv(3, 5, 3)
    theirs = torch.nn.utils.parametrizations.weight_norm(torch.nn.Conv2d(3, 5, 3, padding=1))
    with torch.no_grad():
        ours.weight_g.mul_(1.5)
        theirs.parametrizations.weight.original0.copy_(ours.weight_g)
        theirs.parametrizations.weight.original1.copy_(ours.weight_v)
        theirs.bias.copy_(ours.bias)
    maps = torch.randn(2, 3, 4, 6)
    torch.testing.assert_close(ours(maps), theirs(maps))


def test_actnorm_starts_standard_or_official_and_only_once() -> None:
    maps = 3 * torch.randn(4, 5, 6, 7) + 2
    standard, official = ActNorm(5, rescale_shift=True), ActNorm(5, rescale_shift=False)
    y, _ = standard(maps)
    torch.testing.assert_close(y.mean((0, 2, 3)), torch.zeros(5), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.std((0, 2, 3)), torch.ones(5))
    mean, std = maps.mean((0, 2, 3)), maps.std((0, 2, 3))
    torch.testing.assert_close(official(maps)[0].mean((0, 2, 3)), mean / std - mean, atol=1e-4, rtol=1e-4)
    shift = standard.shift.clone()
    standard(maps + 5)
    assert torch.equal(standard.shift, shift)
    loaded = ActNorm(5, rescale_shift=True)
    loaded.load_state_dict(standard.state_dict())
    loaded(maps + 5)
    assert torch.equal(loaded.shift, shift), "a loaded ActNorm must not start again"


def test_actnorm_survives_dead_channels() -> None:
    maps = torch.randn(2, 3, 4, 4)
    maps[:, 1] = 0
    y, log_scale = ActNorm(3, rescale_shift=True)(maps)
    assert torch.isfinite(y).all()
    assert torch.isfinite(log_scale).all()


@pytest.mark.parametrize("actnorm", ["standard", "official"])
def test_fits_on_frozen_features_and_leaves_the_encoder(actnorm: str) -> None:
    method, model = build(actnorm=actnorm)
    images = torch.randn(4, 3, 64, 96)
    features = model.network.features(images)
    model.aux.train()
    optimizer = torch.optim.SGD(model.aux.parameters(), lr=1e-3, momentum=0.9)
    losses = []
    for _ in range(20):
        loss = method.source_loss(model, SourceBatch(images, {}, features, {}), torch.Generator())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert all(torch.isfinite(torch.tensor(losses)))
    assert losses[-1] < losses[0]
    assert model.network.encoder.conv1.weight.grad is None


@pytest.mark.parametrize("recipe", ["native", "paper"])
def test_adapts_and_resets(recipe: str) -> None:
    method, model = build()
    model.aux.train()
    images = torch.randn(4, 3, 64, 96)
    with torch.no_grad():
        method.source_loss(model, SourceBatch(images, {}, model.network.features(images), {}), torch.Generator())
    check_run(Adapter(model, method, method.native if recipe == "native" else PAPER_RECIPE))


def test_only_the_encoder_up_to_the_tap_moves() -> None:
    method, model = build()
    images = torch.randn(2, 3, 64, 96)
    randomise(model.aux)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    Adapter(model, method, method.native).update(images)
    moved = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    assert {key.split(".")[2] for key in moved} == {"conv1", "bn1", "layer1", "layer2"}
    assert "network.encoder.layer2.0.bn1.running_mean" in moved


def test_a_flow_that_was_never_fitted_is_refused() -> None:
    method, model = build()
    with pytest.raises(UserError, match="has not been fitted"):
        Adapter(model, method, PAPER_RECIPE).update(torch.randn(2, 3, 64, 96))


def test_bad_options_are_refused() -> None:
    with pytest.raises(UserError, match="actnorm=glow"):
        create("tttflow", {"actnorm": "glow"})
    with pytest.raises(UserError, match="stage=0"):
        create("tttflow", {"stage": 0})
