"""Patch embedding folded with its resize, unpatchify and positions, each against the obvious way."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from ttt_bench.toolbox.mae.patches import PatchEmbedding, foldable, resized_patch_conv, unpatchify
from ttt_bench.toolbox.mae.positions import sincos_table

TOLERANCE = {torch.float64: {"rtol": 1e-10, "atol": 1e-10}, torch.float32: {"rtol": 1e-4, "atol": 1e-4}}


def naive(maps, weight, size, groups=1):
    square = F.interpolate(maps, size=(size, size), mode="bilinear", align_corners=False)
    return F.conv2d(square, weight, stride=weight.shape[-1], groups=groups)


GEOMETRIES = [
    ((16, 16), 64, 16, True),  # the published ratio of 4
    ((16, 24), 64, 16, True),  # non-square, whole source pixels per patch on both axes
    ((28, 36), 64, 16, True),  # NYUD's proportions: 7 and 9 source pixels per patch
    ((8, 8), 64, 16, True),
    ((4, 4), 64, 16, True),
    ((32, 32), 64, 16, True),
    ((64, 64), 64, 16, False),  # nothing to resize
    ((128, 128), 64, 16, False),  # downsampling
    ((15, 23), 64, 16, False),  # odd image sizes
    ((16, 15), 64, 16, False),
    ((3, 5), 12, 4, False),
    ((3, 6), 12, 4, True),
]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("source", "size", "patch", "folds"), GEOMETRIES)
def test_folding_equals_resizing_then_convolving_with_gradients(source, size, patch, folds, dtype):
    assert foldable(source, size, patch) == folds
    rng = torch.Generator().manual_seed(0)
    maps = torch.randn((2, 6, *source), generator=rng, dtype=dtype, requires_grad=True)
    weight = torch.randn((5, 6, patch, patch), generator=rng, dtype=dtype) / patch
    weight.requires_grad_()
    direction = torch.randn((2, 5, size // patch, size // patch), generator=rng, dtype=dtype)
    results = []
    for function in (resized_patch_conv, naive):
        out = function(maps, weight, size)
        results.append((out, *torch.autograd.grad((out * direction).sum(), (maps, weight))))
    for got, want in zip(*results, strict=True):
        torch.testing.assert_close(got, want, **TOLERANCE[dtype])


def test_partial_tokens_are_the_sum_of_the_visible_groups():
    torch.manual_seed(0)
    embedding = PatchEmbedding(3 * 4, 5, patch=8).double()
    maps = torch.randn(2, 12, 8, 8, dtype=torch.float64)
    parts = torch.rand(2, 16, 3) < 0.5
    got = embedding.partial(maps, 32, parts)
    square = F.interpolate(maps, size=(32, 32), mode="bilinear", align_corners=False)
    for n in range(16):
        r, c = divmod(n, 4)
        window = square[:, :, 8 * r : 8 * r + 8, 8 * c : 8 * c + 8]
        window = window * parts[:, n].repeat_interleave(4, 1)[:, :, None, None]
        want = torch.einsum("bcij,dcij->bd", window, embedding.proj.weight) + embedding.proj.bias
        torch.testing.assert_close(got[:, n], want)


def test_all_groups_visible_is_the_plain_embedding():
    torch.manual_seed(0)
    embedding = PatchEmbedding(12, 5, patch=8).double()
    maps = torch.randn(2, 12, 8, 8, dtype=torch.float64)
    whole = embedding.partial(maps, 32, torch.ones(2, 16, 3, dtype=torch.bool))
    torch.testing.assert_close(whole, embedding(maps, 32))


def test_unpatchify_lays_out_row_then_column_then_channel():
    patch, rows, columns, channels = 3, 2, 4, 5
    tokens = torch.arange(2.0 * rows * columns * patch**2 * channels).view(2, rows * columns, -1)
    image = unpatchify(tokens, patch, (rows, columns))
    assert image.shape == (2, channels, rows * patch, columns * patch)
    for y, x, c in [(0, 0, 0), (4, 7, 2), (5, 11, 4), (1, 2, 3)]:
        token = (y // patch) * columns + x // patch
        inside = ((y % patch) * patch + x % patch) * channels + c
        assert image[1, c, y, x] == tokens[1, token, inside]


def test_positions_encode_the_column_first_and_the_row_second():
    table = sincos_table(8, (2, 3))
    assert table.shape == (6, 8)
    for token in range(6):
        row, column = divmod(token, 3)
        want = []
        for coordinate in (column, row):
            angles = [coordinate * 10000 ** (-k / 2) for k in range(2)]
            want += [math.sin(a) for a in angles] + [math.cos(a) for a in angles]
        torch.testing.assert_close(table[token], torch.tensor(want), rtol=1e-6, atol=1e-7)


def test_positions_need_a_width_divisible_by_four():
    with pytest.raises(ValueError, match="divisible by 4"):
        sincos_table(6, (2, 2))
