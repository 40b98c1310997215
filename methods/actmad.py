"""ActMAD: activation matching to align distributions (Mirza et al., CVPR 2023)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ttt_bench.errors import UserError
from ttt_bench.method.contract import Card, ImageForm, Method, Model, Needs, OptimizerSpec, Range, StatisticsBank
from ttt_bench.networks import fused
from ttt_bench.networks.contract import Network, norm_layers
from ttt_bench.toolbox.moments import batch_moments, channel_moments

Moments = dict[str, tuple[Tensor, Tensor]]
"""Mean and unbiased variance by tap: (C, H, W) each, or (C, 1, 1) for channel statistics."""

RESNET50_6 = ("layer2.3.bn3", "layer3.4.bn3", "layer3.5.bn3", "layer4.0.bn3", "layer4.1.bn3", "layer4.2.bn3")


@dataclass(frozen=True)
class Tap:
    """Where activations are read: the output of ``module``, rectified or as it is."""

    name: str
    module: nn.Module
    rectify: bool = False
    channels_last: bool = False
    """Whether channels are the last axis: (B, h, w, C), or tokens (B, N, C), read as a map of N rows."""


@dataclass(frozen=True)
class ActMAD(Method):
    """L1 distance of activation means and variances to those of the source, at every batch norm.

    Options:
        moments: per ``location`` (a value per channel and place, published) or ``channel`` (over places too).
        resize: what is resized when the target is not of the source's size: the stored ``statistics`` or the
            target ``images``. Channel moments need neither.
        layers: ``all`` batch norms, ``block_ends`` (the last of every block) or ``resnet50_6``.
        skip: leave out so many of the first layers (26 in the detection code).
        hook: ``pre`` reads plain batch-norm outputs; ``post`` what the in-place ReLU and residual sum leave.
        loss_scale: 1 (detection, ImageNet) or 0.5 (CIFAR).
        partial: ``drop`` or ``keep`` source batches smaller than the first; all kept ones count the same.
    """

    name = "actmad"
    card = Card(
        title="ActMAD",
        paper="Mirza et al., ActMAD: Activation Matching to Align Distributions for Test-Time-Training, CVPR 2023",
        venue="CVPR 2023",
        equation="sum over layers of mean |mu - mu_s| + mean |var - var_s|, by location",
        updates="all parameters of the encoder (heads get no gradient); running statistics stay the source's",
        hooks="every encoder batch norm, pre-activation, only inside the call",
        defaults="the dense (KITTI detection) recipe: loss scale 1, SGD 1e-4 with nesterov momentum 0.9 and "
        "weight decay 5e-4; one step per batch, online; images: the CIFAR-10 code's hook=post, loss scale 0.5 and "
        "SGD 1e-2 (CIFAR-100: lr=1e-3)",
        parity_cases=6,
        deviations=(
            "without batch norm, the outputs of group and layer norms are matched",
            "stored maps are resized bilinearly to the target's size (the official data has one size); "
            "resize=images or moments=channel avoid it",
            "all batch norms are matched; the detection code leaves out the first 26 (skip=26)",
            "partial source batches are dropped; the official code lets them count fully (partial=keep)",
            "a batch of one image is refused: its variance over the batch is NaN (moments=channel allows it)",
        ),
        oddities=(
            "the CIFAR hook keeps the tensor without a copy, so in-place operations change what is matched; "
            "hook=post reproduces it on any network, with loss_scale=0.5",
        ),
    )
    bn = "source"
    native = OptimizerSpec("sgd", lr=1e-4, momentum=0.9, nesterov=True, weight_decay=5e-4)
    image_form = ImageForm(
        OptimizerSpec("sgd", lr=1e-2, momentum=0.9, nesterov=True, weight_decay=5e-4),
        {"hook": "post", "loss_scale": 0.5},
    )
    statistics = True
    needs = Needs(batch=2, unless={"moments": "channel"})
    source_options = ("moments", "layers", "skip", "hook", "partial")

    moments: Literal["location", "channel"] = "location"
    resize: Literal["statistics", "images"] = "statistics"
    layers: Literal["all", "block_ends", "resnet50_6"] = "all"
    skip: Annotated[int, Range(0)] = 0
    hook: Literal["pre", "post"] = "pre"
    loss_scale: Annotated[float, Range(0)] = 1.0
    partial: Literal["drop", "keep"] = "drop"

    # --- source time -----------------------------------------------------------------------------

    def auxiliary(self, network: Network) -> StatisticsBank:
        """An empty store for the source moments."""
        return StatisticsBank()

    def source_statistics(self, model: Model, batches: Iterable[Tensor], rng: torch.Generator) -> None:
        """Average the moments of each batch over the batches (not the pooled moments of all images)."""
        sums: Moments = {}
        count, first = 0, torch.Size()
        for images in batches:
            first = first or images.shape
            if images.shape[1:] != first[1:]:
                raise UserError(
                    f"ActMAD needs source images of one size, not {[*first[2:]]} and {[*images.shape[2:]]}.",
                    "Crop or resize the source images to one size.",
                )
            if self.partial == "drop" and images.shape[0] < first[0]:
                continue
            for name, (mean, var) in self.observe(model, images).items():
                so_far = sums.get(name, (torch.zeros_like(mean), torch.zeros_like(var)))
                sums[name] = (so_far[0] + mean, so_far[1] + var)
            count += 1
        if not count:
            raise UserError("ActMAD was given no source images.", "Check the source domain's training split.")
        store = bank(model)
        store.store(image_size=torch.tensor(first[2:]))
        for name, (mean, var) in sums.items():
            store.store(**{_key("mean", name): mean / count, _key("var", name): var / count})

    # --- test time -------------------------------------------------------------------------------

    def updated(self, model: Model) -> Iterable[nn.Parameter]:
        """All parameters; those that no tap depends on receive no gradient and stay."""
        return model.network.parameters()

    def loss(self, model: Model, images: Tensor, rng: torch.Generator) -> Tensor:
        """``loss_scale`` times the distance of the batch's moments to the stored ones."""
        if self.resize == "images":
            images = fused.resize(images, tuple(bank(model)["image_size"].tolist()))
        return self.loss_scale * torch.stack(self.distances(model, self.observe(model, images))).sum()

    def distances(self, model: Model, target: Moments) -> tuple[Tensor, Tensor]:
        """L1 distances of means and of variances, each averaged within a layer and summed over layers."""
        source = bank(model)
        means, variances = [], []
        for name, (mean, var) in target.items():
            size = (mean.shape[-2], mean.shape[-1])
            _check_tokens(source[_key("mean", name)], size)
            means.append(F.l1_loss(mean, fused.resize(source[_key("mean", name)][None], size)[0]))
            variances.append(F.l1_loss(var, fused.resize(source[_key("var", name)][None], size)[0]))
        return torch.stack(means).sum(), torch.stack(variances).sum()

    def observe(self, model: Model, images: Tensor) -> Moments:
        """Moments of the activations at every tap while ``images`` run through the encoder."""
        found: Moments = {}
        taps = find_taps(model.network.encoder, self.layers, self.hook)[self.skip :]
        with reading(taps, lambda name, maps: found.update({name: self.moments_of(maps)})):
            model.network.features(images)
        return found

    def moments_of(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and unbiased variance over the batch: (N, C, H, W) -> both (C, H, W), or (C, 1, 1).

        Raises:
            UserError: there is only one value to take the variance of.
        """
        if maps.shape[1:].numel() == maps.numel() and (self.moments == "location" or maps[0, 0].numel() == 1):
            raise UserError(
                "ActMAD takes variances over the batch, and a batch of one image has none.",
                "Use batches of at least 2 images (also the last one), or the option moments=channel.",
            )
        return batch_moments(maps) if self.moments == "location" else channel_moments(maps)


def find_taps(encoder: nn.Module, layers: str, hook: str) -> list[Tap]:
    """The places to read, in module order.

    In place, a ReLU leaves a batch norm's output rectified, and at the end of a residual block it leaves the
    block's output there; a shortcut's norm is followed by neither. ``post`` reads just that, by structure.

    Raises:
        UserError: the encoder does not have the layers asked for.
    """
    names = {module: name for name, module in encoder.named_modules()}
    norms = list(norm_layers(encoder))
    if not any(isinstance(norm, _BatchNorm) for norm in norms):
        return _taps_without_statistics(norms, names, layers, hook)
    ends: dict[nn.Module, nn.Module] = {}
    shortcuts: set[nn.Module] = set()
    for block in names:
        if hasattr(block, "downsample"):
            ends[[child for child in block.children() if child in norms][-1]] = block
            shortcuts.update(norm for norm in norms if names[norm].startswith(f"{names[block]}.downsample."))
    if layers == "block_ends":
        norms = [norm for norm in norms if norm in ends]
    elif layers == "resnet50_6":
        norms = [norm for norm in norms if names[norm] in RESNET50_6]
        if len(norms) != len(RESNET50_6):
            raise UserError(
                "actmad(layers=resnet50_6) needs a ResNet-50.", "Use layers=block_ends for other backbones."
            )
    if hook == "pre":
        return [Tap(names[norm], norm) for norm in norms]
    return [Tap(names[n], ends.get(n, n), rectify=n not in ends and n not in shortcuts) for n in norms]


def _taps_without_statistics(norms: list[nn.Module], names: dict[nn.Module, str], layers: str, hook: str) -> list[Tap]:
    """Every group and layer norm; the layouts of residual blocks with batch norm do not apply."""
    if layers != "all" or hook != "pre":
        raise UserError(
            f"actmad(layers={layers},hook={hook}) needs a network with batch norm.", "Use layers=all and hook=pre."
        )
    # timm's LayerNorm2d puts the channels back where convolutions have them.
    last = [isinstance(norm, nn.LayerNorm) and not type(norm).__name__.endswith("2d") for norm in norms]
    return [Tap(names[norm], norm, channels_last=flag) for norm, flag in zip(norms, last, strict=True)]


@contextmanager
def reading(taps: Iterable[Tap], read: Callable[[str, Tensor], None]) -> Iterator[None]:
    """While open, every forward hands the activations at ``taps`` to ``read``.

    They are only good during the call: what follows may overwrite them in place.
    """

    def hook_of(tap: Tap) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
            if tap.channels_last:
                output = output.movedim(-1, 1)
                output = output.unsqueeze(-1) if output.ndim == 3 else output
            read(tap.name, F.relu(output) if tap.rectify else output)

        return hook

    handles = [tap.module.register_forward_hook(hook_of(tap)) for tap in taps]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def bank(model: Model) -> StatisticsBank:
    """The stored source moments of ``model``."""
    assert isinstance(model.aux, StatisticsBank)
    return model.aux


def _check_tokens(stored: Tensor, size: tuple[int, int]) -> None:
    """Statistics of tokens have no places between which to interpolate."""
    if size[1] == stored.shape[-1] == 1 and size[0] != stored.shape[-2]:
        raise UserError(
            f"ActMAD's source statistics are of {stored.shape[-2]} tokens, the target has {size[0]}.",
            "Use images of the source's size, resize=images, or moments=channel.",
        )


def _key(kind: str, name: str) -> str:
    """The buffer's name; buffers may not contain dots."""
    return f"{kind}:{name.replace('.', '-')}"
