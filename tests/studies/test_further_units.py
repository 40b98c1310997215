"""What the further studies measure, on inputs whose answers are known by hand."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.measurements.alignment import probe_accuracy, up_to
from ttt_bench.measurements.gradients import gradients, gram, inner_products
from ttt_bench.measurements.numbers import cosines_of, linear_cka
from ttt_bench.method import registry
from ttt_bench.method.configured import resolve
from ttt_bench.method.registry import parse_methods
from ttt_bench.networks.catalogue import make_network
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.plan.sweep import SweepConfig
from ttt_bench.studies.catalogue import UNASKED, filled, studies
from ttt_bench.studies.counterparts import look
from ttt_bench.studies.parts import Request
from ttt_bench.synthetic import fitted_model, random_images, random_labels
from ttt_bench.tasks.supervision import task_losses

SIZE = (32, 32)


def test_inner_products_are_those_of_the_joined_vectors():
    one = [torch.tensor([[3.0, 0.0]]), torch.tensor([4.0])]
    other = [torch.tensor([[0.0, 2.0]]), torch.tensor([-4.0])]
    assert inner_products([one, other]).tolist() == [[25, -16], [-16, 20]]
    cosines = cosines_of(inner_products([one, other, [torch.zeros(1, 2), torch.zeros(1)]]))
    assert cosines[0, 1] == pytest.approx(-16 / np.sqrt(500))
    assert cosines[0, 0] == pytest.approx(1)
    assert np.isnan(cosines[2]).all(), "a vector of length 0 has no direction"


def test_a_gradient_is_zero_where_the_loss_does_not_depend():
    used, unused = nn.Parameter(torch.tensor(3.0)), nn.Parameter(torch.ones(2))
    assert [g.tolist() for g in gradients(used**2, [used, unused])] == [6, [0, 0]]
    assert [g.tolist() for g in gradients(torch.tensor(1.0), [used, unused])] == [0, [0, 0]]


@pytest.fixture(scope="module")
def labelled():
    return random_images(4, SIZE, 1), random_labels(("semseg", "depth"), 4, SIZE, 2)


def adapter_of(name):
    torch.manual_seed(0)
    network = make_network(NetworkConfig("resnet10", "linear"), {"semseg": 5, "depth": 1})
    method = registry.create(name)
    model = fitted_model(method, network, SIZE, batch=2, iterations=1)
    return Adapter(copy.deepcopy(model), method, resolve(method.native_on(("semseg",)), "native", {}, name), 3)


@pytest.mark.parametrize("name", ["tent", "ttt", "tttpp", "cta", "s4t"])
def test_comparing_gradients_leaves_no_trace(name, labelled):
    images, labels = labelled
    plain, watched = adapter_of(name), adapter_of(name)
    for _ in range(2):
        before = watched.digest()
        found = cosines_of(gram(watched, images, labels))
        assert watched.digest() == before
        assert found.shape == (3, 3)
        assert float(plain.update(images)) == float(watched.update(images)), "the next update draws what it would have"
    assert plain.digest() == watched.digest()


def test_the_own_gradient_is_the_next_updates(labelled):
    images, labels = labelled
    adapter = adapter_of("tent")
    own = gram(adapter, images, labels)[0, 0]
    adapter.optimizer = torch.optim.SGD(adapter.parameters, lr=1.0)  # one step of rate 1 is the gradient itself
    before = [parameter.detach().clone() for parameter in adapter.parameters]
    adapter.spec = resolve(adapter.method.native, "native", {"lr": 1.0}, "tent")
    adapter.update(images)
    moved = sum(
        float((b - p.detach()).double().square().sum()) for b, p in zip(before, adapter.parameters, strict=True)
    )
    assert moved == pytest.approx(float(own), rel=1e-2)


def test_the_tasks_gradients_are_those_of_their_source_losses(labelled):
    images, labels = labelled
    adapter = adapter_of("tent")
    found = gram(adapter, images, labels)
    network = copy.deepcopy(adapter.model.network)
    moved = [p for p in network.parameters() if p.requires_grad]
    losses = task_losses(network(images), labels)
    for place, task in enumerate(network.tasks, start=1):
        lengths = [g.double().square().sum() for g in torch.autograd.grad(losses[task], moved, retain_graph=True)]
        assert float(found[place, place]) == pytest.approx(float(sum(lengths)), rel=1e-4)


def test_cka_by_hand():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 6))
    rotation = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    assert linear_cka(x, x) == pytest.approx(1)
    assert linear_cka(x, 3 * x @ rotation + 5) == pytest.approx(1), "rotation, scale and mean do not count"
    assert linear_cka([[1, 0], [-1, 0], [0, 0], [0, 0]], [[0], [0], [1], [-1]]) == pytest.approx(0)
    # |cov|^2 / (var var) for one channel each: the squared correlation.
    a, b = x[:, :1], x[:, :1] + x[:, 1:2]
    assert linear_cka(a, b) == pytest.approx(np.corrcoef(a[:, 0], b[:, 0])[0, 1] ** 2)
    assert np.isnan(linear_cka(np.ones((4, 2)), x[:4]))


def test_a_probe_reads_what_is_linear_and_no_more():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(300, 5))
    linear, nonlinear = (x[:, 0] > 0).astype(int), (x[:, 0] * x[:, 1] > 0).astype(int)
    assert probe_accuracy(x[:200], linear[:200], x[200:], linear[200:]) > 0.95
    assert probe_accuracy(x[:200], nonlinear[:200], x[200:], nonlinear[200:]) < 0.7
    unlabelled = np.where(np.arange(200) < 100, -1, linear[:200])
    assert probe_accuracy(x[:200], unlabelled, x[200:], linear[200:]) > 0.9


def test_a_method_up_to_a_stage_is_the_same_but_shorter():
    method = registry.create("cta", {"tau": 0.2})
    shorter = up_to(method, "align")
    assert [stage.name for stage in shorter.source_stages] == ["contrast"]
    assert (shorter.tau, shorter.name, type(shorter).loss) == (0.2, "cta", type(method).loss)
    assert [stage.name for stage in method.source_stages] == ["contrast", "align"]


def config(methods, **changes):
    pairs = changes.pop("pairs", ("rooms/studio->rooms/fog",))
    return SweepConfig(pairs=pairs, methods=tuple(parse_methods(methods)), size=SIZE, **changes)


def test_counterparts_differ_in_one_thing(tmp_path):
    found = look(config("ttt", trainings=("shared", "joint")), Request(folder=tmp_path))
    shared, joint = (question for question, _ in found.compared.answers)
    for question in (shared, joint):
        beside = found.beside[question.cell.id]
        for cell in beside.accident.values():
            assert (cell.source.scaling, cell.scaling) == ("symmetric", "imagenet")
        released = beside.accident["ttt"]
        assert (released.options, released.recipe) == (question.cell.options, "native")
        assert released.source.joint == question.cell.source.joint
        assert beside.own_bn.source.id == question.cell.source.id
    assert found.beside[shared.cell.id].own_bn == shared.control(shared.target, "bn")
    assert found.beside[joint.cell.id].own_bn.id != joint.control(joint.target, "bn").id
    assert {cell.id for each in found.beside.values() for cell in each.cells} <= {cell.id for cell in found.plan.cells}


def test_options_that_nobody_gave_are_the_studys():
    given = {"methods": UNASKED, "track": UNASKED, "pairs": None, "protocols": None, "training": "joint"}
    assert filled("components", given) == {**given, "methods": "s4t", "track": "dense"}
    headline = filled("headline", given)
    assert (headline["methods"], headline["protocols"], headline["training"]) == ("all", "online,single", "joint")
    severity = filled("severity", {**given, "pairs": "a->b", "methods": "tent"})
    assert (severity["track"], severity["pairs"], severity["methods"]) == ("class", "a->b", "tent")
    assert filled("nothing", given)["methods"] == "s4t"


def test_places_are_taken_once():
    places = [study.place for study in studies().values()]
    assert places == sorted(set(places))
