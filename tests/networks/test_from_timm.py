"""timm's encoders: four maps at the right strides, weights from files under timm's own names, clear refusals."""

import pytest
import torch

from ttt_bench.errors import UserError
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.networks.encoders import build_encoder

timm = pytest.importorskip("timm")
NAMES = (
    "convnext_tiny",
    "hrnet_w18_small",
    "regnety_002",
    "efficientnet_b0",
    "vit_tiny_patch16_224",
    "swin_tiny_patch4_window7_224",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_four_maps_of_any_size(name):
    encoder = build_encoder(NetworkConfig(f"timm:{name}")).eval()
    for height, width in ((64, 96), (33, 47)):
        with torch.no_grad():
            levels = encoder(torch.randn(1, 3, height, width))
        assert [tuple(level.shape[1:]) for level in levels] == [
            (channels, -(-height // stride), -(-width // stride))
            for channels, stride in zip(encoder.channels, (4, 8, 16, 32), strict=True)
        ]


@pytest.mark.parametrize("name", ["test_convnext", "test_vit", "test_efficientnet"])
def test_weights_from_timms_own_state_dict(tmp_path, name):
    torch.manual_seed(1)
    whole = timm.create_model(name)
    torch.save(whole.state_dict(), tmp_path / "w.pt")
    torch.manual_seed(2)
    encoder = build_encoder(NetworkConfig(f"timm:{name}", weights=str(tmp_path / "w.pt")))
    state = whole.state_dict()
    found = [value for value in encoder.state_dict().values() if value.numel() > 8]
    assert found
    assert all(any(v.shape == value.shape and torch.equal(v, value) for v in state.values()) for value in found)


def test_what_is_not_there_is_said(monkeypatch):
    with pytest.raises(UserError, match="convnext_tiny"):
        build_encoder(NetworkConfig("timm:convnext_tinny"))


def test_our_hrnet_is_the_published_one():
    torch.manual_seed(0)
    ours, theirs = build_encoder(NetworkConfig("hrnet18")).eval(), timm.create_model("hrnet_w18").eval()
    ours.load_state_dict({key: theirs.state_dict()[key] for key in ours.state_dict()})
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        for found, want in zip(
            ours(images),
            theirs.stages(theirs.act2(theirs.bn2(theirs.conv2(theirs.act1(theirs.bn1(theirs.conv1(images))))))),
            strict=True,
        ):
            torch.testing.assert_close(found, want, rtol=1e-4, atol=1e-4)
