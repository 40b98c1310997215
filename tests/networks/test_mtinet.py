"""MTI-Net as the paper says, and its size beside the published one."""

import pytest
import torch

from ttt_bench.networks.catalogue import make_network
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.networks.mtinet import Distillation, Propagation

OUTPUTS = {"semseg": 7, "depth": 1, "normal": 3, "edge": 1}


@pytest.mark.parametrize(
    ("backbone", "parameters"),
    # S4T's table 6 gives 165.0 M for NC-TTT on MTI-Net, without saying which encoder or widths.
    [("resnet50", 157_851_772), ("hrnet18", 23_643_432)],
)
def test_parameters(backbone, parameters):
    with torch.device("meta"):
        network = make_network(NetworkConfig(backbone, architecture="mtinet"), OUTPUTS)
    assert sum(p.numel() for p in network.parameters()) == parameters


def test_initial_predictions_of_all_four_scales_are_supervised():
    torch.manual_seed(0)
    network = make_network(NetworkConfig("resnet10", architecture="mtinet"), OUTPUTS)
    supervised = network.supervised(network.features(torch.randn(2, 3, 64, 64)), (64, 64))
    assert len(supervised) == 5
    deepest = supervised[-1]["semseg"]
    (gradient,) = torch.autograd.grad(deepest.sum(), network.heads["decoder"].initial[3].decode["semseg"].bias)
    torch.testing.assert_close(gradient, torch.full((7,), float(2 * 64 * 64)))


def test_source_training_adds_the_deeper_losses():
    from ttt_bench.method.contract import Model
    from ttt_bench.source.loop import joint_loss
    from ttt_bench.synthetic import random_labels
    from ttt_bench.tasks.supervision import Supervision

    torch.manual_seed(0)
    outputs = {"semseg": 5, "depth": 1}
    network = make_network(NetworkConfig("resnet10", architecture="mtinet"), outputs).eval()
    images, labels = torch.randn(2, 3, 64, 64), random_labels(tuple(outputs), 2, (64, 64), 1)
    supervision = Supervision(tuple(outputs))
    total = joint_loss(Model(network, torch.nn.Module()), images, labels, None, torch.Generator(), supervision)
    each = [supervision(p, labels) for p in network.supervised(network.features(images), (64, 64))]
    torch.testing.assert_close(total, sum(each))
    assert (total > each[0]).item()


def test_distillation_is_a_sum_over_the_other_tasks():
    torch.manual_seed(0)
    module, maps = Distillation(4, ("a", "b", "c")), {task: torch.randn(1, 4, 5, 6) for task in "abc"}
    want = maps["a"] + sum(
        torch.sigmoid(module.gate[f"a-{s}"](maps[s])) * module.value[f"a-{s}"](maps[s]) for s in ("b", "c")
    )
    torch.testing.assert_close(module(maps)["a"], want)


def test_propagation_shares_one_map_and_keeps_each_task_of_its_own():
    torch.manual_seed(0)
    module = Propagation(4, ("a", "b")).eval()
    maps = {task: torch.randn(1, 4, 5, 6) for task in "ab"}
    found = module(maps)
    assert {task: value.shape for task, value in found.items()} == {task: value.shape for task, value in maps.items()}
    shared = (found["a"] - maps["a"]) / module.gates["a"](torch.ones(1, 4, 5, 6)).clamp(min=1e-6)
    assert torch.isfinite(shared).all()
    assert not torch.equal(found["a"], maps["a"])
