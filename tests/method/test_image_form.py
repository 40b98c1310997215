"""The classification form of a method: its defaults are in force where every task has one answer per image."""

import pytest
import torch

from ttt_bench.cell.run import make_adapter
from ttt_bench.errors import UserError
from ttt_bench.method.contract import Model
from ttt_bench.method.registry import create, discover, find, load, parse_methods
from ttt_bench.networks.catalogue import make_network
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.plan.plan import make_plan
from ttt_bench.plan.sweep import SweepConfig
from ttt_bench.toolbox.views import padded_crops, simclr_view

DENSE, CLASS = "rooms/studio->rooms/fog", "objects/studio->objects/fog"
FORMS = sorted(name for name, info in discover().items() if info.image_form)


def cell(text, pair, recipe="native"):
    config = SweepConfig((pair,), tuple(parse_methods(text)), size=(32, 32), recipes=(recipe,))
    name = text.partition("(")[0]
    [found] = [each for each in make_plan(config).cells if each.method == name]
    return found


def test_the_methods_that_were_published_for_images_have_one():
    assert FORMS == ["actmad", "clust3", "cta", "nctt", "tipi", "ttt"]


@pytest.mark.parametrize("name", FORMS)
def test_the_form_follows_the_tasks_and_nothing_counts_as_changed(name):
    info = find(name)
    dense, image = cell(name, DENSE), cell(name, CLASS)
    assert dense.options == info.options
    assert image.options == {**info.options, **info.image_form.options} != dense.options
    assert dense.changed == image.changed == ()
    assert load(info).native_on(("semseg", "class")) == info.native
    assert load(info).native_on(("class",)) == (info.image_form.native or info.native)


def test_what_is_named_wins_even_where_it_is_the_other_forms_default():
    assert cell("actmad(loss_scale=1)", CLASS).options["loss_scale"] == 1
    assert cell("actmad(loss_scale=1)", CLASS).changed == ("loss_scale",)
    assert cell("actmad(loss_scale=1)", DENSE).changed == ()
    assert cell("actmad(loss_scale=0.5)", CLASS).changed == ()
    assert cell("actmad(lr=3)", CLASS).options["lr"] == 3
    one, other = (SweepConfig((CLASS,), tuple(parse_methods(text))) for text in ("actmad", "actmad(loss_scale=1)"))
    assert one.id != other.id


def test_the_recipe_adapts_with_the_forms_optimiser_and_the_papers_is_everyones():
    network = make_network(NetworkConfig("resnet10", "linear", stem="cifar"), {"class": 10}, ("class",))

    def rate(recipe):
        found = cell("tipi", CLASS, recipe)
        method = create("tipi", found.options)
        return make_adapter(found, method, Model(network, torch.nn.Module())).spec

    assert (rate("native").name, rate("native").lr) == ("adam", 1e-3)
    assert (rate("paper").name, rate("paper").lr) == ("sgd", 2e-5)


def test_s4t_says_why_it_does_not_classify_images():
    with pytest.raises(UserError, match="needs predictions per pixel"):
        cell("s4t", CLASS)


def test_epsilon_of_tipi_is_in_pixels_there():
    network = make_network(NetworkConfig("resnet10", "linear", given="cifar10"), {"class": 4}, ("class",))
    method = create("tipi", tasks=("class",))
    reach = method.reach(Model(network, torch.nn.Module()), torch.zeros(1, 3, 8, 8))
    torch.testing.assert_close(reach.flatten(), 2 / 255 / torch.tensor([0.2470, 0.2435, 0.2616]))


def test_nctt_averages_maps_of_another_size_to_the_published_one():
    network = make_network(NetworkConfig("resnet10", "linear", stem="cifar"), {"class": 4}, ("class",))
    method = create("nctt", tasks=("class",))
    head = method.auxiliary(network)
    for side in (16, 12, 32):
        assert head.entry(torch.randn(3, network.channels[1], side, side)).shape == (3, method.hidden)


def test_padded_crops_are_black_outside_in_every_scaling_and_square():
    images = torch.full((2, 3, 8, 10), 0.7)
    crops = padded_crops(images, 40, 4, torch.Generator().manual_seed(0), "cifar10")
    assert crops.shape == (80, 3, 8, 8)
    black = -torch.tensor([0.4914, 0.4822, 0.4465]) / torch.tensor([0.2470, 0.2435, 0.2616])
    outside = (crops - black.view(1, 3, 1, 1)).abs() < 1e-5
    assert 0.1 < outside.float().mean() < 0.6
    assert torch.equal(outside, ~((crops - 0.7).abs() < 1e-5))


def test_views_are_made_in_the_images_own_scaling():
    # Grey is grey in pixels: its normalised channels differ as the scaling's do.
    mean, std = torch.tensor([0.4914, 0.4822, 0.4465]), torch.tensor([0.2470, 0.2435, 0.2616])
    grey = ((0.5 - mean) / std).view(1, 3, 1, 1).expand(64, 3, 32, 32)
    view = simclr_view(grey, 32, torch.Generator().manual_seed(0), "cifar10")
    pixels = view * std.view(1, 3, 1, 1) + mean.view(1, 3, 1, 1)
    assert (pixels.amax(1) - pixels.amin(1)).max() < 1e-5
