"""A network written into one file runs through a small sweep, and its edits are other results."""

import pytest
from tiny_sweep import TINY

from ttt_bench import plugins
from ttt_bench.errors import UserError
from ttt_bench.networks.catalogue import choice
from ttt_bench.networks.config import NetworkConfig

MINE = '''
from torch import nn
import torch.nn.functional as F
from ttt_bench.networks.contract import Encoder, Network


class Trunk(Encoder):
    """Two stages; the second has a convolution that some processors compute wrongly."""

    channels = (8, 16)

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.BatchNorm2d(8), nn.ReLU())
        self.one = nn.Conv2d(8, 8, 3, padding=1)
        self.two = nn.Sequential(nn.Conv2d(8, 16, 1, 2), nn.ReLU())

    def stem(self):
        return (self.first,)

    def stages(self):
        return (self.one, self.two)


class Mine(Network):
    name = "mine"

    def __init__(self, config, outputs, per_image=()):
        super().__init__(config, outputs, per_image)
        self.encoder = Trunk()
        self.heads = nn.ModuleDict({task: nn.Conv2d(16, count, 1) for task, count in outputs.items()})

    def predict(self, features, size):
        return {task: F.interpolate(head(features[-1]), size) for task, head in self.heads.items()}
'''


@pytest.mark.slow
def test_a_network_in_one_file_runs_in_a_sweep(run, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    what = [*TINY, "--network", str(path)]
    code, out, err = run("sweep", *what, "--no-figures")
    assert code == 0, out + err
    code, out, _ = run("sweep", *what, "--no-figures")
    assert "0 pieces of work done" in out
    path.write_text(MINE + "\n# edited\n")
    code, out, err = run("plan", *what)
    assert code == 0, err
    assert "3 missing" in out


def test_what_is_no_network_is_refused(tmp_path):
    for name, text, message in (
        ("none.py", None, "does not exist"),
        ("bad.py", "class (", "does not parse"),
        ("empty.py", "x = 1", "defines no network"),
        ("number.py", "class Mine(Network):\n    name = 3", "name is not a text"),
    ):
        if text is not None:
            (tmp_path / name).write_text(text)
        with pytest.raises(UserError, match=message):
            choice(None, (tmp_path / name,))
    with pytest.raises(UserError, match="mtinet"):
        choice("mtnet", ())


def test_an_outside_network_counts_by_its_content(tmp_path):
    described = []
    for folder in ("a", "b"):
        path = tmp_path / folder / "mine.py"
        path.parent.mkdir()
        path.write_text(MINE)
        plugins.use({"network": (path,)})
        try:
            described.append(NetworkConfig(**choice(None, (path,))).counted())
        finally:
            plugins.use({})
    assert described[0] == described[1]
    assert described[0]["architecture"] == "mine"
    assert len(described[0]["code"]) == 16
