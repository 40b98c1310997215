"""Weights from files: the right ones load, all others are refused with a clear message."""

import pytest
import torch
from tiny_sweep import TINY
from torchvision.models import resnet18

from ttt_bench.errors import UserError
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.networks.encoders import build_encoder


def test_state_dict_file_is_loaded(tmp_path):
    net = resnet18(weights=None)
    torch.save(net.state_dict(), tmp_path / "w.pt")
    encoder = build_encoder(NetworkConfig("resnet18", weights=str(tmp_path / "w.pt")))
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
        build_encoder(NetworkConfig(backbone, weights=str(path)))


def test_executable_pickle_is_refused(tmp_path):
    import os

    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "owned"),))

    torch.save({"conv1.weight": Evil()}, tmp_path / "w.pt")
    with pytest.raises(UserError, match="not a readable state dict"):
        build_encoder(NetworkConfig("resnet18", weights=str(tmp_path / "w.pt")))
    assert not (tmp_path / "owned").exists()


def test_unknown_backbone_suggests_the_nearest():
    with pytest.raises(UserError, match="resnet18"):
        build_encoder(NetworkConfig("resnet81"))
    with pytest.raises(UserError, match="no ImageNet weights"):
        build_encoder(NetworkConfig("resnet10", weights="imagenet"))


def test_a_file_counts_by_its_content_and_not_by_its_place(tmp_path):
    a, b, c = (tmp_path / name for name in ("a.pth", "b.pth", "c.pth"))
    a.write_bytes(b"one")
    b.write_bytes(b"one")
    c.write_bytes(b"two")
    described = [NetworkConfig("resnet18", weights=str(path)).pinned().counted() for path in (a, b, c)]
    assert described[0] == described[1] != described[2]
    assert "a.pth" not in str(described)
    assert NetworkConfig().pinned().counted()["weights"] == "none"
    assert not {"content", "given"} & NetworkConfig().counted().keys()
    missing = NetworkConfig(weights=str(tmp_path / "none.pth")).pinned()
    assert missing.counted()["weights"].endswith("none.pth"), "the path has to do; loading it says what is wrong"


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


def saved(path, content):
    torch.save(content, path)
    return str(path)


def first_weight(backbone, path, **settings):
    return build_encoder(NetworkConfig(backbone, weights=path, **settings)).state_dict()["conv1.weight"]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: {"state_dict": {f"module.{k}": v for k, v in s.items()}, "epoch": 3},
        lambda s: {"model": {"net": {f"module._orig_mod.{k}": v for k, v in s.items()}}},
        lambda s: {f"backbone.encoder.{k}": v for k, v in s.items()} | {"projector.weight": torch.zeros(2)},
        lambda s: {k.replace("fc.", "linear."): v for k, v in s.items()} | {"head.0.bias": torch.zeros(3)},
        lambda s: {k.replace(".downsample.", ".shortcut."): v for k, v in s.items()},
        lambda s: {k.replace("layer1.", "layer1._orig_mod."): v for k, v in s.items()},
        lambda s: {k: v for k, v in s.items() if "num_batches" not in k and "fc" not in k},
    ],
)
def test_checkpoints_as_people_have_them(tmp_path, wrap):
    state = resnet18(weights=None).state_dict()
    encoder = build_encoder(NetworkConfig("resnet18", weights=saved(tmp_path / "w.pt", wrap(state)))).state_dict()
    assert all(torch.equal(encoder[k], v) for k, v in state.items() if not k.startswith("fc."))


def test_which_of_two_networks_is_meant_is_asked(tmp_path):
    state = resnet18(weights=None).state_dict()
    both = {f"{who}.{k}": v for who in ("student", "teacher") for k, v in state.items()}
    with pytest.raises(UserError, match=r"several times, below 'student\.' and 'teacher\.'"):
        first_weight("resnet18", saved(tmp_path / "w.pt", both))


