"""Weights from files: the right ones load, all others are refused with a clear message."""

import pytest
import torch
from tiny_sweep import TINY
from torchvision.models import resnet18

from ttt_bench.errors import UserError
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.networks.resnet import Encoder


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


def test_a_file_counts_by_its_content_and_not_by_its_place(tmp_path):
    a, b, c = (tmp_path / name for name in ("a.pth", "b.pth", "c.pth"))
    a.write_bytes(b"one")
    b.write_bytes(b"one")
    c.write_bytes(b"two")
    described = [NetworkConfig("resnet18", weights=str(path)).pinned().describe() for path in (a, b, c)]
    assert described[0] == described[1] != described[2]
    assert "a.pth" not in str(described)
    assert NetworkConfig().pinned().describe() == {
        "backbone": "resnet50", "heads": "linear", "hidden": 64, "weights": "none",
    }  # fmt: skip
    missing = NetworkConfig(weights=str(tmp_path / "none.pth")).pinned()
    assert missing.describe()["weights"].endswith("none.pth"), "the path has to do; loading it says what is wrong"


@pytest.mark.slow
def test_a_sweep_starts_from_a_file_and_knows_it_again_after_a_move(run, tmp_path):
    torch.save(resnet18(weights=None).state_dict(), tmp_path / "w.pth")
    what = [*TINY, "--methods", "base", "--backbone", "resnet18", "--no-figures"]
    assert run("sweep", *what, "--weights", str(tmp_path / "w.pth"))[0] == 0
    (tmp_path / "w.pth").rename(tmp_path / "moved.pth")
    code, out, err = run("sweep", *what, "--weights", str(tmp_path / "moved.pth"))
    assert code == 0, err
    assert "0 pieces of work done" in out
    assert "w.pth" not in (tmp_path / "results/main/report.md").read_text()
