"""Gaussian noise on the target: its scale, who meets it, and that without it nothing has changed."""

from dataclasses import replace

import pytest
import torch

from ttt_bench.adaptation.stream import open_stream
from ttt_bench.domains.catalogue import open_domain
from ttt_bench.errors import UserError
from ttt_bench.method.registry import parse_methods
from ttt_bench.plan.plan import make_plan
from ttt_bench.plan.sweep import SweepConfig
from ttt_bench.samples.loading import SampleSet
from ttt_bench.samples.noise import InputNoise, deviation


@pytest.fixture(scope="module")
def samples():
    domain = open_domain("rooms/fog", (32, 32), {})
    return SampleSet(domain, "test", 10, domain.classes)


def by_image(samples, seed, noise, batch_size=4):
    """Images by their place in the set, whatever the order of the stream."""
    stream, _ = open_stream(samples, batch_size, seed, noise=noise)
    order = torch.randperm(len(samples), generator=torch.Generator().manual_seed(seed)).tolist()
    return dict(zip(order, torch.cat(list(stream.images)), strict=True))


def test_noise_has_the_scale_of_the_whole_set(samples):
    clean, noisy = by_image(samples, 0, 0.0), by_image(samples, 0, 0.4)
    difference = torch.stack([noisy[i] - clean[i] for i in clean])
    sigma = torch.stack(list(clean.values())).std(correction=0)
    assert difference.std() / sigma == pytest.approx(0.4, rel=0.01)
    assert abs(difference.mean() / sigma) < 0.01
    assert not torch.equal(difference[0], difference[1]), "every image has its own noise"


def test_order_batching_and_scale_change_neither_the_noise_nor_the_labels(samples):
    first = by_image(samples, 0, 0.2)
    for seed, batch_size in ((3, 4), (0, 10)):
        other = by_image(samples, seed, 0.2, batch_size)
        assert all(torch.equal(first[i], other[i]) for i in first)
    clean, double = by_image(samples, 0, 0.0), by_image(samples, 0, 0.4)
    for i in first:
        torch.testing.assert_close(double[i] - clean[i], 2 * (first[i] - clean[i]), rtol=1e-4, atol=1e-5)
    _, without = open_stream(samples, 4, 1)
    _, with_noise = open_stream(samples, 4, 1, noise=0.4)
    for batch in range(3):
        for task, label in without.truth(batch).items():
            assert torch.equal(label, with_noise.truth(batch)[task]), task


def test_sigma_by_hand():
    images = [torch.tensor([[[[1.0, 3.0]]]]), torch.tensor([[[[5.0, 7.0]]]])]
    noise = InputNoise(0.5, deviation(images), seed=9)
    moved = noise.added(torch.cat(images), [1, 0]) - torch.cat(images)
    drawn = torch.stack([torch.randn(1, 1, 2, generator=torch.Generator().manual_seed(9 + i)) for i in (1, 0)])
    torch.testing.assert_close(moved, 0.5 * 5.0**0.5 * drawn)  # 1, 3, 5, 7: variance 5


def test_without_noise_images_and_identities_are_what_they_were(samples):
    stream, _ = open_stream(samples, 4, 5)
    silent, _ = open_stream(samples, 4, 5, noise=0.0)
    plain = samples.batch(torch.randperm(10, generator=torch.Generator().manual_seed(5)).tolist()).images
    assert torch.equal(torch.cat(list(stream.images)), plain)
    assert torch.equal(torch.cat(list(silent.images)), plain)
    config = SweepConfig(pairs=("rooms/studio->rooms/fog",), methods=tuple(parse_methods("tent")), size=(32, 32))
    [clean, *_], [noisy, *_] = (make_plan(replace(config, input_noise=n)).cells for n in (0.0, 0.1))
    assert clean.describe()["input_noise"] == 0
    assert noisy.describe()["input_noise"] == 0.1
    assert clean.id != noisy.id
    assert clean.branch.id == noisy.branch.id, "training never sees the noise"
    assert config.id != replace(config, input_noise=0.1).id


def test_a_negative_scale_is_refused():
    with pytest.raises(UserError, match="input_noise"):
        SweepConfig(pairs=("rooms/studio->rooms/fog",), methods=(), input_noise=-0.1).check()
