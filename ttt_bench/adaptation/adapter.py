"""One method at work on one model: update, predict, reset. The only code that runs adaptation steps.

The command line, the parity runner, the audit and the tests all adapt through this class, so what is proven
equal to the published code is what the benchmark runs. It is never given a label.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ttt_bench.adaptation.batchnorm import explained_norms, set_adapting, set_predicting, use_batch_statistics
from ttt_bench.adaptation.execution import PLAIN, Execution
from ttt_bench.adaptation.optimizers import build_optimizer
from ttt_bench.adaptation.snapshot import Snapshot, digest, moved, restore, take
from ttt_bench.errors import UserError
from ttt_bench.method.card import OptimizerSpec
from ttt_bench.method.contract import Method, Model
from ttt_bench.method.needs import unmet, way_out
from ttt_bench.networks.contract import Encoder, Predictions
from ttt_bench.tasks import TASKS


@dataclass
class Cost:
    """Work done by the encoder since the adapter was made, in pixels: views may be larger or smaller than images."""

    forward_pixels: int = 0
    backward_pixels: int = 0
    """Pixels of forwards that built a graph, each of which is walked back once."""


class Adapter:
    """Runs one method on one model it owns (the caller passes a copy)."""

    def __init__(
        self,
        model: Model,
        method: Method,
        optimizer: OptimizerSpec | None,
        seed: int = 0,
        execution: Execution = PLAIN,
    ) -> None:
        """Prepare ``model`` for adaptation and take the snapshot that ``reset`` returns to.

        Args:
            model: moved in place; its parameters' ``requires_grad`` flags are set here.
            method: the plug-in.
            optimizer: the recipe's optimiser settings; None for a method without one.
            seed: seeds the method's only source of randomness.
            execution: arithmetic and compilation.

        Raises:
            UserError: the network lacks a task that the method needs, or the device lacks the arithmetic.
        """
        _check_tasks(method, model)
        self.model = model
        self.method = method
        self.spec = optimizer
        self.execution = execution
        self.device = next(model.parameters()).device
        execution.check(self.device)
        self.rng = torch.Generator().manual_seed(seed)
        self.cost = Cost()
        method.prepare(model)
        if method.bn == "batch":
            use_batch_statistics(model.network)
        self.parameters = self._select_parameters()
        self.optimizer = self._build_optimizer()
        for encoder in self.encoders:
            execution.compile(encoder)
        self._count_work()
        set_predicting(model)
        self._snapshot = take(model, self.optimizer, self.rng)

    def _select_parameters(self) -> list[nn.Parameter]:
        self.model.requires_grad_(False)
        if not self.method.adapts:
            return []
        chosen = list(dict.fromkeys(self.method.updated(self.model)))
        for parameter in chosen:
            parameter.requires_grad_(True)
        return chosen

    def _build_optimizer(self) -> torch.optim.Optimizer | None:
        if not self.parameters:
            return None
        if self.spec is None:
            raise UserError(
                f"{self.method.name} updates parameters but declares native = None: it has no optimiser.",
                "Declare native = OptimizerSpec(...), or update nothing.",
            )
        return build_optimizer(self.spec, self.parameters)

    def _count_work(self) -> None:
        def count(_module: nn.Module, inputs: tuple[Tensor, ...], output: list[Tensor] | Tensor) -> None:
            pixels = inputs[0].shape[0] * inputs[0].shape[-2] * inputs[0].shape[-1]
            last = output[-1] if isinstance(output, (list, tuple)) else output
            self.cost.forward_pixels += pixels
            if isinstance(last, Tensor) and last.requires_grad:
                self.cost.backward_pixels += pixels

        for encoder in self.encoders:
            encoder.register_forward_hook(count)

    @property
    def encoders(self) -> list[nn.Module]:
        """What forwards cost: all encoders, the method's own among them, or a stand-in network as a whole."""
        found: list[nn.Module] = [module for module in self.model.modules() if isinstance(module, Encoder)]
        return found or [self.model.network]

    def update(self, images: Tensor) -> Tensor | None:
        """One adaptation step on ``images`` (B, 3, H, W).

        Returns:
            The loss before the update, detached, shape (); None for a method that minimises nothing.
        """
        set_adapting(self.method, self.model)
        try:
            return self._step(images)
        finally:
            set_predicting(self.model)

    def _step(self, images: Tensor) -> Tensor | None:
        with explained_norms(self.method.name):
            if self.optimizer is None:
                with torch.no_grad(), self.execution.autocast(self.device):
                    loss = self.method.loss(self.model, images, self.rng)
                return None if loss is None else loss.detach()
            return self._descend(images)

    def _descend(self, images: Tensor) -> Tensor | None:
        assert self.optimizer is not None
        assert self.spec is not None
        for group in self.optimizer.param_groups:
            group["lr"] = self.spec.rate(images.shape[0])
        self.optimizer.zero_grad(set_to_none=True)
        with torch.enable_grad():
            with self.execution.autocast(self.device):
                loss = self.method.loss(self.model, images, self.rng)
            if loss is None:
                return None
            loss.backward()
        self.optimizer.step()
        return loss.detach()

    @torch.no_grad()
    def predict(self, images: Tensor) -> Predictions:
        """Raw predictions for ``images``, each (B, C_t, H, W), float32 (or wider) whatever the arithmetic."""
        with self.execution.autocast(self.device), explained_norms(self.method.name):
            predictions = self.method.predict(self.model, images)
        if self.execution.precision != "bf16":
            return predictions
        return {task: prediction.float() for task, prediction in predictions.items()}

    def reset(self) -> None:
        """Return parameters, buffers, optimiser and random state to those right after construction.

        The optimiser's state stays where the method says that its published code forgot it.
        """
        optimizer = self.optimizer if self.method.resets_optimizer() else None
        restore(self._snapshot, self.model, optimizer, self.rng)
        set_predicting(self.model)

    def state(self) -> dict[str, Any]:
        """Everything that steps have moved since construction, as tensors and plain values for ``resume``."""
        now = take(self.model, self.optimizer, self.rng)
        return {"tensors": moved(now, since=self._snapshot), "optimizer": now.optimizer, "rng": now.rng}

    def resume(self, state: dict[str, Any]) -> None:
        """Go on where ``state`` was taken, by an adapter made in the same way, possibly in another process."""
        tensors = {**self._snapshot.tensors, **state["tensors"]}
        restore(Snapshot(tensors, state["optimizer"], state["rng"]), self.model, self.optimizer, self.rng)
        set_predicting(self.model)

    def digest(self) -> str:
        """Hash of everything a step may move or leak."""
        return digest(self.model, self.optimizer, self.rng)


def _check_tasks(method: Method, model: Model) -> None:
    # A network that stands in for one in a reference case may predict what is no task here.
    tasks = [task for task in model.network.tasks if task in TASKS]
    lacking = unmet(method.needs, vars(method), tasks)
    if lacking:
        raise UserError(f"{method.name} needs {lacking}.", way_out(method.needs, method.name))
