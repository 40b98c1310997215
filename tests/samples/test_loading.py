import numpy as np
import pytest
import torch

from ttt_bench.domains.corruptions.domain import corrupt
from ttt_bench.domains.rooms.domain import Rooms
from ttt_bench.errors import UserError
from ttt_bench.samples.loading import MEAN, STD, Batch, SampleSet, augment, denormalise, normalise

SIZE = (24, 32)


@pytest.fixture(scope="module")
def batch():
    return SampleSet(Rooms("studio", SIZE), "train", 6).batch(range(6))


def test_batch_has_the_shapes_and_types_of_its_contract(batch):
    assert batch.images.shape == (6, 3, *SIZE)
    assert batch.images.dtype == torch.float32
    assert batch.images.is_contiguous()
    expected = {"semseg": ((6, *SIZE), torch.int64), "depth": ((6, 1, *SIZE), torch.float32),
                "normal": ((6, 3, *SIZE), torch.float32), "edge": ((6, 1, *SIZE), torch.float32)}  # fmt: skip
    assert {t: (tuple(v.shape), v.dtype) for t, v in batch.labels.items()} == expected
    assert len(batch) == 6
    assert batch.to("cpu").images.data_ptr() == batch.images.data_ptr()


def test_values_are_those_of_the_domain(batch):
    sample = Rooms("studio", SIZE).sample("train", 4)
    pixels = (denormalise(batch.images)[4].permute(1, 2, 0) * 255).round().byte().numpy()
    np.testing.assert_array_equal(pixels, sample.image)
    np.testing.assert_array_equal(batch.labels["semseg"][4], sample.labels["semseg"])
    np.testing.assert_allclose(batch.labels["depth"][4], sample.labels["depth"], rtol=1e-3)
    np.testing.assert_allclose(batch.labels["normal"][4], sample.labels["normal"], atol=1e-3)
    np.testing.assert_array_equal(batch.labels["edge"][4], sample.labels["edge"])


def test_normalisation_is_imagenets():
    image = torch.tensor([[[[255, 0, 128]]]], dtype=torch.uint8)
    expected = [(1 - MEAN[0]) / STD[0], -MEAN[1] / STD[1], (128 / 255 - MEAN[2]) / STD[2]]
    torch.testing.assert_close(normalise(image).flatten(), torch.tensor(expected))


def test_hands_out_the_pairs_classes_and_the_wanted_tasks_only():
    domain = Rooms("studio", (64, 64))
    own = SampleSet(domain, "train", 8).batch(range(8)).labels["semseg"]
    some = SampleSet(domain, "train", 8, ("chair", "sofa"), tasks=("semseg", "edge")).batch(range(8))
    assert set(some.labels) == {"semseg", "edge"}
    remapped = some.labels["semseg"]
    assert torch.equal(remapped == 0, own == domain.classes.index("chair"))
    assert torch.equal(remapped == 1, own == domain.classes.index("sofa"))
    assert set(remapped.unique().tolist()) == {0, 1, 255}


def test_a_cache_changes_no_number(tmp_path):
    domain = corrupt(Rooms("fog", SIZE), "fog", 2)
    plain = SampleSet(domain, "test", 5)
    cached = SampleSet(domain, "test", 5, cache_dir=tmp_path)
    assert not cached.cached
    assert cached.nbytes == 5 * SIZE[0] * SIZE[1] * (3 + 1 + 2 + 6 + 1)
    cached.build()
    assert cached.cached
    a, b = plain.batch([3, 0, 3]), cached.batch([3, 0, 3])
    torch.testing.assert_close(a.images, b.images, rtol=0, atol=0)
    for task in a.labels:
        torch.testing.assert_close(a.labels[task], b.labels[task], rtol=0, atol=0)
    b.images.add_(1)  # a batch is the caller's own
    torch.testing.assert_close(cached.batch([3, 0, 3]).images, a.images, rtol=0, atol=0)


def test_refuses_what_is_not_there():
    domain = Rooms("studio", SIZE)
    with pytest.raises(UserError, match="has 10000 test samples; 10001 were asked for"):
        SampleSet(domain, "test", 10_001)
    with pytest.raises(UserError, match="0 were asked for"):
        SampleSet(domain, "test", 0)
    with pytest.raises(UserError, match="Unknown split 'tset'") as error:
        SampleSet(domain, "tset", 1)
    assert "Did you mean 'test'" in error.value.hint
    with pytest.raises(IndexError):
        SampleSet(domain, "test", 2).batch([2])
    with pytest.raises(IndexError):
        SampleSet(domain, "test", 2).batch([-1])


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_another_scaling_shows_the_same_pixels():
    domain = Rooms("studio", SIZE)
    usual, symmetric = (SampleSet(domain, "train", 3, scaling=s).batch(range(3)) for s in ("imagenet", "symmetric"))
    pixels = denormalise(usual.images)
    torch.testing.assert_close(symmetric.images, 2 * pixels - 1)
    torch.testing.assert_close(denormalise(symmetric.images, "symmetric"), pixels)
    for recipe in ("light", "paper"):
        one = augment(usual, recipe, torch.Generator().manual_seed(4)).images
        two = augment(symmetric, recipe, torch.Generator().manual_seed(4), "symmetric").images
        border = (two == 0).all(1, keepdim=True) & (one == 0).all(1, keepdim=True)
        assert border.any() == (recipe == "paper")
        torch.testing.assert_close(torch.where(border, 0.0, 2 * denormalise(one) - 1), two, atol=1e-5, rtol=0)
    with pytest.raises(UserError, match="Unknown scaling"):
        SampleSet(domain, "train", 3, scaling="symmetrical")


