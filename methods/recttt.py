"""ReC-TTT: contrastive feature reconstruction at test time (Colussi et al., WACV 2025)."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from ttt_bench.errors import UserError
from ttt_bench.method.contract import Card, Joined, Method, Model, Needs, OptimizerSpec, Range, SourceBatch
from ttt_bench.networks.catalogue import make_network
from ttt_bench.networks.contract import Network, Predictions
from ttt_bench.tasks import get_task, of_kind
from ttt_bench.toolbox.cosine import map_distance, mutual_divergence
from ttt_bench.toolbox.reconstruction import LEVELS, Bottleneck, Decoder

PAIRS = 4
"""The official code divides by the number of pairs of the two-headed form, also with one head."""
RAMP = 0.1
"""Share of the source training in which hard mining's alpha rises from -3 to 1."""


@dataclass(frozen=True)
class RecTTT(Method):
    """A frozen encoder's maps are rebuilt from trained encoders' maps, and the other way round.

    E_1 reads images, E_2 their mirror images, the frozen E_F both; one bottleneck and one decoder serve all.

    Options:
        heads: 2, or 1 for the older form without E_2 and its predictions.
        frozen: what E_F is: the trained network (``base``), one with ``imagenet`` weights, or a ``random`` one.
        levels: which stages' maps are compared.
        reset_optimizer: false: the optimiser's moments survive the reset between batches (released).
        stem_bn: mode of the stem's batch norm while adapting. Released: ``train`` until something is first predicted,
            ``eval`` from then on, hence ``eval`` wherever step 0 is scored.
        kl_axis: of the softmax between the two predictions: over classes, or as released over the ``batch``.
        hard_mining: at test time too (it always is at source time).
    """

    name = "recttt"
    card = Card(
        title="ReC-TTT",
        paper="Colussi et al., ReC-TTT: Contrastive Feature Reconstruction for Test-Time Training, WACV 2025",
        venue="WACV 2025",
        equation="mean over 4 crossed pairs of sum over c2..c4 of 1 - cos(sg(target map), reconstructed map)",
        updates="stem and stages 1 to 3 of both trained encoders; stage 4, heads, bottleneck and decoder stay",
        hooks="c2..c4 of three encoders",
        defaults="official script: AdamW 1e-3, weight decay 1e-5, 10 steps, reset before each batch",
        parity_cases=13,
        deviations=(
            "E_F is the trained network, which saw labels; official: ImageNet at 32 px, not public; frozen=imagenet",
            "the encoders start from the trained network and are fitted with the preset's Adam for its fit_iterations; "
            "official: 350 epochs of two SGDs (0.1, momentum 0.9, weight decay 5e-4)",
            "the optimizer is reset with the weights; released: its moments go on; reset_optimizer=false",
            "dense tasks: the mirrored half is mirrored back and averaged; classes of images: logits are summed",
            "bottleneck and decoder take the encoder's widths; the unused fourth convolution is left out",
        ),
        oddities=(
            "KL between the two predictions with the softmax over the batch: kl_axis=batch",
            "the stem's batch norm changes its mode with the first prediction: stem_bn=train until then",
            "with one head the two pairs are still divided by four",
        ),
    )
    needs = Needs(values=1)  # the stem and the first stages adapt alone
    native = OptimizerSpec("adamw", lr=1e-3, weight_decay=1e-5)
    branch = "after"
    trains_networks = True
    source_options = ("heads", "frozen", "levels", "kl_axis")

    heads: Annotated[int, Range(1, 2)] = 2
    frozen: Literal["base", "imagenet", "random"] = "base"
    levels: Annotated[str, Joined(("1", "2", "3"))] = "1+2+3"
    reset_optimizer: bool = True
    stem_bn: Literal["eval", "train"] = "eval"
    kl_axis: Literal["class", "batch"] = "class"
    hard_mining: bool = False

    # --- modules -------------------------------------------------------------------------------

    def auxiliary(self, network: Network) -> Branches:
        """Two copies of the network, E_F where it is not the network itself, bottleneck and decoder."""
        if len(network.channels) < LEVELS:
            raise UserError(f"recttt needs an encoder of {LEVELS} stages; this one has {len(network.channels)}.")
        return Branches(network, self._frozen(network), self.heads)

    def _frozen(self, network: Network) -> Network | None:
        if self.frozen == "base":
            return None
        config = replace(network.config, weights="none")
        if self.frozen == "imagenet":
            config = replace(config, weights="imagenet", pixels="imagenet").check()
        return make_network(config, network.outputs, network.per_image)

    def updated(self, model: Model) -> Iterable[nn.Parameter]:
        """What the loss reaches: stem and stages 1 to 3 of the trained encoders."""
        for network in branches(model).trained:
            for module in network.encoder.up_to(LEVELS):
                yield from module.parameters()

    def adapting_modules(self, model: Model) -> Iterable[nn.Module]:
        """Stages 1 to 3 of the trained encoders, and their stems if so chosen."""
        for network in branches(model).trained:
            yield from network.encoder.stages()[:LEVELS]
            if self.stem_bn == "train":
                yield from network.encoder.stem()

    def resets_optimizer(self) -> bool:
        """Unless told otherwise."""
        return self.reset_optimizer

    # --- source time ---------------------------------------------------------------------------

    def source_loss(self, model: Model, batch: SourceBatch, rng: torch.Generator) -> Tensor:
        """Reconstruction with hard mining, the tasks' losses of both halves, and the divergence between them."""
        aux = branches(model)
        seen = self.look(model, batch.images, None if aux.frozen is not None else batch.features)
        terms = [self.reconstruction(aux, seen, min(1.0, -3.0 + 4.0 * batch.progress / RAMP))]
        answers = []
        for network, levels, labels in zip(
            aux.trained, seen.trained, (batch.labels, mirror(batch.labels)), strict=False
        ):
            outputs = network.supervised(levels, (batch.images.shape[-2], batch.images.shape[-1]))
            terms += [batch.supervise(output, labels) for output in outputs]
            answers.append(outputs[0])
        if self.heads == 2:
            terms += self.divergences(answers[0], mirror(answers[1]))
        return torch.stack(terms).sum()

    def divergences(self, first: Predictions, second: Predictions) -> list[Tensor]:
        """KL both ways between two predictions of every task of classes; each position counts as a row."""
        axis = 1 if self.kl_axis == "class" else 0
        return [mutual_divergence(rows(first[task]), rows(second[task]), axis) for task in of_kind(first, "classes")]

    # --- test time -----------------------------------------------------------------------------

    def loss(self, model: Model, images: Tensor, rng: torch.Generator) -> Tensor:
        """The reconstruction loss alone."""
        return self.reconstruction(branches(model), self.look(model, images), 1.0 if self.hard_mining else None)

    def look(self, model: Model, images: Tensor, known: Sequence[Tensor] | None = None) -> Seen:
        """What all encoders see of ``images``; of the frozen one's maps, those of the images may be ``known``."""
        aux = branches(model)
        frozen = model.network if aux.frozen is None else aux.frozen
        views = (images, images.flip(-1))[: self.heads]
        # At source time the predictions are read off these maps, so that statistics move once; the loss needs three.
        last = len(frozen.channels) if aux.training else LEVELS
        with torch.no_grad():
            fixed = [known] if known is not None else [frozen.features(images, LEVELS)]
            fixed += [frozen.features(view, LEVELS) for view in views[1:]]
        return Seen(
            [network.features(view, last) for network, view in zip(aux.trained, views, strict=True)],
            [levels[:LEVELS] for levels in fixed],
        )

    def reconstruction(self, aux: Branches, seen: Seen, alpha: float | None) -> Tensor:
        """Mean over the crossed pairs of their distance; ``alpha`` of hard mining, or None."""
        pairs = [
            map_distance(self.chosen([t.detach() for t in targets]), self.chosen(guess), alpha)
            for targets, guess in zip(seen.targets, aux.reconstruct(seen.stack), strict=True)
        ]
        return torch.stack(pairs).sum() / PAIRS

    def chosen(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Those of the option ``levels``."""
        return [level for number, level in enumerate(maps, 1) if str(number) in self.levels]

    def predict(self, model: Model, images: Tensor) -> Predictions:
        """The predictions of both halves as one."""
        aux = branches(model)
        first: Predictions = aux.first(images)
        if aux.second is None:
            return first
        second = mirror(aux.second(images.flip(-1)))
        return {
            task: answer + second[task] if answer.ndim == 2 else (answer + second[task]) / 2
            for task, answer in first.items()
        }


@dataclass(frozen=True)
class Seen:
    """Maps of one batch, a list of levels each: by E_1 (images) and E_2 (mirrored), and by E_F of the same views."""

    trained: Sequence[Sequence[Tensor]]
    fixed: Sequence[Sequence[Tensor]]

    @property
    def stack(self) -> list[Sequence[Tensor]]:
        """In the decoder's order: E_1(x), E_F(x), E_F(m), E_2(m)."""
        pairs = [(moving[:LEVELS], still) for moving, still in zip(self.trained, self.fixed, strict=True)]
        return [*pairs[0], *(levels for pair in pairs[1:] for levels in reversed(pair))]

    @property
    def targets(self) -> list[Sequence[Tensor]]:
        """What each of ``stack`` is to be rebuilt as: what the other encoder sees of the same view."""
        stack = self.stack
        return [stack[index ^ 1] for index in range(len(stack))]


class Branches(nn.Module):
    """E_1 and E_2 with their heads, E_F unless it is the network, bottleneck and decoder."""

    def __init__(self, network: Network, frozen: Network | None, heads: int) -> None:
        """Copy ``network`` for each of ``heads``."""
        super().__init__()
        self.first = copy.deepcopy(network).requires_grad_(True)
        self.second = copy.deepcopy(network).requires_grad_(True) if heads == 2 else None
        self.frozen = None if frozen is None else frozen.requires_grad_(False)
        channels = network.channels[:LEVELS]
        self.bottleneck = Bottleneck(channels)
        self.decoder = Decoder(channels, 2 * heads)

    @property
    def trained(self) -> list[Network]:
        """E_1, or E_1 and E_2."""
        return [self.first] if self.second is None else [self.first, self.second]

    def train(self, mode: bool = True) -> Branches:
        """As usual, but E_F, which is always in eval mode."""
        super().train(mode)
        if self.frozen is not None:
            self.frozen.eval()
        return self

    def reconstruct(self, stack: Sequence[Sequence[Tensor]]) -> list[list[Tensor]]:
        """Maps of several encoders through bottleneck and decoder, each read by an output set of its own."""
        maps = [torch.cat(level) for level in zip(*stack, strict=True)]
        sizes = [(level.shape[-2], level.shape[-1]) for level in maps]
        decoded = [level.chunk(len(stack)) for level in self.decoder(self.bottleneck(maps), sizes)]
        return [self.decoder.read(part, index) for index, part in enumerate(zip(*decoded, strict=True))]


def mirror(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Labels or predictions of images -> those of their mirror images."""
    return {task: get_task(task).mirrored(value) for task, value in values.items()}


def rows(logits: Tensor) -> Tensor:
    """(B, C, ...) -> (B x ..., C)."""
    return logits.flatten(2).transpose(1, 2).flatten(0, 1) if logits.ndim > 2 else logits


def branches(model: Model) -> Branches:
    """``model.aux`` with its type."""
    assert isinstance(model.aux, Branches)
    return model.aux
