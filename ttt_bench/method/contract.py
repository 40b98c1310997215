"""The plug-in contract: what one paper says, and nothing else.

A method is one file with one frozen dataclass that derives from ``Method``; its fields are its options. It holds
no state: whatever must be kept (heads, statistics, queues) lives in the auxiliary module, as parameters and
buffers, so that the harness can snapshot, restore and store it. The harness owns the loop: modes, optimiser,
autocast, snapshots, logging, cost. Test-time calls receive images only; labels are not reachable from here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ttt_bench.choices import Joined, Range
from ttt_bench.method.card import PAPER_RECIPE, Accident, BNPolicy, Card, ImageForm, Needs, OptimizerSpec, SourceStage
from ttt_bench.networks.contract import Network, Predictions, norm_layers
from ttt_bench.tasks import only_images
from ttt_bench.tasks.supervision import supervise

__all__ = [
    "Accident",
    "BNPolicy",
    "Card",
    "ImageForm",
    "Joined",
    "Method",
    "Model",
    "Needs",
    "OptimizerSpec",
    "Range",
    "SourceBatch",
    "SourceStage",
    "StatisticsBank",
    "batch_norms",
    "norm_affine",
]


class Model(nn.Module):
    """A network together with one method's auxiliary part: all that moves, is stored and is restored."""

    def __init__(self, network: Network, aux: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.aux = aux


@dataclass(frozen=True)
class SourceBatch:
    """What a method sees of a source batch at training time."""

    images: Tensor
    """(B, 3, H, W), normalised."""
    labels: dict[str, Tensor]
    features: Sequence[Tensor]
    """c2..c5 of ``images``; with gradient in joint training, without on a frozen network."""
    predictions: Predictions
    """The main heads' outputs, likewise."""
    supervise: Callable[[Mapping[str, Tensor], Mapping[str, Tensor]], Tensor] = supervise
    """(outputs, labels) -> their supervised loss, with the losses and task weights of this training."""
    progress: float = 1.0
    """Share of this training's (or this stage's) iterations that are done, in [0, 1)."""
    stage: str = ""
    """Which of the method's ``source_stages`` this is; maps and predictions may be missing, where it says so."""


class Method:
    """Base class of all methods. Subclasses are ``@dataclass(frozen=True)`` and set the class variables."""

    name: ClassVar[str]
    card: ClassVar[Card]
    bn: ClassVar[BNPolicy] = "track"
    native: ClassVar[OptimizerSpec | None] = PAPER_RECIPE
    """The published optimiser: the ``native`` recipe. None: nothing is minimised, under any recipe."""
    branch: ClassVar[Literal["none", "joint", "after"]] = "none"
    """``joint``: an auxiliary branch trained with the network (or on the frozen one under shared training);
    ``after``: always fitted on the frozen network; ``none``: no trained part."""
    statistics: ClassVar[bool] = False
    """Whether ``source_statistics`` must run over the source data after training."""
    aux_mode: ClassVar[Literal["train", "eval"]] = "eval"
    """Mode of the auxiliary part while adapting."""
    source_options: ClassVar[tuple[str, ...]] = ()
    """Options that influence the source-time part; only these enter the identity of its checkpoint."""
    source_optimizer: ClassVar[OptimizerSpec | None] = None
    """Optimiser for the auxiliary part on a frozen network; None = that of the training preset."""
    accidents: ClassVar[tuple[Accident, ...]] = ()
    """What switches of ``--released`` set in this method's options."""
    source_clip_norm: ClassVar[float | None] = None
    """Clip the gradient of the auxiliary part to this norm while fitting it on a frozen network."""
    source_stages: ClassVar[tuple[SourceStage, ...]] = ()
    """Parts of the fit on a frozen network with budgets and optimisers of their own; none: one part of the preset's
    ``fit_iterations``."""
    trains_networks: ClassVar[bool] = False
    """Whether the branch trains copies of the whole network. Such a one is fitted by itself: the forward that it could
    share with others is a small part of its work, and they need not wait for it."""
    image_form: ClassVar[ImageForm | None] = None
    """Defaults that differ where every task has one answer per image; None: none do."""
    needs: ClassVar[Needs] = Needs()
    """What the method asks of a pair and its batches; a plan leaves it out, or refuses it, where that is not met."""
    moves_heads: ClassVar[bool] = False
    """Whether the method is meant to move the task heads; the audit fails a method that does so undeclared."""
    adapts: ClassVar[bool] = True
    """False for a control that never changes anything (scored once, valid for every step)."""

    @classmethod
    def native_on(cls, tasks: Iterable[str]) -> OptimizerSpec | None:
        """The published optimiser of the form that is in force on ``tasks``."""
        form = cls.image_form
        return form.native if form is not None and form.native is not None and only_images(tasks) else cls.native

    # --- source time ---------------------------------------------------------------------------

    def auxiliary(self, network: Network) -> nn.Module:
        """The method's own modules and buffers, freshly initialised from the global generator."""
        return nn.Module()

    def source_start(self, model: Model, initial: Callable[[], Network]) -> None:
        """Set the auxiliary part's starting weights before it is fitted on the frozen ``model.network``.

        Args:
            model: the trained network and the auxiliary part as ``auxiliary`` made it.
            initial: the network with the weights from which its training started, on the CPU.
        """

    def source_loss(self, model: Model, batch: SourceBatch, rng: torch.Generator) -> Tensor:
        """Loss of the auxiliary branch on a labelled source batch (added to the main loss in joint training)."""
        raise NotImplementedError(f"{type(self).__name__} declares a branch but defines no source_loss")

    def source_statistics(self, model: Model, batches: Iterable[Tensor], rng: torch.Generator) -> None:
        """Fill ``model.aux`` from source images (B, 3, H, W), the network in eval mode, no gradient."""
        raise NotImplementedError(f"{type(self).__name__} declares statistics but defines no source_statistics")

    # --- test time -----------------------------------------------------------------------------

    def prepare(self, model: Model) -> None:
        """Rebuild parts of ``model`` before adaptation (e.g. other normalisation layers); before the snapshot."""

    def updated(self, model: Model) -> Iterable[nn.Parameter]:
        """The parameters that the optimiser may move."""
        raise NotImplementedError(f"{type(self).__name__} adapts but defines no updated parameters")

    def adapting_modules(self, model: Model) -> Iterable[nn.Module]:
        """Modules in train mode while adapting, when the BN policy is ``track``; default: the whole network.

        Parts of ``model.aux`` may be among them, where an option decides on their mode; ``aux_mode`` holds else.
        """
        return (model.network,)

    def resets_optimizer(self) -> bool:
        """Whether a reset empties the optimiser's state with the weights; some published code forgets to."""
        return True

    def loss(self, model: Model, images: Tensor, rng: torch.Generator) -> Tensor | None:
        """The test-time loss of one update, a scalar with graph; None = forwards only, nothing to minimise.

        Args:
            model: in adaptation mode.
            images: (B, 3, H, W), normalised; any B >= 1 and any H, W divisible by 32 or not.
            rng: the only source of randomness a method may use, on the CPU.
        """
        raise NotImplementedError(f"{type(self).__name__} adapts but defines no loss")

    def predict(self, model: Model, images: Tensor) -> Predictions:
        """Predictions that are scored; ``model`` in evaluation mode, no gradient."""
        predictions: Predictions = model.network(images)
        return predictions


class StatisticsBank(nn.Module):
    """Named tensors kept as buffers; their names and shapes are free and come back from a state dict."""

    def store(self, **tensors: Tensor) -> None:
        """Keep a detached copy of each tensor under its name."""
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor.detach().clone())

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        for key, tensor in state_dict.items():
            name = key[len(prefix) :]
            if key.startswith(prefix) and "." not in name:
                self.register_buffer(name, torch.empty_like(tensor))
        super()._load_from_state_dict(state_dict, prefix, *args)

    def __getitem__(self, name: str) -> Tensor:
        tensor = self.get_buffer(name)
        return tensor

    def __contains__(self, name: str) -> bool:
        return name in self._buffers


def batch_norms(module: nn.Module) -> Iterator[_BatchNorm]:
    """Every batch-norm layer, in module order: 1d, 2d, 3d and synchronised alike."""
    return (m for m in module.modules() if isinstance(m, _BatchNorm))


def norm_affine(module: nn.Module) -> list[nn.Parameter]:
    """Weight and bias of every batch norm, in module order (what TENT and TIPI update).

    Where there is none, those of group and layer norms, as in SAR's study of TENT (Niu et al., ICLR 2023).
    """
    affine = ((norm.weight, norm.bias) for norm in norm_layers(module))
    return [p for pair in affine for p in pair if isinstance(p, nn.Parameter)]