@pytest.mark.parametrize("recipe", ["light", "paper"])
def test_augmentation_is_decided_by_its_generator(batch, recipe):
    a, b, c = (augment(batch, recipe, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(a.images, b.images)
    assert not torch.equal(a.images, c.images)
    assert a.images.shape == batch.images.shape
    for task, label in a.labels.items():
        assert label.shape == batch.labels[task].shape
        assert label.dtype == batch.labels[task].dtype
        assert torch.equal(label, b.labels[task])
    assert torch.isfinite(a.images).all()


def test_no_augmentation_changes_nothing(batch):
    assert augment(batch, "none", generator()) is batch


def test_augmentation_leaves_its_input_alone(batch):
    before = {t: v.clone() for t, v in batch.labels.items()} | {"image": batch.images.clone()}
    for recipe in ("light", "paper"):
        augment(batch, recipe, generator())
    assert torch.equal(before.pop("image"), batch.images)
    assert all(torch.equal(before[t], batch.labels[t]) for t in before)


def test_unknown_augmentation(batch):
    with pytest.raises(UserError, match="Unknown augmentation 'lihgt'") as error:
        augment(batch, "lihgt", generator())
    assert "Did you mean 'light'" in error.value.hint


def test_a_mirrored_normal_turns_its_x(batch):
    many = [augment(batch, "light", generator(seed)) for seed in range(6)]
    mirrored = kept = 0
    for result in many:
        for i in range(6):
            old, new = batch.labels["normal"][i], result.labels["normal"][i]
            if torch.equal(new, old):
                kept += 1
                assert torch.equal(result.labels["semseg"][i], batch.labels["semseg"][i])
            else:
                mirrored += 1
                expected = old.flip(-1) * torch.tensor([-1.0, 1.0, 1.0]).view(3, 1, 1)
                assert torch.equal(new, expected)
                for task in ("semseg", "depth", "edge"):
                    assert torch.equal(result.labels[task][i], batch.labels[task][i].flip(-1))
    assert mirrored > 5
    assert kept > 5


def test_invalid_pixels_stay_invalid():
    ones = torch.ones(4, 1, 8, 8)
    labels = {
        "semseg": torch.full((4, 8, 8), 255), "depth": ones * 255, "normal": torch.full((4, 3, 8, 8), 255.0),
        "edge": ones * 255,
    }  # fmt: skip
    for recipe in ("light", "paper"):
        for seed in range(4):
            result = augment(Batch(torch.zeros(4, 3, 8, 8), labels), recipe, generator(seed))
            assert all((label == 255).all() for label in result.labels.values())


def test_scaling_divides_depth_and_keeps_labels_on_the_image():
    """A disc whose colour, class, depth and edge label coincide still does after scale and crop."""
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    disc = ((y - 30) ** 2 + (x - 34) ** 2 < 15**2).expand(32, 64, 64)
    pixels = torch.where(disc.unsqueeze(-1), 255, 0).expand(32, 64, 64, 3).to(torch.uint8)
    batch = Batch(normalise(pixels), {
        "semseg": disc.long(), "depth": torch.where(disc, 2.0, 4.0).unsqueeze(1), "edge": disc.float().unsqueeze(1),
    })  # fmt: skip
    result = augment(batch, "paper", generator(3))
    semseg, depth = result.labels["semseg"], result.labels["depth"][:, 0]
    valid = semseg != 255
    assert 0.4 < valid.float().mean() < 1.0
    assert torch.equal(valid, depth != 255)
    assert torch.equal(valid, result.labels["edge"][:, 0] != 255)
    scales = []
    for i in range(32):
        near, far = depth[i][valid[i] & (semseg[i] == 1)], depth[i][valid[i] & (semseg[i] == 0)]
        if len(near) and len(far):
            torch.testing.assert_close(far.mean() / near.mean(), torch.tensor(2.0), atol=1e-4, rtol=0)
            scales.append(2.0 / near.mean().item())
        bright = denormalise(result.images)[i].mean(0)
        if len(near) > 20 and len(far) > 20:
            assert bright[valid[i] & (semseg[i] == 1)].mean() > bright[valid[i] & (semseg[i] == 0)].mean() + 0.2
        assert (result.images[i, :, ~valid[i]] == 0).all(), "outside is 0 after normalisation"
    assert min(scales) < 0.8
    assert max(scales) > 1.5
    assert 0.5 <= min(scales) <= max(scales) <= 2.0
