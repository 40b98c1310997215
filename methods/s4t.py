"""S4T: synchronising tasks for test-time training on multi-task prediction (ICCV 2025).

A Task Behaviour Synchroniser (TBS) sees one latent slice per task, 80 % of the patches removed, and predicts
every task's output. It is trained on the source labels; at test time its target is what the main heads say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from ttt_bench.errors import UserError
from ttt_bench.method.contract import Accident, Card, Method, Model, Needs, OptimizerSpec, Range, SourceBatch
from ttt_bench.networks.contract import Network, Predictions
from ttt_bench.networks.fused import ConcatConv1x1, resize
from ttt_bench.tasks import TASKS
from ttt_bench.tasks.release import automatic_weighting
from ttt_bench.tasks.supervision import supervise, weighted_sum
from ttt_bench.toolbox.mae.autoencoder import MaskedAutoencoder, ViTShape
from ttt_bench.toolbox.mae.masking import Mask, Masking

TASKONOMY_ORDER = ("depth", "edge", "normal", "semseg")
USUAL_ORDER = ("semseg", "depth", "normal", "edge")
ORDERS = {
    "by-name": (USUAL_ORDER, USUAL_ORDER),
    "from-taskonomy": (TASKONOMY_ORDER, USUAL_ORDER),
    "to-taskonomy": (USUAL_ORDER, TASKONOMY_ORDER),
}
"""The release's orders of the TBS's output channels: (as trained on the source, as read on the target)."""


@dataclass(frozen=True)
class S4T(Method):
    """Consistency between the main heads and a masked autoencoder over task-specific latents."""

    name = "s4t"
    card = Card(
        title="S4T",
        paper="Synchronizing Task Behavior: Aligning Multiple Tasks during Test-Time Training",
        venue="ICCV 2025",
        equation="0.01 sum_t w_t |TBS_t(masked latents) - sg(head_t)|_1, summed over channels, mean over pixels",
        updates="encoder, projection and TBS; never the main or auxiliary heads",
        hooks="encoder features c2..c5",
        defaults="the release's NYUD configuration: ratio 0.8, weights 1/1/10/50, lambda 0.01",
        parity_cases=57,
        deviations=(
            "task weights enter the test loss once, as in the paper (release: squared; task_weights=squared)",
            "tasks are matched by name between source and target (release: by position; task_order=...)",
            "the segmentation term never depends on labels (release: dropped when a batch has none)",
            "no auxiliary head and no mask noise at evaluation (release: computed and thrown away)",
        ),
        oddities=(
            "Taskonomy targets: automatic weighting with its sigmas in the optimiser; task_weights=automatic",
            "a mask keeps the truncated product: 51 of 256 tokens at ratio 0.8",
            "TBS outputs are read in the target's order of tasks; task_order=from-taskonomy, to-taskonomy",
        ),
    )
    bn = "track"
    accidents = (
        Accident(
            "task-order", {"task_order": "from-taskonomy"}, source=("taskonomy",), target=("nyudv2", "pascal"),
            title="TBS outputs are read in the target's order of tasks, not in the source's they were trained in",
        ),
        Accident("task-order", {"task_order": "to-taskonomy"}, source=("nyudv2", "pascal"), target=("taskonomy",)),
        Accident(
            "squared-weights", {"task_weights": "squared"}, target=("nyudv2", "pascal"),
            title="task weights enter the test loss squared (target NYUD, PASCAL) or are learned (target Taskonomy)",
        ),
        Accident("squared-weights", {"task_weights": "automatic"}, target=("taskonomy",)),
        Accident("source-weight", {"source_weight": 1.0}, source=("taskonomy",)),
    )  # fmt: skip
    native = OptimizerSpec("sgd", lr=2e-5, weight_decay=1e-6)
    branch = "joint"
    needs = Needs(extent="map")
    source_options = (
        "mask_ratio", "strategy", "projection", "reconstruct_image", "source_weight", "tbs_size",
        "slice_width", "patch", "width", "depth", "heads", "decoder_width", "decoder_depth", "decoder_heads",
    )  # fmt: skip

    mask_ratio: Annotated[float, Range(0, below=1)] = 0.8
    """Share of tokens hidden from the TBS encoder."""
    strategy: Literal["random", "disjoint", "same", "task"] = "same"
    """The paper's ablation: ``random`` (a), ``disjoint`` (b), ``same`` (c, the method), ``task`` (d)."""
    projection: bool = True
    """False: no auxiliary heads, so nothing ties a slice to its task (an ablation of the paper)."""
    reconstruct_image: bool = False
    """True: the TBS predicts the network's input image instead of the tasks (likewise)."""
    loss_weight: Annotated[float, Range(0)] = 0.01
    """Lambda at test time."""
    source_weight: Annotated[float, Range(0)] = 0.01
    """Weight of the auxiliary and TBS losses at source time."""
    task_weights: Literal["once", "squared", "automatic"] = "once"
    """At test time: ``once``, or as released ``squared`` (NYUD, PASCAL) or ``automatic`` (Taskonomy)."""
    task_order: Literal["by-name", "from-taskonomy", "to-taskonomy"] = "by-name"
    """Which TBS output is compared with which head: ``by-name``, or as released by place, after a training on
    Taskonomy (``from-taskonomy``) or for a target in Taskonomy (``to-taskonomy``)."""
    tbs_size: Annotated[int, Range(0)] = 0
    """Side of the TBS input in pixels; 0 = 256 as published, 64 for images below 128 pixels."""
    slice_width: Annotated[int, Range(1)] = 64
    """Channels of each task's slice."""
    patch: Annotated[int, Range(1)] = 16
    width: Annotated[int, Range(1)] = 64
    depth: Annotated[int, Range(1)] = 4
    heads: Annotated[int, Range(1)] = 4
    decoder_width: Annotated[int, Range(1)] = 64
    decoder_depth: Annotated[int, Range(1)] = 2
    decoder_heads: Annotated[int, Range(1)] = 4

    def __post_init__(self) -> None:
        if self.tbs_size % self.patch:
            raise UserError(f"s4t(tbs_size={self.tbs_size}) is not divisible by the patch of {self.patch}.")
        for part, width, heads in (("", self.width, self.heads), ("decoder_", self.decoder_width, self.decoder_heads)):
            if width % heads or width % 4:
                raise UserError(f"s4t({part}width={width}) is not divisible by 4 and by {part}heads={heads}.")

    # --- modules -------------------------------------------------------------------------------

    def auxiliary(self, network: Network) -> Synchroniser:
        """Projection, auxiliary heads and TBS."""
        shape = ViTShape(
            self.patch, self.width, self.depth, self.heads,
            self.decoder_width, self.decoder_depth, self.decoder_heads,
        )  # fmt: skip
        outputs = {"image": 3} if self.reconstruct_image else network.outputs
        return Synchroniser(network.channels, network.outputs, outputs, self.slice_width, shape, self.projection)

    def prepare(self, model: Model) -> None:
        """Add the sigmas of automatic weighting, at 1: the release restores none of its criterion's state."""
        if self.task_weights == "automatic":
            like = next(model.aux.parameters())
            model.aux.sigma = nn.Parameter(torch.ones(len(branch(model).outputs), device=like.device))

    def updated(self, model: Model) -> Iterable[nn.Parameter]:
        """Encoder, projection, TBS (and sigmas). The heads stay: they are the target."""
        aux = branch(model)
        sigma = [aux.sigma] if self.task_weights == "automatic" else []
        return (*model.network.encoder.parameters(), *aux.project.parameters(), *aux.tbs.parameters(), *sigma)

    # --- source time ---------------------------------------------------------------------------

    def source_loss(self, model: Model, batch: SourceBatch, rng: torch.Generator) -> Tensor:
        """Supervised losses of the auxiliary heads and of the TBS at all positions, visible or not."""
        size = image_size(batch.images)
        aux = branch(model)
        mask = self.draw_mask(model, batch.images, rng)
        slices = aux.slices(batch.features, size)
        tbs = aux.reconstruct(slices, mask, self.square(size), size)
        heads = aux.predict(slices, size) if self.projection else {}
        if self.reconstruct_image:
            image_term = self.source_weight * distance(tbs["image"], batch.images)
            return image_term + self.supervise({}, heads, batch.labels, batch.supervise) if heads else image_term
        return self.supervise(tbs, heads, batch.labels, batch.supervise)

    def supervise(
        self,
        tbs: Predictions,
        heads: Predictions,
        labels: Mapping[str, Tensor],
        loss: Callable[[Mapping[str, Tensor], Mapping[str, Tensor]], Tensor] = supervise,
    ) -> Tensor:
        """The task losses of the TBS's and of the auxiliary heads' outputs, with their source weights."""
        terms = [loss(outputs, labels) for outputs in (tbs, heads) if outputs]
        return self.source_weight * torch.stack(terms).sum()

    # --- test time -----------------------------------------------------------------------------

    def loss(self, model: Model, images: Tensor, rng: torch.Generator) -> Tensor:
        """Distance between the TBS's outputs and the main heads' detached ones."""
        errors = self.errors(model, images, self.draw_mask(model, images, rng))
        return self.total(errors, branch(model).sigma if self.task_weights == "automatic" else None)

    def errors(self, model: Model, images: Tensor, mask: Mask) -> dict[str, Tensor]:
        """e_t of every task: |TBS_t - main_t| on raw outputs, channels summed, averaged over pixels."""
        size = image_size(images)
        aux = branch(model)
        features = model.network.features(images)
        slices = aux.slices(features, size)
        tbs = aux.reconstruct(slices, mask, self.square(size), size)
        if self.reconstruct_image:
            return {"image": distance(tbs["image"], images)}
        with torch.no_grad():
            target = model.network.predict(features, size)
        if self.task_order != "by-name":
            tbs = read_by_place(tbs, *ORDERS[self.task_order])
        return {task: distance(tbs[task], target[task]) for task in target}

    def total(self, errors: Mapping[str, Tensor], sigma: Tensor | None = None) -> Tensor:
        """The test-time objective from the tasks' errors; with ``sigma`` (T,), automatically weighted."""
        if sigma is not None:
            return automatic_weighting([self.loss_weight * error for error in errors.values()], sigma)
        power = 2 if self.task_weights == "squared" else 1
        weights = {task: TASKS[task].weight ** power if task in TASKS else 1.0 for task in errors}
        return self.loss_weight * weighted_sum(errors, weights)

    # --- masks ---------------------------------------------------------------------------------

    def masking(self, tasks: int) -> Masking:
        """The masking rule for ``tasks`` tasks."""
        return Masking(self.mask_ratio, self.strategy, tasks)

    def square(self, size: tuple[int, int]) -> int:
        """Side of the TBS input for images of ``size``."""
        return self.tbs_size or (256 if min(size) >= 128 else 64)

    def draw_mask(self, model: Model, images: Tensor, rng: torch.Generator) -> Mask:
        """A mask for ``images`` from fresh noise."""
        rule = self.masking(len(model.network.tasks))
        tokens = branch(model).tbs.tokens(self.square(image_size(images)))
        noise = self.mask_noise(rule, len(images), tokens, rng)
        return rule.mask(noise.to(images.device), tokens)

    def mask_noise(self, rule: Masking, batch: int, tokens: int, rng: torch.Generator) -> Tensor:
        """The only random draw of the method (replaced to replay published noise)."""
        return rule.noise(batch, tokens, rng)


