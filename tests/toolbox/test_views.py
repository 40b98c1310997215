from __future__ import annotations

import colorsys

import pytest
import torch

from ttt_bench.domains.normalisation import MEAN, STD
from ttt_bench.toolbox import views


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def normalised(pixels):
    return (pixels - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)


def pixels_of(view):
    return view * torch.tensor(STD).view(1, 3, 1, 1) + torch.tensor(MEAN).view(1, 3, 1, 1)


@pytest.mark.parametrize(("shape", "size"), [((3, 3, 40, 64), 32), ((1, 3, 32, 32), 32), ((2, 3, 240, 260), 224)])
def test_simclr_views_are_square_images_in_range(shape, size):
    view = views.simclr_view(normalised(torch.rand(shape, generator=generator())), size, generator(1))
    assert view.shape == (shape[0], 3, size, size)
    pixels = pixels_of(view)
    assert pixels.min() > -1e-5
    assert pixels.max() < 1 + 1e-5
    assert pixels.std() > 0.05


def test_views_are_decided_by_the_generator_alone():
    images = normalised(torch.rand(2, 3, 32, 48, generator=generator()))
    first, again, other = (views.simclr_view(images, 32, generator(seed)) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)
    assert not torch.allclose(first[0], first[1])


def test_resized_crop_of_the_whole_image_is_the_image_or_its_mirror():
    images = torch.rand(6, 3, 16, 16, generator=generator())
    crops = views.resized_crop(images, 16, generator(), scale=(50.0, 50.0))
    mirrored = [torch.allclose(c, i.flip(-1), atol=1e-5) for c, i in zip(crops, images, strict=True)]
    plain = [torch.allclose(c, i, atol=1e-5) for c, i in zip(crops, images, strict=True)]
    assert all(a or b for a, b in zip(mirrored, plain, strict=True))
    assert any(mirrored)
    assert any(plain)


def test_resized_crops_stay_inside():
    ramp = torch.linspace(0, 1, 64).expand(200, 3, 48, 64)
    crops = views.resized_crop(ramp, 24, generator())
    widths = (crops[..., -1] - crops[..., 0]).abs().mean((1, 2))
    assert widths.min() > 0.3
    assert widths.max() <= 1


def test_hue_agrees_with_colorsys():
    pixels = torch.rand(1, 3, 4, 5, generator=generator())
    pixels[0, :, 0, 0] = 0.5
    shifted = views._shift_hue(pixels, torch.full((1, 1, 1, 1), 0.1))
    for row in range(4):
        for column in range(5):
            h, s, v = colorsys.rgb_to_hsv(*pixels[0, :, row, column].tolist())
            want = torch.tensor(colorsys.hsv_to_rgb((h + 0.1) % 1, s, v))
            torch.testing.assert_close(shifted[0, :, row, column], want, atol=1e-5, rtol=0)


def test_blur_keeps_constants_and_removes_detail():
    noise = torch.rand(2, 3, 64, 64, generator=generator())
    assert torch.allclose(views._blur(torch.full_like(noise, 0.3), generator()), torch.tensor(0.3), atol=1e-5)
    assert views._blur(noise, generator(1)).std() < noise.std()
