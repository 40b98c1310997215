"""Image classification: one class per image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ttt_bench.errors import UserError
from ttt_bench.tasks.contract import UNLABELLED, Array, Label, Metric, Task
from ttt_bench.tasks.statistics import divide, fallen_onto_one_class, over_batches

if TYPE_CHECKING:
    import torch
    from torch import Tensor

BINS = 15
"""Bins of the confidence, equally wide over [0, 1] (Guo et al., On Calibration of Modern Neural Networks, 2017)."""
COUNTS, CALIBRATION, NLL = "class/counts", "class/calibration", "class/nll"
"""(C, 3): of each class the images that have it, those of them that were recognised, and all that were taken for it.
A whole confusion matrix per batch and step would be gigabytes for a thousand classes.
(15, 3): of each bin of confidence the images, the sum of their confidences, and how many were right.
(2,): images, and the sum of their -log p(true class) in nats."""


def accuracy(counts: Array) -> Array:
    """Share of labelled images whose class is right."""
    images, right, _ = counts.sum((0, 2)).T
    return divide(right, images)


def error(counts: Array) -> Array:
    """Share of labelled images whose class is wrong."""
    return 1.0 - accuracy(counts)


def negative_log_likelihood(sums: Array) -> Array:
    """Mean -log p(true class), in nats."""
    images, total = over_batches(sums).T
    return divide(total, images)


def expected_calibration_error(bins: Array) -> Array:
    """Mean |accuracy - confidence| over the bins, each weighed by its images (Guo et al., eq. 3)."""
    images, confidence, right = (over_batches(bins)[..., part] for part in range(3))
    # |right/n - confidence/n| weighed by n/N is |right - confidence| / N.
    return divide(abs(right - confidence).sum(-1), images.sum(-1))


class Classification(Task):
    """Class logits (B, C) against ids (B,), int64; -1 = no label, and 255 is a class like any other."""

    name = "class"
    title = "Class"
    rank = 5
    channels = 0
    output = "classes"
    extent = "image"
    label = Label("<i8", None, "image")
    metrics = (
        Metric("class/accuracy", "accuracy", "%", True, COUNTS, accuracy, 100.0, 2, says_task=True),
        Metric("class/error", "error", "%", False, COUNTS, error, 100.0, 2, says_task=True),
        Metric("class/nll", "NLL", "nats", False, NLL, negative_log_likelihood, says_task=True),
        Metric("class/ece", "ECE", "%", False, CALIBRATION, expected_calibration_error, 100.0, 2, says_task=True),
    )

    def loss(self, prediction: Tensor, label: Tensor) -> Tensor:
        """Softmax cross-entropy: sum over labelled images / max(their number, 1)."""
        from torch.nn.functional import cross_entropy

        total = cross_entropy(prediction, label.long(), ignore_index=UNLABELLED, reduction="sum")
        return total / (label != UNLABELLED).sum().clamp(min=1)

    def ready(self, label: Tensor, channels: int) -> tuple[Tensor, ...]:
        """Which images have a label, and their ids, 0 for the others."""
        ids = label.long()
        if bool(((ids >= channels) | (ids < UNLABELLED)).any()):
            raise UserError(f"A class label is neither one of {channels} classes nor {UNLABELLED}.")
        return ids != UNLABELLED, ids.clamp(min=0)

    def score(self, prediction: Tensor, *ready: Tensor) -> dict[str, Tensor]:
        """``class/counts`` (C, 3), ``class/calibration`` (15, 3) and ``class/nll`` (2,)."""
        import torch
        from torch.nn.functional import one_hot

        labelled, truth = ready
        log_p = prediction.double().log_softmax(dim=1)
        confidence, guess = log_p.exp().max(dim=1)
        # A confidence that is not a number counts as none; the NLL keeps it.
        confidence = confidence.nan_to_num(0.0)
        ones, right = labelled.double(), (labelled & (guess == truth)).double()

        def sums(place: Tensor, places: int, *columns: Tensor) -> Tensor:
            return one_hot(place, places).double().T @ torch.stack(columns, dim=1)

        classes = prediction.shape[1]
        taken = sums(guess, classes, ones)
        own = log_p.gather(1, truth[:, None])[:, 0]
        return {
            COUNTS: torch.cat((sums(truth, classes, ones, right), taken), dim=1),
            CALIBRATION: sums((confidence * BINS).long().clamp(0, BINS - 1), BINS, ones, ones * confidence, right),
            NLL: torch.stack((ones.sum(), -torch.where(labelled, own, 0.0).sum())),
        }

    def made_up(self, count: int, size: tuple[int, int], classes: int, rng: torch.Generator) -> Tensor:
        """Any class; a tenth of all images has no label."""
        import torch

        ids = torch.randint(0, classes, (count,), generator=rng)
        return ids.masked_fill(torch.rand(count, generator=rng) < 0.1, UNLABELLED)

    def words(self, values: Array, classes: Sequence[str]) -> str:
        """The class by its name."""
        id = int(values[0])
        return "no label" if id == UNLABELLED else classes[id] if id < len(classes) else f"class {id}"

    def collapsed(self, statistics: Mapping[str, Array]) -> tuple[int, str] | None:
        """Onto one class, where there are more in the predictions of column 0."""
        if COUNTS not in statistics:
            return None
        fallen = fallen_onto_one_class(statistics[COUNTS][..., 2].sum(axis=0))
        return fallen and (fallen[0], f"{100 * fallen[1]:.1f} % of all images are predicted as one class")
