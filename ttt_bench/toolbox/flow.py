"""RealNVP on feature maps: checkerboard couplings and activation norms, with elementwise log-determinants."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttt_bench.errors import UserError

MASKS = (1, 0, 1)
"""Which field of the board each coupling keeps."""


class RealNVP(nn.Module):
    """Coupling, ActNorm, coupling, ActNorm, coupling; single scale, no squeezing, no permutation.

    Any map size; the masks follow the map. With 512 channels, 26,003,462 parameters.
    """

    def __init__(self, channels: int, width: int, blocks: int, rescale_shift: bool) -> None:
        """Build the flow.

        Args:
            channels: C of the maps.
            width: channels inside the couplings' networks.
            blocks: residual blocks of each coupling's network.
            rescale_shift: see ``ActNorm``.
        """
        super().__init__()
        layers: list[nn.Module] = []
        for mask in MASKS:
            if layers:
                layers.append(ActNorm(channels, rescale_shift))
            layers.append(Coupling(channels, width, blocks, mask))
        self.transforms = nn.ModuleList(layers)

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, H, W) -> latent z and log |dz/dx| by element, both (N, C, H, W)."""
        z, log_det = maps, torch.zeros_like(maps)
        for transform in self.transforms:
            z, change = transform(z)
            log_det = log_det + change
        return z, log_det


def negative_log_likelihood(z: Tensor, log_det: Tensor) -> Tensor:
    """-mean over all elements of log N(z; 0, 1) + log_det: nats per dimension, not per image."""
    return (0.5 * (z.square() + math.log(2 * math.pi)) - log_det).mean()


def checkerboard(height: int, width: int, mask: int, device: torch.device | None = None) -> Tensor:
    """(1, 1, H, W) of 0 and 1: (row + column + ``mask``) mod 2."""
    rows = torch.arange(height, device=device)[:, None]
    return ((rows + torch.arange(width, device=device) + mask) % 2)[None, None]


class Coupling(nn.Module):
    """y = x exp(s) + t on one field of the board; s and t come from the other field, which stays."""

    def __init__(self, channels: int, width: int, blocks: int, mask: int) -> None:
        super().__init__()
        self.mask = mask
        self.net = CouplingNet(channels, width, blocks)
        self.scale_scale = nn.Parameter(torch.zeros(1))
        self.shift_scale = nn.Parameter(torch.zeros(1))

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, H, W) -> (y, log-determinant by element)."""
        keep = checkerboard(maps.shape[-2], maps.shape[-1], self.mask, maps.device).to(maps.dtype)
        s, t = self.net(maps * keep).chunk(2, dim=1)
        s = (s.tanh() * self.scale_scale + self.shift_scale) * (1 - keep)
        return maps * s.exp() + t * (1 - keep), s


class ActNorm(nn.Module):
    """y = x exp(log_scale) + shift by channel, set from the first batch it sees.

    That it has been set is a buffer: as a plain attribute it would be forgotten by a checkpoint, and the first
    test batch would overwrite what was learned (the published code's accident).
    """

    initialized: Tensor

    def __init__(self, channels: int, rescale_shift: bool) -> None:
        """``rescale_shift``: start from (x - mean) / std; False = the published x / std - mean."""
        super().__init__()
        self.rescale_shift = rescale_shift
        self.log_scale = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.shift = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.register_buffer("initialized", torch.zeros((), dtype=torch.bool))

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, H, W) -> (y, log_scale (1, C, 1, 1)).

        Raises:
            UserError: in eval mode before any batch was seen: the flow was never fitted.
        """
        if not self.initialized:
            if not self.training:
                raise UserError("The flow has not been fitted to source features.", "Fit it before adapting.")
            self._initialize(maps.detach())
        return maps * self.log_scale.exp() + self.shift, self.log_scale

    @torch.no_grad()
    def _initialize(self, maps: Tensor) -> None:
        mean = maps.mean((0, 2, 3), keepdim=True)
        # A channel that a ReLU keeps at zero has no spread to normalise.
        std = maps.std((0, 2, 3), keepdim=True).clamp(min=1e-6)
        self.log_scale.copy_(-std.log())
        self.shift.copy_(-mean / std if self.rescale_shift else -mean)
        self.initialized.fill_(True)


class CouplingNet(nn.Module):
    """Residual bottleneck network C -> 2C; every convolution is weight-normalised."""

    def __init__(self, channels: int, width: int, blocks: int) -> None:
        super().__init__()
        self.stem = WeightNormConv(channels, width, 3)
        self.blocks = nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)))
        self.out = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), WeightNormConv(width, 2 * channels, 1))

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, 2C, H, W)."""
        result: Tensor = self.out(self.blocks(self.stem(maps)))
        return result


class ResidualBlock(nn.Module):
    """x + WN1x1(relu(bn(WN3x3(relu(bn(WN1x1(relu(bn(x)))))))))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for kernel in (1, 3, 1):
            layers += [nn.BatchNorm2d(width), nn.ReLU(), WeightNormConv(width, width, kernel)]
        self.body = nn.Sequential(*layers)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, width, H, W) -> the same shape."""
        result: Tensor = maps + self.body(maps)
        return result


class WeightNormConv(nn.Module):
    """A convolution with weight g v / ||v||, norm and g per output channel; keeps the map size."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        start = nn.Conv2d(inputs, outputs, kernel)
        assert start.bias is not None
        self.padding = kernel // 2
        self.bias = nn.Parameter(start.bias.detach())
        self.weight_v = nn.Parameter(start.weight.detach())
        self.weight_g = nn.Parameter(_norm(self.weight_v.detach()))

    def forward(self, maps: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H, W)."""
        weight = self.weight_v * (self.weight_g / _norm(self.weight_v))
        return F.conv2d(maps, weight, self.bias, padding=self.padding)


def _norm(weight: Tensor) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(weight, dim=(1, 2, 3), keepdim=True)
    return norm
