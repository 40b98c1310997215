"""The masked autoencoder: embed, mask, encode what is visible, decode everything."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ttt_bench.toolbox.mae.blocks import NORM_EPS, Block
from ttt_bench.toolbox.mae.masking import Mask, gather_tokens
from ttt_bench.toolbox.mae.patches import PatchEmbedding, unpatchify
from ttt_bench.toolbox.mae.positions import sincos_table


@dataclass(frozen=True)
class ViTShape:
    """Sizes of encoder and decoder; defaults are S4T's."""

    patch: int = 16
    width: int = 64
    depth: int = 4
    heads: int = 4
    decoder_width: int = 64
    decoder_depth: int = 2
    decoder_heads: int = 4
    mlp_ratio: int = 4


class MaskedAutoencoder(nn.Module):
    """From a map to a map through a ViT that sees only the kept patches; no class token.

    Parameter names are those of the published MAE checkpoints. The position tables are fixed functions of the
    token grid, so the parameters fit any size that is divisible by the patch.
    """

    def __init__(self, in_channels: int, out_channels: int, shape: ViTShape) -> None:
        """Build and initialise: Xavier for linears and the flattened patch kernel, N(0, 0.02^2) for the token."""
        super().__init__()
        self.shape = shape
        width, decoder_width = shape.width, shape.decoder_width
        self.patch_embed = PatchEmbedding(in_channels, width, shape.patch)
        self.blocks = nn.ModuleList(Block(width, shape.heads, shape.mlp_ratio) for _ in range(shape.depth))
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.decoder_embed = nn.Linear(width, decoder_width)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, decoder_width))
        self.decoder_blocks = nn.ModuleList(
            Block(decoder_width, shape.decoder_heads, shape.mlp_ratio) for _ in range(shape.decoder_depth)
        )
        self.decoder_norm = nn.LayerNorm(decoder_width, eps=NORM_EPS)
        self.decoder_pred = nn.Linear(decoder_width, shape.patch**2 * out_channels)
        self.apply(_initialise)
        nn.init.xavier_uniform_(self.patch_embed.proj.weight.data.flatten(1))
        nn.init.normal_(self.mask_token, std=0.02)

    def grid(self, size: int) -> tuple[int, int]:
        """(rows, columns) of tokens of a (size, size) input."""
        return (size // self.shape.patch, size // self.shape.patch)

    def tokens(self, size: int) -> int:
        """N, the number of tokens of a (size, size) input."""
        return self.grid(size)[0] ** 2

    def encode(self, maps: Tensor, size: int, mask: Mask) -> Tensor:
        """(B, C, h, w), read as if resized to (size, size) -> latents of the kept tokens (B, K, D)."""
        if mask.parts is None:
            tokens = self.patch_embed(maps, size)
        else:
            tokens = self.patch_embed.partial(maps, size, mask.parts)
        x: Tensor = mask.take(tokens + sincos_table(self.shape.width, self.grid(size), maps.device))
        for block in self.blocks:
            x = block(x, mask.valid)
        output: Tensor = self.norm(x)
        return output

    def decode(self, latent: Tensor, size: int, mask: Mask) -> Tensor:
        """(B, K, D) -> predicted patches of all positions (B, N, patch * patch * C_out)."""
        x = self.decoder_embed(latent)
        if mask.valid is not None:
            x = torch.where(mask.valid.unsqueeze(2), x, self.mask_token.to(x.dtype))
        hidden = mask.restore.shape[1] - mask.kept
        x = torch.cat([x, self.mask_token.to(x.dtype).expand(len(x), hidden, -1)], dim=1)
        x = gather_tokens(x, mask.restore)
        x = x + sincos_table(self.shape.decoder_width, self.grid(size), x.device)
        for block in self.decoder_blocks:
            x = block(x)
        output: Tensor = self.decoder_pred(self.decoder_norm(x))
        return output

    def forward(self, maps: Tensor, size: int, mask: Mask) -> Tensor:
        """(B, C, h, w) -> (B, C_out, size, size)."""
        patches = self.decode(self.encode(maps, size, mask), size, mask)
        return unpatchify(patches, self.shape.patch, self.grid(size))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