def test_safetensors(tmp_path):
    pytest.importorskip("safetensors")
    from safetensors.torch import save_file

    state = resnet18(weights=None).state_dict()
    save_file({k: v.clone() for k, v in state.items()}, tmp_path / "w.safetensors")
    assert torch.equal(first_weight("resnet18", str(tmp_path / "w.safetensors")), state["conv1.weight"])
    (tmp_path / "w.safetensors").write_bytes(b"nonsense")
    with pytest.raises(UserError, match=r"w\.safetensors is not a readable"):
        first_weight("resnet18", str(tmp_path / "w.safetensors"))


@pytest.mark.parametrize("backbone", ["wrn40_2", "resnet26", "resnet26_gn"])
def test_the_model_zoos_names_load_and_our_own_too(tmp_path, backbone):
    encoder = build_encoder(NetworkConfig(backbone))
    published = {}
    for key, value in encoder.state_dict().items():
        for theirs, ours in encoder.foreign.items():
            if key.startswith(ours):
                key = theirs + key[len(ours) :]
                break
        published[f"model.{key}"] = value
    published["model.fc.weight"] = torch.zeros(10, 128)
    assert "model.block3.layer.0.bn1.weight" in published or "model.layer3.0.bn1.weight" in published
    for content in (published, {f"encoder.{k}": v for k, v in encoder.state_dict().items()}):
        loaded = build_encoder(NetworkConfig(backbone, weights=saved(tmp_path / "w.pt", content))).state_dict()
        assert all(torch.equal(loaded[k], v) for k, v in encoder.state_dict().items())


def test_pixels_are_normalised_once(tmp_path):
    from ttt_bench.networks.catalogue import make_network

    state = build_encoder(NetworkConfig("wrn40_2")).state_dict()
    half = torch.full((1, 3, 1, 1), 0.5)
    path = saved(tmp_path / "w.pt", {"mu": half, "sigma": half, **state})
    with pytest.raises(UserError, match=r"(?s)normalises pixels itself \(mu = 0.5000.*--pixels symmetric"):
        first_weight("wrn40_2", path)
    told = make_network(NetworkConfig("wrn40_2", weights=path, pixels="symmetric"), {"class": 3}, ["class"]).eval()
    raw = torch.rand(2, 3, 32, 32)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    expected = told.encoder((raw - 0.5) / 0.5)[-1]
    found = told.features((raw - mean) / std)[-1]
    # 40 untrained layers amplify the rounding of the two ways to normalise; normalising twice would be off by the scale.
    assert (found - expected).abs().max() < 1e-3 * expected.abs().max()
    same = make_network(NetworkConfig("wrn40_2", pixels="symmetric", given="symmetric"), {"class": 3}, ["class"])
    assert same.rescaling is None


def test_the_names_of_downloads_are_torchvisions():
    from torchvision.models import get_model_weights

    from ttt_bench.networks.config import IMAGENET_FILES

    for name, file in IMAGENET_FILES.items():
        assert get_model_weights(name).IMAGENET1K_V1.url.endswith("/" + file)


def test_a_truncated_download_is_named_by_plan_and_by_the_sweep(run, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    path = tmp_path / "torch/hub/checkpoints/resnet18-f37072fd.pth"
    path.parent.mkdir(parents=True)
    torch.save(resnet18(weights=None).state_dict(), path)
    path.write_bytes(path.read_bytes()[:300_000])
    what = [*TINY, "--methods", "base", "--backbone", "resnet18", "--weights", "imagenet"]
    code, out, _ = run("plan", *what)
    assert code == 0
    assert f"{path} is damaged" in out
    assert "delete it" in out
    code, out, err = run("sweep", *what, "--no-figures")
    assert code != 0
    assert str(path) in out + err
    assert "elete" in out + err


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backbone": "resnet81"}, "--backbone"),
        ({"heads": "round"}, "--heads"),
        ({"stem": "round"}, "--stem"),
        ({"pixels": "round"}, "--pixels"),
        ({"backbone": "wrn40_2", "stem": "imagenet"}, "--stem"),
        ({"stem": "cifar", "weights": "imagenet"}, "no ImageNet weights"),
        ({"backbone": "wrn28_10", "weights": "imagenet"}, "no ImageNet weights"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_their_option(settings, message):
    with pytest.raises(UserError, match=message):
        NetworkConfig(**settings).check()
