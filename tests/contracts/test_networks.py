"""What every network must hold, whoever wrote it: shapes, stages, modes, state, gradients, sizes."""

import pytest
import torch

from ttt_bench.networks.catalogue import ARCHITECTURES, make_network
from ttt_bench.networks.config import NetworkConfig

OUTPUTS = {"semseg": 5, "class": 4, "normal": 3}
PER_IMAGE = ("class",)
CONFIGS = {
    **{name: NetworkConfig("resnet10", architecture=name) for name in ARCHITECTURES},
    "conv heads": NetworkConfig("resnet10", "conv", hidden=8),
    "cifar stem": NetworkConfig("resnet10", stem="cifar"),
    "resnet50": NetworkConfig("resnet50"),
    "resnet26": NetworkConfig("resnet26"),
    "resnet26_gn": NetworkConfig("resnet26_gn"),
    "wrn40_2": NetworkConfig("wrn40_2"),
    "hrnet18": NetworkConfig("hrnet18"),
}


@pytest.fixture(params=CONFIGS, scope="module")
def network(request):
    torch.manual_seed(0)
    return make_network(CONFIGS[request.param], OUTPUTS, PER_IMAGE)


def images(count=2, size=(64, 96)):
    return torch.randn(count, 3, *size, generator=torch.Generator().manual_seed(1))


def test_answers_have_the_shapes_that_their_tasks_ask_for(network):
    answers = network.eval()(images())
    assert tuple(answers) == network.tasks == tuple(OUTPUTS)
    assert {task: tuple(answer.shape) for task, answer in answers.items()} == {
        "semseg": (2, 5, 64, 96), "class": (2, 4), "normal": (2, 3, 64, 96),
    }  # fmt: skip


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (75, 51), (64, 32)])
def test_any_size_of_at_least_32_pixels(network, size):
    answers = network.eval()(images(1, size))
    assert answers["semseg"].shape == (1, 5, *size)
    assert answers["class"].shape == (1, 4)
    assert all(torch.isfinite(answer).all() for answer in answers.values())


def test_one_image_in_train_mode(network):
    network.train()(images(2, (64, 64)))
    assert all(torch.isfinite(level).all() for level in network.features(images(2, (64, 64))))


def test_maps_are_what_channels_and_stride_say(network):
    levels = network.eval().features(images())
    assert [level.shape[1] for level in levels] == list(network.channels)
    sides = [level.shape[-1] for level in levels]
    assert sides[0] * network.encoder.stride == 96
    assert sides == sorted(sides, reverse=True)
    for last in range(1, len(levels) + 1):
        early = network.features(images(), last)
        assert len(early) == last
        assert all(torch.equal(a, b) for a, b in zip(early, levels, strict=False))


def test_stages_follow_each_other_and_up_to_is_what_a_map_depends_on(network):
    encoder = network.eval().encoder
    network.requires_grad_(True)
    assert len(encoder.stages()) == len(encoder.channels)
    reached = set()
    for stage in range(1, len(encoder.channels) + 1):
        network.zero_grad(set_to_none=True)
        encoder(images(1, (64, 64)), stage)[-1].square().mean().backward()
        named = {id(p) for module in encoder.up_to(stage) for p in module.parameters()}
        moved = {id(p) for p in encoder.parameters() if p.grad is not None}
        assert moved == named
        reached |= named
    # Of branches that exchange maps, the last one alone does not need all.
    assert {id(p) for p in encoder.parameters()} == reached


def test_gradient_reaches_encoder_and_every_head_from_what_is_supervised(network):
    network.train().requires_grad_(True).zero_grad(set_to_none=True)
    features = network.features(images())
    predictions, *deeper = network.supervised(features, (64, 96))
    assert tuple(predictions) == network.tasks
    for further in (predictions, *deeper):
        assert set(further) <= set(OUTPUTS)
        for task, answer in further.items():
            assert answer.shape == predictions[task].shape
    sum(answer.square().mean() for each in (predictions, *deeper) for answer in each.values()).backward()
    without = [name for name, p in network.named_parameters() if p.grad is None]
    assert not without


def test_predict_is_the_first_of_what_is_supervised(network):
    network.eval()
    features = network.features(images())
    one, (other, *_) = network.predict(features, (64, 96)), network.supervised(features, (64, 96))
    assert all(torch.equal(one[task], other[task]) for task in OUTPUTS)


def test_finishing_moves_the_statistics_that_a_whole_forward_moves(network):
    def statistics(last):
        network.load_state_dict(before)
        with torch.no_grad():
            levels = network.train().features(images(), last)
            network.encoder.finish(levels)
        return {name: value.clone() for name, value in network.encoder.named_buffers()}

    before = {name: value.clone() for name, value in network.state_dict().items()}
    whole, early = statistics(4), statistics(1)
    network.load_state_dict(before)
    assert all(torch.equal(whole[name], early[name]) for name in whole)


def test_a_state_comes_back_and_the_answers_with_it(network):
    other = make_network(network.config, OUTPUTS, PER_IMAGE).eval()
    other.load_state_dict(network.eval().state_dict())
    expected, found = network(images()), other(images())
    assert all(torch.equal(expected[task], found[task]) for task in OUTPUTS)


def test_evaluating_changes_nothing_and_one_image_does_not_depend_on_its_batch(network):
    before = {name: value.clone() for name, value in network.eval().state_dict().items()}
    with torch.no_grad():
        both, alone = network(images()), network(images()[:1])
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    for task in OUTPUTS:
        torch.testing.assert_close(both[task][:1], alone[task], rtol=1e-3, atol=1e-4)


def test_two_networks_from_one_seed_are_equal(network):
    made = []
    for _ in range(2):
        torch.manual_seed(5)
        made.append(make_network(network.config, OUTPUTS, PER_IMAGE).state_dict())
    assert all(torch.equal(made[0][name], made[1][name]) for name in made[0])
