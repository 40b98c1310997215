"""Weights from files: the right ones load, all others are refused with a clear message."""

import pytest
import torch
from torchvision.models import resnet18

from ttt_bench.errors import UserError
from ttt_bench.network.encoder import Encoder


def test_state_dict_file_is_loaded(tmp_path):
    net = resnet18(weights=None)
    torch.save(net.state_dict(), tmp_path / "w.pt")
    encoder = Encoder("resnet18", str(tmp_path / "w.pt"))
    assert torch.equal(encoder.layer1[0].conv1.weight, net.layer1[0].conv1.weight)


@pytest.mark.parametrize(
    ("backbone", "make", "message"),
    [
        ("resnet18", lambda p: None, "does not exist"),
        ("resnet18", lambda p: p.write_bytes(b"nonsense"), "not a readable state dict"),
        ("resnet18", lambda p: torch.save([1, 2], p), "holds a list"),
        ("resnet18", lambda p: torch.save({"conv1.weight": torch.zeros(1)}, p), "does not fit|not a readable"),
        ("resnet10", lambda p: torch.save(resnet18(weights=None).state_dict(), p), "does not fit"),
    ],
)
def test_bad_files_are_refused(tmp_path, backbone, make, message):
    path = tmp_path / "w.pt"
    make(path)
    with pytest.raises(UserError, match=message):
        Encoder(backbone, str(path))


def test_executable_pickle_is_refused(tmp_path):
    import os

    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "owned"),))

    torch.save({"conv1.weight": Evil()}, tmp_path / "w.pt")
    with pytest.raises(UserError, match="not a readable state dict"):
        Encoder("resnet18", str(tmp_path / "w.pt"))
    assert not (tmp_path / "owned").exists()


def test_unknown_backbone_suggests_the_nearest():
    with pytest.raises(UserError, match="resnet18"):
        Encoder("resnet81")
    with pytest.raises(UserError, match="no ImageNet weights"):
        Encoder("resnet10", "imagenet")
