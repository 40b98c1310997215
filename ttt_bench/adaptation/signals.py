"""What is recorded of predictions without a label: entropy, consistency, soft neighbourhoods, agreement of tasks.

All are sums over a batch, in float64, on the predictions' device; ``metrics.signals`` reads them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.domains.pixels.planes import Pinhole
from ttt_bench.metrics.signals import ANGLES, CONSISTENCY, DENSITY, EDGES, ENTROPY
from ttt_bench.networks.contract import Predictions
from ttt_bench.tasks import geometry, get_task, of_kind
from ttt_bench.tasks.tensors import length, unit

NEIGHBOURS = 256
"""Pixels of an image whose neighbourhoods are looked at."""
TEMPERATURE = 0.05
"""Of the soft neighbourhoods (Saito et al., "Tune it the right way", ICCV 2021, section 3.2)."""
SMOOTH = 0.1
"""Largest difference of depth over two pixels, relative to it, at which there is one surface."""
TURN = 30.0
"""Degrees between the normals of neighbours from which on they belong to two surfaces."""
BINS = 64


class Signals:
    """Measures the signals that a cell asks for."""

    def __init__(self, names: Sequence[str] = (), camera: Pinhole | None = None) -> None:
        """Keep what is asked for.

        Args:
            names: of ``metrics.signals.SIGNALS``; none: nothing is measured.
            camera: of the target's images, for the normals of predicted depth; without one they are left out.
        """
        self.names, self.camera = tuple(names), camera

    @torch.no_grad()
    def of(
        self, adapter: Adapter, batch: int, images: Tensor, predictions: Predictions
    ) -> dict[str, npt.NDArray[np.float64]]:
        """Sums of one batch, by statistic.

        Args:
            adapter: what predicted; asked once more for ``consistency``.
            batch: its number, which decides the sampled pixels: the same at every step and for every setting.
            images: (B, 3, H, W).
            predictions: of ``images``.
        """
        found: dict[str, Tensor] = {}
        if "entropy" in self.names:
            found |= _entropies(predictions)
        if "snd" in self.names:
            found |= _densities(predictions, batch)
        if "cross-task" in self.names:
            found |= _between_tasks(predictions, self.camera)
        if "consistency" in self.names:
            found |= _with_the_mirror(predictions, adapter.predict(images.flip(-1)))
        return {name: value.double().cpu().numpy() for name, value in found.items()}


def summed(values: Tensor) -> Tensor:
    """(sum, count) of all entries, (2,) float64."""
    total = values.sum(dtype=torch.float64)
    return torch.stack((total, total.new_tensor(float(values.numel()))))


def _entropies(predictions: Predictions) -> dict[str, Tensor]:
    logits = [predictions[task] for task in of_kind(predictions, "classes")]
    parts = [-(z.log_softmax(1) * z.softmax(1)).sum(1) for z in logits]
    return {ENTROPY: torch.stack([summed(part) for part in parts]).sum(0)} if parts else {}


def _densities(predictions: Predictions, batch: int) -> dict[str, Tensor]:
    parts = []
    for task in of_kind(predictions, "classes"):
        shares = predictions[task].softmax(1)
        # One answer per image: the batch is the neighbourhood.
        points = shares.flatten(2).movedim(1, 2) if shares.dim() == 4 else shares[None]
        parts.append(density(points[:, _sampled(points.shape[1], batch, points.device)]))
    return {DENSITY: torch.stack(parts).sum(0)} if parts else {}


def _sampled(pixels: int, batch: int, device: torch.device) -> Tensor:
    if pixels <= NEIGHBOURS:
        return torch.arange(pixels, device=device)
    rng = torch.Generator().manual_seed(batch)
    return torch.randperm(pixels, generator=rng)[:NEIGHBOURS].to(device)


def density(points: Tensor) -> Tensor:
    """Soft neighbourhood density: (sum, count) of the entropies of each point's similarities to the others.

    Args:
        points: (sets, n, C) softmax outputs; neighbours are sought within a set.
    """
    directions = torch.nn.functional.normalize(points.float(), dim=2)
    similar = directions @ directions.movedim(1, 2) / TEMPERATURE
    itself = torch.eye(points.shape[1], dtype=torch.bool, device=points.device)
    log_p = similar.masked_fill(itself, -torch.inf).log_softmax(2)
    # A share of exactly 0, of a point to itself, adds nothing to an entropy.
    return summed(-torch.where(itself, 0.0, log_p.exp() * log_p).sum(2))


def _with_the_mirror(plain: Predictions, mirrored: Predictions) -> dict[str, Tensor]:
    return {f"{CONSISTENCY}{task}": summed(_apart(task, plain[task], _back(task, mirrored[task]))) for task in plain}


def _back(task: str, prediction: Tensor) -> Tensor:
    """What was predicted for the mirror image, for the image."""
    known = get_task(task)
    flipped = prediction.flip(-1) if known.extent == "map" else prediction
    if known.output == "direction":
        return torch.cat((-flipped[:, :1], flipped[:, 1:]), 1)  # what faces right faces left
    return flipped


def _apart(task: str, one: Tensor, other: Tensor) -> Tensor:
    """How far two predictions are apart at every place: total variation, degrees, or the absolute difference."""
    output = get_task(task).output
    if output == "classes":
        return 0.5 * (one.softmax(1) - other.softmax(1)).abs().sum(1)
    if output == "direction":
        return _degrees(unit(one.float()), unit(other.float()))
    return (one - other).abs() if output == "scalar" else (one.sigmoid() - other.sigmoid()).abs()


def _degrees(one: Tensor, other: Tensor) -> Tensor:
    """Between unit vectors (B, 3, H, W), exact near 0 and 180."""
    return torch.rad2deg(2 * torch.atan2(length(one - other), length(one + other)))


def _between_tasks(predictions: Predictions, camera: Pinhole | None) -> dict[str, Tensor]:
    depth, normal, edge = (predictions.get(task) for task in (geometry.DEPTH, geometry.NORMALS, geometry.EDGES))
    found: dict[str, Tensor] = {}
    if depth is not None and normal is not None and camera is not None:
        angle = _degrees(normals_of(depth, camera), unit(normal.float())[..., 1:-1, 1:-1])
        found[ANGLES] = summed(angle[_smooth(depth)])
    if edge is not None and (depth is not None or normal is not None):
        jump = torch.zeros_like(edge[:, 0], dtype=torch.bool)
        if depth is not None:
            jump[..., 1:-1, 1:-1] |= ~_smooth(depth)
        if normal is not None:
            jump |= _turns(unit(normal.float()))
        bins = (edge[:, 0].sigmoid().double() * BINS).nan_to_num(0.0).long().clamp(0, BINS - 1)
        found[EDGES] = torch.bincount((jump * BINS + bins).flatten(), minlength=2 * BINS).view(2, BINS)
    return found


def _positive(depth: Tensor) -> Tensor:
    return depth[:, 0].float().clamp(min=1e-3)


def normals_of(depth: Tensor, camera: Pinhole) -> Tensor:
    """Unit normals of a depth map (B, 1, H, W), x right, y up, z towards the viewer: (B, 3, H - 2, W - 2).

    The cross product of the central differences of the points that the pixels show.
    """
    z = _positive(depth)
    columns = (torch.arange(z.shape[-1], device=z.device) - camera.cx) / camera.fx
    rows = (torch.arange(z.shape[-2], device=z.device) - camera.cy) / camera.fy
    points = torch.stack((z * columns, -z * rows[:, None], -z), 1)
    across = points[..., 1:-1, 2:] - points[..., 1:-1, :-2]
    down = points[..., 2:, 1:-1] - points[..., :-2, 1:-1]
    return unit(torch.linalg.cross(down, across, dim=1))


def _smooth(depth: Tensor) -> Tensor:
    """Where the depth does not jump over two pixels in a row or column, (B, H - 2, W - 2)."""
    z = _positive(depth)
    middle = z[..., 1:-1, 1:-1]
    across = (z[..., 1:-1, 2:] - z[..., 1:-1, :-2]).abs()
    down = (z[..., 2:, 1:-1] - z[..., :-2, 1:-1]).abs()
    return torch.maximum(across, down) < SMOOTH * middle


def _turns(normals: Tensor) -> Tensor:
    """Where the normal differs from the right or lower neighbour's by more than ``TURN``, (B, H, W)."""
    found = torch.zeros_like(normals[:, 0], dtype=torch.bool)
    found[..., :-1] |= _degrees(normals[..., :-1].contiguous(), normals[..., 1:].contiguous()) > TURN
    found[..., :-1, :] |= _degrees(normals[..., :-1, :].contiguous(), normals[..., 1:, :].contiguous()) > TURN
    return found
