"""ReC-TTT's bottleneck and decoder on maps of any widths and sides."""

import pytest
import torch

from ttt_bench.toolbox.reconstruction import Bottleneck, Decoder


@pytest.mark.parametrize("channels", [(64, 128, 256), (18, 36, 72), (5, 10, 22)])
def test_maps_of_any_width_are_rebuilt_in_their_shapes(channels):
    maps = [torch.randn(2, width, side, side) for width, side in zip(channels, (16, 8, 3), strict=True)]
    code = Bottleneck(channels)(maps)
    assert code.shape == (2, 2 * channels[2], 2, 2)
    decoder = Decoder(channels, 2)
    rebuilt = decoder.read(decoder(code, [(each.shape[-2], each.shape[-1]) for each in maps]), 1)
    assert [each.shape for each in rebuilt] == [each.shape for each in maps]
