import numpy as np
import pytest

from ttt_bench.domains.corruptions.domain import corrupt
from ttt_bench.domains.corruptions.kinds import CORRUPTIONS
from ttt_bench.domains.corruptions.recipe import whole_levels
from ttt_bench.domains.corruptions.tables import (
    KINDS,
    TABLES,
    TEST_KINDS,
    VALIDATION,
    kinds_in,
    parameters_for,
    table_side,
)
from ttt_bench.domains.objects.domain import Objects
from ttt_bench.domains.rooms.domain import Rooms
from ttt_bench.errors import UserError

SIZE = (48, 64)
MONOTONE = [k for k in KINDS if k not in ("snow", "frost", "fog", "glass_blur", "spatter", "saturate")]


@pytest.fixture(scope="module")
def clean():
    domain = Rooms("studio", SIZE)
    samples = {index: domain.sample("test", index) for index in range(3)}
    domain.sample = lambda split, index: samples[index]  # rendering is not what is tested here
    return domain


def test_there_are_fifteen_kinds_and_four_for_validation_with_five_severities():
    assert (len(KINDS), len(TEST_KINDS), len(VALIDATION)) == (19, 15, 4)
    assert set(CORRUPTIONS) == set(KINDS)
    for table in TABLES.values():
        assert tuple(table) == KINDS
        assert all(len(rows) == 5 for rows in table.values())


@pytest.mark.parametrize(
    ("size", "side"),
    [
        ((32, 32), 32), ((45, 45), 32), ((46, 46), 64), ((64, 64), 64), ((96, 128), 64), ((119, 119), 64),
        ((120, 120), 224), ((224, 224), 224), ((480, 640), 224),
    ],
)  # fmt: skip
def test_the_nearest_table_is_taken(size, side):
    assert table_side(size) == side
    assert parameters_for("gaussian_noise", 5, size) == {32: 0.10, 64: 0.18, 224: 0.38}[side]


def test_lengths_follow_the_size_and_nothing_else_does():
    assert parameters_for("defocus_blur", 5, (224, 224)) == (10, 0.5)
    assert parameters_for("defocus_blur", 5, (448, 448)) == (20, 0.5)
    assert parameters_for("gaussian_blur", 5, (112, 448)) == 6
    assert parameters_for("glass_blur", 4, (336, 336)) == pytest.approx((1.65, 4, 2))
    assert parameters_for("glass_blur", 1, (128, 128)) == pytest.approx((0.4, 1, 2))
    assert parameters_for("defocus_blur", 2, (48, 64)) == (1, 0.1)
    assert parameters_for("fog", 2, (40, 40)) == (0.5, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_keeps_the_contract_and_the_labels(clean, kind):
    original = clean.sample("test", 0)
    before = original.image.copy()
    domain = corrupt(clean, kind, 3)
    sample = domain.sample("test", 0)
    assert domain.name == f"rooms/studio+{kind}:3"
    assert (domain.tasks, domain.classes, domain.size) == (clean.tasks, clean.classes, clean.size)
    assert domain.length("val") == clean.length("val")
    assert (domain.edge_definition, domain.scaling) == (clean.edge_definition, clean.scaling)
    assert sample.image.shape == (*SIZE, 3)
    assert sample.image.dtype == np.uint8
    for task, label in original.labels.items():
        np.testing.assert_array_equal(label, sample.labels[task])
    np.testing.assert_array_equal(original.image, before)
    assert np.abs(sample.image.astype(float) - before).mean() > 0.7
    np.testing.assert_array_equal(sample.image, corrupt(clean, kind, 3).sample("test", 0).image)


RANDOM = [*(k for k in KINDS if k.endswith("noise")), "glass_blur", "motion_blur", "frost", "fog", "snow", "spatter"]


@pytest.mark.parametrize("kind", [*RANDOM, "elastic_transform"])
def test_randomness_differs_from_image_to_image(kind):
    stripes = np.full((*SIZE, 3), 128, np.uint8)
    stripes[:, ::2] = 51
    parameters = parameters_for(kind, 3, SIZE)
    one, two = (CORRUPTIONS[kind](stripes, parameters, np.random.default_rng(seed)) for seed in (0, 3))
    assert np.abs(one.astype(float) - two).max() > 2.5


@pytest.mark.parametrize("kind", MONOTONE)
def test_severity_moves_the_image_further_away(clean, kind):
    def distance(severity):
        domain = corrupt(clean, kind, severity)
        images = [(domain.sample("test", i).image.astype(float), clean.sample("test", i).image) for i in range(3)]
        return np.mean([np.abs(a - b).mean() for a, b in images])

    distances = [distance(severity) for severity in range(1, 6)]
    assert distances == sorted(set(distances))


@pytest.mark.parametrize("kind", ["frost", "fog"])
def test_severity_leaves_less_of_the_image(clean, kind):
    """Mean distance says little where a bright layer lies over the image; correlation with it does."""

    def likeness(severity):
        pairs = [
            (corrupt(clean, kind, severity).sample("test", i).image, clean.sample("test", i).image) for i in range(3)
        ]
        return np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs])

    assert likeness(5) < likeness(1) - 0.05


