"""TTT-MAE's network: a masked autoencoder of images with a class token, and a transformer head that classifies."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ttt_bench.toolbox.mae.autoencoder import MaskedAutoencoder, ViTShape
from ttt_bench.toolbox.mae.blocks import NORM_EPS, Block
from ttt_bench.toolbox.mae.masking import Mask, gather_tokens
from ttt_bench.toolbox.mae.positions import sincos_table


@dataclass(frozen=True)
class HeadShape:
    """Sizes of the classifying head."""

    width: int
    depth: int
    heads: int


class MaskedClassifier(MaskedAutoencoder):
    """Parameter names are those of the published checkpoints; position tables are computed."""

    def __init__(self, classes: int, shape: ViTShape, head: HeadShape) -> None:
        """Build and initialise as the autoencoder does."""
        super().__init__(3, 3, shape)
        self.head_width = head.width
        self.cls_token = nn.Parameter(torch.zeros(1, 1, shape.width))
        self.classifier_embed = nn.Linear(shape.width, head.width)
        self.classifier_blocks = nn.ModuleList(
            Block(head.width, head.heads, shape.mlp_ratio) for _ in range(head.depth)
        )
        self.classifier_norm = nn.LayerNorm(head.width, eps=NORM_EPS)
        self.classifier_pred = nn.Linear(head.width, classes)
        nn.init.normal_(self.cls_token, std=0.02)
        for layer in (self.classifier_embed, self.classifier_pred):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def encode(self, maps: Tensor, size: int, mask: Mask | None) -> Tensor:
        """(B, 3, H, W), read as if resized to (size, size) -> (B, 1 + K, D), the class token first."""
        tokens = self.patch_embed(maps, size) + sincos_table(self.shape.width, self.grid(size), maps.device)
        x = _with_class(self.cls_token, tokens if mask is None else mask.take(tokens))
        for block in self.blocks:
            x = block(x)
        output: Tensor = self.norm(x)
        return output

    def decode(self, latent: Tensor, size: int, mask: Mask) -> Tensor:
        """(B, 1 + K, D) -> predicted patches of all positions (B, N, patch * patch * 3)."""
        x = self.decoder_embed(latent)
        hidden = self.mask_token.to(x.dtype).expand(len(x), mask.restore.shape[1] - mask.kept, -1)
        x = torch.cat([x[:, :1], gather_tokens(torch.cat([x[:, 1:], hidden], dim=1), mask.restore)], dim=1)
        x = x + sincos_table(self.shape.decoder_width, self.grid(size), x.device, class_token=True)
        for block in self.decoder_blocks:
            x = block(x)
        output: Tensor = self.decoder_pred(self.decoder_norm(x))[:, 1:]
        return output

    def classify(self, images: Tensor, size: int) -> Tensor:
        """(B, 3, H, W), nothing masked -> logits (B, classes) read off the head's class token."""
        x = self.classifier_embed(self.encode(images, size, None))
        x = x + sincos_table(self.head_width, self.grid(size), x.device, class_token=True)
        for block in self.classifier_blocks:
            x = block(x)
        output: Tensor = self.classifier_pred(self.classifier_norm(x)[:, 0])
        return output


def _with_class(token: Tensor, tokens: Tensor) -> Tensor:
    return torch.cat([token.to(tokens.dtype).expand(len(tokens), -1, -1), tokens], dim=1)
