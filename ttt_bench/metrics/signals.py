"""What can be said of predictions without any label, from sums per batch to one value per step. Numpy only.

``adaptation.signals`` records the sums beside the scores, ``signal/<name>`` each; (2,) is (sum, count).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

SIGNALS = ("entropy", "consistency", "snd", "cross-task")
PREFIX = "signal/"
ENTROPY = f"{PREFIX}entropy"
"""(2,) of the class heads' entropies, in nats."""
CONSISTENCY = f"{PREFIX}consistency/"
"""With a task's name, (2,) of its disagreements with the mirror image."""
DENSITY = f"{PREFIX}snd"
"""(2,) of the entropies of soft neighbourhoods."""
ANGLES = f"{PREFIX}cross-task/angle"
"""(2,) of degrees between predicted normals and the normals of the predicted depth."""
EDGES = f"{PREFIX}cross-task/edges"
"""(2, bins): pixels without and with a jump of depth or normal, by predicted edge probability."""


def mean_of(sums: Array) -> Array:
    """(batches, steps, 2) of (sum, count) -> (steps,); NaN where nothing was counted or a batch is missing."""
    total, count = np.moveaxis(np.asarray(sums, np.float64).sum(0), -1, 0)
    mean: Array = np.where(count > 0, total / np.where(count > 0, count, 1.0), np.nan)
    return mean


def disagreements(statistics: Mapping[str, Array], signal: str) -> dict[str, Array]:
    """Part of a signal -> (steps,), lower is better, for ``consistency`` and ``cross-task``; empty where none is.

    Args:
        statistics: of a run, by name, each (batches, steps, ...).
        signal: which.
    """
    if signal == "consistency":
        return {k.removeprefix(CONSISTENCY): mean_of(v) for k, v in statistics.items() if k.startswith(CONSISTENCY)}
    found = {"angle": mean_of(statistics[ANGLES])} if ANGLES in statistics else {}
    return found | ({"edges": 1.0 - average_precision(statistics[EDGES])} if EDGES in statistics else {})


def average_precision(histogram: Array) -> Array:
    """(batches, steps, 2, bins) -> (steps,) area under the precision-recall curve, one bin its resolution."""
    from ttt_bench.tasks.edge import average_precision as of_edges

    return of_edges(np.asarray(histogram, np.float64))


def relative(parts: Mapping[str, Array], unadapted: Mapping[str, Array]) -> Array | None:
    """The parts of a signal, each in units of its own un-adapted value, averaged.

    Args:
        parts: (steps,) each.
        unadapted: the same of the model as it was trained, on the same images.

    Returns:
        (steps,); None where no part has an un-adapted value to be measured by.
    """
    scaled = [
        values / unadapted[name][0]
        for name, values in parts.items()
        if name in unadapted and np.isfinite(unadapted[name][0]) and unadapted[name][0] > 0
    ]
    return np.mean(scaled, axis=0) if scaled else None


def score(statistics: Mapping[str, Array], unadapted: Mapping[str, Array], signal: str) -> Array | None:
    """(steps,) of one signal of one run, higher is better; None where its tasks do not exist.

    Args:
        statistics: the run's.
        unadapted: those of the model as it was trained, on the same images.
        signal: one of ``SIGNALS``.
    """
    if signal == "entropy":
        return -mean_of(statistics[ENTROPY]) if ENTROPY in statistics else None
    if signal == "snd":
        return mean_of(statistics[DENSITY]) if DENSITY in statistics else None
    value = relative(disagreements(statistics, signal), disagreements(unadapted, signal))
    return None if value is None else -value
