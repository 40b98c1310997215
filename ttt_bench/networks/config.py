"""The architecture as settings. No torch, so that planning stays instant."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class NetworkConfig:
    """Everything that decides the architecture; part of a source model's identity."""

    backbone: str = "resnet50"
    heads: str = "linear"
    """``linear``: the paper's single 1x1 convolution. ``conv``: 1x1 to ``hidden``, ReLU, 3x3."""
    hidden: int = 64
    weights: str = "none"
    """``none``, ``imagenet`` or the path of a torchvision state dict."""
    content: str = ""
    """SHA-256 of the weights' file: it counts, not where the file lies."""

    def pinned(self) -> NetworkConfig:
        """With the hash of the weights' file, where there is one; without it the path has to do."""
        if self.weights in NAMED_WEIGHTS:
            return self
        path = Path(self.weights).expanduser()
        if not path.is_file():
            return self
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        return replace(self, content=digest.hexdigest())

    def describe(self) -> dict[str, Any]:
        """What decides a network, as plain values; a file of weights by its content."""
        fields = asdict(self)
        content = fields.pop("content")
        return {**fields, "weights": f"sha256:{content[:16]}"} if content else fields


NAMED_WEIGHTS = ("none", "imagenet")
