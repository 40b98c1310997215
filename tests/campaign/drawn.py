"""Small data sets to be damaged, one of every way in which files are kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

NYU, OBJECTS = "nyudv2->nyudv2+fog:1", "folder/a->folder/a+fog:1"
DATA = {
    "frames": ("nyudv2", NYU), "package": ("nyudv2", NYU), "pascal": ("pascal", "pascal->pascal+fog:1"),
    "taskonomy": ("taskonomy", "taskonomy->taskonomy+fog:1"), "cifar10": ("cifar10", "cifar10->cifar10+fog:1"),
    "cifar10c": ("cifar10c", "objects/studio->cifar10c/fog-1"), "tiny": ("tinyimagenet", "tinyimagenet->tinyimagenet+fog:1"),
    "classes": ("folder/a", OBJECTS), "maps": ("folder/a", OBJECTS),
}  # fmt: skip
"""Name of a tree -> the domain that reads it, and a pair with that domain."""


def make_trees(root: Path) -> None:
    """Draw every data set below ``root``."""
    from class_trees import make_cifar10, make_cifarc, make_tiny
    from trees import draw, make_frames, make_package, make_pascal, make_taskonomy

    make_frames(root / "frames")
    make_package(root / "package", 4, 2, size=(32, 40))
    make_pascal(root / "pascal", 3, 2)
    make_taskonomy(root / "taskonomy", views=2, size=(32, 32))
    make_cifar10(root / "cifar10", per_batch=10, batches=2)
    make_cifarc(root / "cifar10c")
    make_tiny(root / "tiny", per_class=4)
    for i in range(10):
        sample = draw(i, (32, 40))
        _save(sample.image, root / f"classes/images/{'ab'[i % 2]}/{i}.png")
        _save(sample.image, root / f"maps/images/{i}.png")
        _save(np.rint(sample.labels["depth"][0] * 1000).astype(np.uint16), root / f"maps/depth/{i}.png")
    (root / "classes/dataset.toml").write_text('[classes]\nnames = ["a", "b"]\n')
    (root / "maps/dataset.toml").write_text("[depth]\nunit = 0.001\n[camera]\nfx = 30\nfy = 30\ncx = 20\ncy = 16\n")


def _save(pixels: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
