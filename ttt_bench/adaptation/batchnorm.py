"""Batch-norm policies as train and eval modes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from ttt_bench.errors import UserError
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


@contextmanager
def explained_norms(method: str) -> Iterator[None]:
    """Say what to do where torch refuses to re-estimate statistics from one value per channel.

    The plan sees it for networks of this project; of others only they know how small their maps become.

    Raises:
        UserError: a batch of one image met maps of 1x1.
    """
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise UserError(
            f"{method}: batch norm has one value per channel to re-estimate its statistics from: a batch of one image "
            "whose smallest maps are 1x1.",
            "Give larger images (--size), or a --batch-size that leaves no last batch of one image.",
        ) from error