def test_spatter_is_pale_water_then_brown_mud(clean):
    image = np.full((64, 64, 3), 100, np.uint8)
    for severity in range(1, 6):
        result = CORRUPTIONS["spatter"](image, parameters_for("spatter", severity, (64, 64)), np.random.default_rng(3))
        change = result.astype(float) - image
        assert 0.005 < (np.abs(change).max(-1) > 10).mean() < 0.9
        assert (change.min() >= -1) if severity < 4 else (change.max() <= 0)


def test_levels_are_cut_and_not_rounded():
    assert whole_levels(np.array([0.99, 254.99, 255.0])).tolist() == [0, 254, 255]


def test_objects_keep_their_places_only_where_labels_are_maps():
    """The published warp at 32 pixels, severity 1, is an affine map alone, and the ripple has none."""
    rooms, objects = Rooms("studio", (32, 32)), Objects("studio", (32, 32))
    assert corrupt(rooms, "elastic_transform", 1).content()["parameters"] == pytest.approx((0.7, 2.44 / 7, 0))
    assert corrupt(objects, "elastic_transform", 1).content()["parameters"] == (0, 0, 32 * 0.08)


def test_fingerprints_tell_kinds_severities_and_bases_apart(clean):
    prints = [
        corrupt(base, kind, severity).fingerprint()
        for base in (clean, Rooms("fog", SIZE))
        for kind in ("fog", "snow")
        for severity in (1, 2)
    ] + [clean.fingerprint()]
    assert len(set(prints)) == len(prints)
    assert prints[0] == corrupt(Rooms("studio", SIZE), "fog", 1).fingerprint()


@pytest.mark.parametrize("size", [(17, 33), (32, 224)])
def test_black_white_and_narrow_images_survive(size):
    for level in (0, 255):
        image = np.full((*size, 3), level, np.uint8)
        for kind in KINDS:
            for severity in range(1, 6):
                parameters = parameters_for(kind, severity, size)
                result = CORRUPTIONS[kind].apply(
                    image, parameters, CORRUPTIONS[kind].draw(image, parameters, np.random.default_rng(0))
                )
                assert result.shape == image.shape, kind
                assert result.min() >= 0, kind
                assert result.max() <= 255, kind


def test_refuses_what_does_not_exist(clean):
    with pytest.raises(UserError, match="Unknown corruption 'gausian_noise'") as error:
        corrupt(clean, "gausian_noise", 1)
    assert "Did you mean 'gaussian_noise'" in error.value.hint
    with pytest.raises(UserError, match="no severity 6"):
        corrupt(clean, "fog", 6)


@pytest.mark.parametrize(
    ("domain", "kinds"),
    [
        ("rooms/studio", set()), ("rooms/studio+fog:3", {"fog"}), ("cifar10c/contrast-5", {"contrast"}),
        ("tinyimagenetc/jpeg_compression-1", {"jpeg_compression"}), ("rooms/fog", set()), ("folder/contrast-9", set()),
        ("cifar10c/fog-5>cifar10c/gaussian_noise-2", {"fog", "gaussian_noise"}),
        ("rooms/studio+snow:2+fog:1", {"snow", "fog"}), ("folder/mine+blurred:1", set()),
    ],
)  # fmt: skip
def test_kinds_are_read_from_written_names_and_from_names_of_published_files(domain, kinds):
    assert kinds_in(domain) == kinds
