import numpy as np
import pytest

from ttt_bench.domains.corruptions.domain import corrupt
from ttt_bench.domains.corruptions.kinds import CORRUPTIONS
from ttt_bench.domains.corruptions.tables import KINDS, PARAMETERS
from ttt_bench.domains.rooms.domain import Rooms
from ttt_bench.errors import UserError

SIZE = (48, 64)
MONOTONE = [k for k in KINDS if k not in ("snow", "frost", "fog", "glass_blur")]


@pytest.fixture(scope="module")
def clean():
    domain = Rooms("studio", SIZE)
    samples = {index: domain.sample("test", index) for index in range(3)}
    domain.sample = lambda split, index: samples[index]  # rendering is not what is tested here
    return domain


def test_there_are_the_fifteen_kinds_with_five_severities():
    assert len(KINDS) == 15
    assert set(CORRUPTIONS) == set(KINDS)
    assert all(len(rows) == 5 for rows in PARAMETERS.values())


@pytest.mark.parametrize("kind", KINDS)
def test_keeps_the_contract_and_the_labels(clean, kind):
    original = clean.sample("test", 0)
    before = original.image.copy()
    domain = corrupt(clean, kind, 3)
    sample = domain.sample("test", 0)
    assert domain.name == f"rooms/studio+{kind}:3"
    assert (domain.tasks, domain.classes, domain.size) == (clean.tasks, clean.classes, clean.size)
    assert domain.length("val") == clean.length("val")
    assert domain.edge_definition == clean.edge_definition
    assert sample.image.shape == (*SIZE, 3)
    assert sample.image.dtype == np.uint8
    for task, label in original.labels.items():
        np.testing.assert_array_equal(label, sample.labels[task])
    np.testing.assert_array_equal(original.image, before)
    assert np.abs(sample.image.astype(float) - before).mean() > 1.5
    np.testing.assert_array_equal(sample.image, corrupt(clean, kind, 3).sample("test", 0).image)


@pytest.mark.parametrize("kind", [k for k in KINDS if k.endswith("noise")] + ["frost", "fog", "snow", "glass_blur"])
def test_randomness_differs_from_image_to_image(clean, kind):
    grey = np.full((*SIZE, 3), 0.5, np.float32)
    grey[:, ::2] = 0.2
    draws = [CORRUPTIONS[kind](grey, PARAMETERS[kind][2], 0.25, np.random.default_rng(seed)) for seed in (0, 1)]
    assert np.abs(draws[0] - draws[1]).max() > 0.01


@pytest.mark.parametrize("kind", MONOTONE)
def test_severity_moves_the_image_further_away(clean, kind):
    distance = [
        np.mean(
            [
                np.abs(
                    corrupt(clean, kind, s).sample("test", i).image.astype(float) - clean.sample("test", i).image
                ).mean()
                for i in range(3)
            ]
        )
        for s in range(1, 6)
    ]
    assert distance == sorted(set(distance))


@pytest.mark.parametrize("kind", ["frost", "fog"])
def test_severity_leaves_less_of_the_image(clean, kind):
    """Mean distance says little where a bright layer lies over the image; correlation with it does."""

    def likeness(severity):
        pairs = [
            (corrupt(clean, kind, severity).sample("test", i).image, clean.sample("test", i).image) for i in range(3)
        ]
        return np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs])

    assert likeness(5) < likeness(1) - 0.05


def test_blur_lengths_scale_with_the_image():
    """A blurred large image, made small, looks like the blurred small one."""
    large = np.zeros((256, 256, 3), np.float32)
    large[:, 128:] = 1
    small = large[::4, ::4]
    parameters = PARAMETERS["defocus_blur"][4]
    rng = np.random.default_rng(0)
    blurred = CORRUPTIONS["defocus_blur"](large, parameters, 256 / 224, rng).reshape(64, 4, 64, 4, 3).mean((1, 3))
    assert np.abs(blurred - CORRUPTIONS["defocus_blur"](small, parameters, 64 / 224, rng)).max() < 0.06


def test_fingerprints_tell_kinds_severities_and_bases_apart(clean):
    prints = [
        corrupt(base, kind, severity).fingerprint()
        for base in (clean, Rooms("fog", SIZE))
        for kind in ("fog", "snow")
        for severity in (1, 2)
    ] + [clean.fingerprint()]
    assert len(set(prints)) == len(prints)
    assert prints[0] == corrupt(Rooms("studio", SIZE), "fog", 1).fingerprint()


def test_black_and_tiny_images_survive():
    black = np.zeros((17, 33, 3), np.float32)
    for kind in KINDS:
        for parameters in PARAMETERS[kind]:
            result = CORRUPTIONS[kind](black, parameters, 0.1, np.random.default_rng(0))
            assert result.shape == black.shape, kind
            assert np.isfinite(result).all(), kind


def test_refuses_what_does_not_exist(clean):
    with pytest.raises(UserError, match="Unknown corruption 'gausian_noise'") as error:
        corrupt(clean, "gausian_noise", 1)
    assert "Did you mean 'gaussian_noise'" in error.value.hint
    with pytest.raises(UserError, match="no severity 6"):
        corrupt(clean, "fog", 6)