class Synchroniser(nn.Module):
    """Task-specific projection, auxiliary heads and TBS."""

    def __init__(
        self, channels: Sequence[int], tasks: Mapping[str, int], outputs: Mapping[str, int],
        slice_width: int, shape: ViTShape, heads: bool,
    ) -> None:  # fmt: skip
        """Build the branch.

        Args:
            channels: of the encoder's maps c2..c5.
            tasks: output channels by task, in slice order.
            outputs: output channels of the TBS by name: the tasks, or the image.
            slice_width: channels per task slice.
            shape: of the TBS.
            heads: whether auxiliary heads tie each slice to its task.
        """
        super().__init__()
        self.outputs = dict(outputs)
        self.slice_width = slice_width
        self.project = ConcatConv1x1(channels, slice_width * len(tasks))
        self.tbs = MaskedAutoencoder(slice_width * len(tasks), sum(outputs.values()), shape)
        self.aux_heads = nn.ModuleDict(
            {task: nn.Conv2d(slice_width, count, 1) for task, count in tasks.items()} if heads else {}
        )
        self.sigma: nn.Parameter

    def slices(self, features: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """c2..c5 of images of ``size`` -> the tasks' latent slices (B, T x slice_width, H / 4, W / 4)."""
        # Resizing wide maps is several times faster with channels innermost; free where they already are.
        levels = [level.contiguous(memory_format=torch.channels_last) for level in features]
        output: Tensor = self.project(levels, (size[0] // 4, size[1] // 4))
        return output

    def predict(self, slices: Tensor, size: tuple[int, int]) -> Predictions:
        """(B, T x slice_width, h, w) -> the auxiliary heads' outputs at ``size``; source time only."""
        parts = torch.split(slices, self.slice_width, dim=1)
        maps = {task: head(part) for (task, head), part in zip(self.aux_heads.items(), parts, strict=True)}
        return {task: resize(output, size) for task, output in maps.items()}

    def reconstruct(self, slices: Tensor, mask: Mask, square: int, size: tuple[int, int]) -> Predictions:
        """(B, T x slice_width, h, w) -> the TBS's outputs by name, (B, C_t, *size)."""
        maps = resize(self.tbs(slices, square, mask), size)
        parts = torch.split(maps, list(self.outputs.values()), dim=1)
        return dict(zip(self.outputs, parts, strict=True))


def branch(model: Model) -> Synchroniser:
    """``model.aux`` with its type."""
    assert isinstance(model.aux, Synchroniser)
    return model.aux


def read_by_place(outputs: Predictions, written: Sequence[str], read: Sequence[str]) -> Predictions:
    """Outputs (B, C_t, H, W) laid one behind the other in the order ``written``, cut up in the order ``read``.

    The release loads a TBS trained on one data set into a network that expects the tasks in another order, so
    that, for example, a "depth" is really the logit of a class.
    """
    maps = torch.cat([outputs[task] for task in written if task in outputs], dim=1)
    names = [task for task in read if task in outputs]
    return dict(zip(names, torch.split(maps, [outputs[task].shape[1] for task in names], dim=1), strict=True))


def distance(prediction: Tensor, target: Tensor) -> Tensor:
    """L1 of raw outputs (B, C, H, W): |.| summed over channels, averaged over images and pixels."""
    return (prediction - target).abs().sum(dim=1).mean()


def image_size(images: Tensor) -> tuple[int, int]:
    """(H, W) of (B, 3, H, W)."""
    return (images.shape[-2], images.shape[-1])
