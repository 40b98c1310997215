"""TTT-MAE: test-time training with masked autoencoders (Gandelsman et al., NeurIPS 2022)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttt_bench.errors import UserError
from ttt_bench.method.contract import Card, Method, Model, OptimizerSpec, Range, SourceBatch
from ttt_bench.networks.contract import Network, Predictions
from ttt_bench.networks.fused import ConcatConv1x1, resize
from ttt_bench.tasks import get_task
from ttt_bench.toolbox.mae.autoencoder import ViTShape
from ttt_bench.toolbox.mae.classifier import HeadShape, MaskedClassifier
from ttt_bench.toolbox.mae.masking import Mask, Masking
from ttt_bench.toolbox.mae.patches import patchify
from ttt_bench.toolbox.mae.pixels import hide, removed_error, standardised
from ttt_bench.toolbox.running import kept_statistics

TINY = ViTShape(4, 192, 12, 3, decoder_width=128, decoder_depth=2, decoder_heads=4)
TINY_HEAD = HeadShape(192, 2, 3)
SMALL_SIDE, SMALL_PATCH, PATCH = 64, 4, 16
TOKENS = ("cls_token", "mask_token")


@dataclass(frozen=True)
class TTTMAE(Method):
    """Most patches of an image are hidden; the network must still rebuild their pixels.

    Options:
        backbone: ``network``: the shared network reads images with squares set to zero, and a light decoder rebuilds
            them from its last two maps. ``vit_tiny``: the published architecture in small, a network of its own with a
            class token and a transformer head, for classes of images alone.
        mask_ratio: share of patches that is hidden.
        patch: side of a patch in pixels; 0 = 4 up to images of 64 pixels, 16 above. ``vit_tiny``: always 4.
        copies: of each image, each under its own mask.
        norm_pix: patches to rebuild are standardised, each by itself.
        hidden: channels of the light decoder.
        source_weight: of the rebuilding in joint source training.
        running: what moves the running statistics: a ``clean`` pass after each masked one, or the ``masked`` one.
        moving: ``encoder``; ``all``: the decoder too; ``encoder_no_tokens``: less the ``vit_tiny``'s two tokens.
    """

    name = "tttmae"
    card = Card(
        title="TTT-MAE",
        paper="Gandelsman et al., Test-Time Training with Masked Autoencoders, NeurIPS 2022",
        venue="NeurIPS 2022",
        equation="mean over hidden patches of |prediction - standardised pixels|^2",
        updates="encoder; the decoder stays",
        hooks="c4 and c5; the input image",
        defaults="official script: ratio 0.75, SGD 1e-2 x 128 / 256, momentum 0.9, 20 steps",
        parity_cases=10,
        deviations=(
            "a batch of images with 4 masks each; official: one image at a time with 128; copies=128 and batches of 1",
            "a convolutional network with hidden pixels and a light decoder; official: ViT-L; backbone=vit_tiny",
            "the decoder is trained with the tasks; official: the encoder is frozen before its head is trained",
            "batch norm, which a ViT has not: running statistics never see masked images; running=masked",
            "vit_tiny is trained from scratch on the source for fit_iterations; official: pre-trained on ImageNet",
        ),
        oddities=("the mask token moves with the encoder, since its name does not begin with decoder",),
    )
    native = OptimizerSpec("sgd", lr=5e-3, momentum=0.9)
    branch = "joint"
    source_options = ("backbone", "mask_ratio", "patch", "copies", "norm_pix", "hidden", "source_weight", "running")

    backbone: Literal["network", "vit_tiny"] = "network"
    mask_ratio: Annotated[float, Range(above=0, below=1)] = 0.75
    patch: Annotated[int, Range(0)] = 0
    copies: Annotated[int, Range(1)] = 4
    norm_pix: bool = True
    hidden: Annotated[int, Range(1)] = 256
    source_weight: Annotated[float, Range(0)] = 1.0
    running: Literal["clean", "masked"] = "clean"
    moving: Literal["encoder", "all", "encoder_no_tokens"] = "encoder"

    # --- modules -------------------------------------------------------------------------------

    def auxiliary(self, network: Network) -> nn.Module:
        """The light decoder, or the whole small ViT.

        Raises:
            UserError: the ViT is asked for, and the tasks are not one class per image.
        """
        if self.backbone == "network":
            sides = {self.patch} if self.patch else {SMALL_PATCH, PATCH}
            return PatchDecoders(network.channels[-2:], self.hidden, sides)
        task = network.tasks[0]
        if network.tasks != network.per_image or len(network.tasks) > 1 or get_task(task).output != "classes":
            raise UserError(
                f"tttmae(backbone=vit_tiny) answers one class per image; this pair has {', '.join(network.tasks)}.",
                "Use tttmae without it.",
            )
        return MaskedClassifier(network.outputs[task], TINY, TINY_HEAD)

    def updated(self, model: Model) -> Iterable[nn.Parameter]:
        """What ``moving`` says; the ViT's head is among it without a gradient, as published."""
        if isinstance(model.aux, MaskedClassifier):
            for name, parameter in model.aux.named_parameters():
                fixed = name.startswith("decoder") and self.moving != "all"
                if not fixed and not (name in TOKENS and self.moving == "encoder_no_tokens"):
                    yield parameter
            return
        yield from model.network.encoder.parameters()
        if self.moving == "all":
            yield from model.aux.parameters()

    # --- losses --------------------------------------------------------------------------------

    def source_loss(self, model: Model, batch: SourceBatch, rng: torch.Generator) -> Tensor:
        """The weighted rebuilding in a forward of its own; the ViT learns its task beside it."""
        loss = self.source_weight * self.rebuilding(model, batch.images, rng)
        if isinstance(model.aux, MaskedClassifier):
            loss = loss + batch.supervise(self.predict(model, batch.images), batch.labels)
        return loss

    def loss(self, model: Model, images: Tensor, rng: torch.Generator) -> Tensor:
        """The error of the rebuilt patches; then, by default, the clean pass that moves running statistics."""
        loss = self.rebuilding(model, images, rng)
        if self.running == "clean" and self.backbone == "network":
            with torch.no_grad():
                model.network.features(images)
        return loss

    def rebuilding(self, model: Model, images: Tensor, rng: torch.Generator) -> Tensor:
        """Error on the hidden patches of ``copies`` of each of ``images`` (B, 3, H, W)."""
        copies = images.repeat_interleave(self.copies, 0)
        if isinstance(model.aux, MaskedClassifier):
            size = side_for(model.aux, images)
            mask = self.draw_mask(copies, model.aux.tokens(size), rng)
            predicted = model.aux.decode(model.aux.encode(copies, size, mask), size, mask)
            return self.error(predicted, patchify(resize(copies, (size, size)), TINY.patch), mask.removed())
        patch = self.side(images)
        grid = (images.shape[-2] // patch, images.shape[-1] // patch)
        removed = self.draw_mask(copies, grid[0] * grid[1], rng).removed()
        with kept_statistics(model.network, self.running == "clean"):
            levels = model.network.features(hide(copies, removed, patch))
        assert isinstance(model.aux, PatchDecoders)
        whole = copies[..., : grid[0] * patch, : grid[1] * patch]
        return self.error(model.aux(levels[-2:], grid, patch), patchify(whole, patch), removed)

    def error(self, predicted: Tensor, patches: Tensor, removed: Tensor) -> Tensor:
        """Mean squared error on removed patches, of standardised pixels unless told otherwise."""
        return removed_error(predicted, standardised(patches) if self.norm_pix else patches, removed)

    def side(self, images: Tensor) -> int:
        """Side of a patch for ``images``.

        Raises:
            UserError: an image holds less than two patches, so that none could be hidden or none seen.
        """
        shortest, longest = sorted(images.shape[-2:])
        patch = self.patch or (SMALL_PATCH if shortest <= SMALL_SIDE else PATCH)
        if patch > shortest or shortest // patch * (longest // patch) < 2:
            raise UserError(f"tttmae(patch={patch}) needs two patches in images of {longest}x{shortest} pixels.")
        return patch

    def draw_mask(self, copies: Tensor, tokens: int, rng: torch.Generator) -> Mask:
        """A mask of its own for each of ``copies``."""
        noise = self.mask_noise(len(copies), tokens, rng)
        return Masking(self.mask_ratio).mask(noise.to(copies.device), tokens)

    def mask_noise(self, count: int, tokens: int, rng: torch.Generator) -> Tensor:
        """The only random draw of the method (replaced to replay published noise)."""
        return torch.rand(count, tokens, generator=rng)

    def predict(self, model: Model, images: Tensor) -> Predictions:
        """The network's predictions, or the ViT's."""
        if isinstance(model.aux, MaskedClassifier):
            return {model.network.tasks[0]: model.aux.classify(images, side_for(model.aux, images))}
        predictions: Predictions = model.network(images)
        return predictions


class PatchDecoders(nn.Module):
    """Two maps to one vector of pixels a patch, by two 1x1 convolutions; one pair for each side of patches."""

    def __init__(self, channels: Sequence[int], hidden: int, sides: Iterable[int]) -> None:
        """``channels`` of the two maps; ``sides`` of the patches that may be asked for, in pixels."""
        super().__init__()
        self.reduce = ConcatConv1x1(channels, hidden)
        self.out = nn.ModuleDict({str(side): nn.Conv2d(hidden, 3 * side * side, 1) for side in sorted(sides)})

    def forward(self, levels: Sequence[Tensor], grid: tuple[int, int], patch: int) -> Tensor:
        """Maps (B, C_l, h_l, w_l) -> (B, rows x columns, patch * patch * 3)."""
        pixels: Tensor = self.out[str(patch)](F.relu(self.reduce(levels, grid)))
        return pixels.flatten(2).transpose(1, 2)


def side_for(vit: MaskedClassifier, images: Tensor) -> int:
    """Side of the square that ``vit`` reads ``images`` as: the shorter one's, in whole patches."""
    return max(1, min(images.shape[-2:]) // vit.shape.patch) * vit.shape.patch
