"""Batch-norm policies as train and eval modes."""

from __future__ import annotations

from torch import nn

from ttt_bench.method.contract import Method, Model, batch_norms


def use_batch_statistics(module: nn.Module) -> None:
    """Make every batch norm use the statistics of the batch at hand, in train and eval mode alike.

    The running buffers are removed: with them in place, eval mode would use them (TENT's rule).
    """
    for norm in batch_norms(module):
        norm.track_running_stats = False
        norm.running_mean = None
        norm.running_var = None
        norm.num_batches_tracked = None


def set_adapting(method: Method, model: Model) -> None:
    """Put ``model`` in the mode in which ``method`` adapts."""
    model.eval()
    model.aux.train(method.aux_mode == "train")
    if method.bn == "track":
        for module in method.adapting_modules(model):
            module.train()


def set_predicting(model: Model) -> None:
    """Put ``model`` in the mode in which predictions are read."""
    model.eval()
