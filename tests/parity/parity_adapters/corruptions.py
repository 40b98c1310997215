"""The published corruptions of images, with the recorded draws fed in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy.typing as npt

from ttt_bench.domains.corruptions.kinds import CORRUPTIONS
from ttt_bench.domains.corruptions.recipe import whole_levels
from ttt_bench.domains.corruptions.tables import KINDS, parameters_for
from ttt_bench.parity.case import Case
from ttt_bench.parity.runner import Answer, answers

Draws = dict[str, npt.NDArray[Any]]
"""The recorded draws of one severity, by name."""
RECORDED: dict[str, Callable[[Draws], Any]] = {
    "gaussian_noise": lambda d: d["noise"],
    "shot_noise": lambda d: d["counts"],
    "impulse_noise": lambda d: d["mask"],
    "glass_blur": lambda d: d["shift"],
    "motion_blur": lambda d: d["angle"],
    "snow": lambda d: (d["layer"], d["angle"]),
    "frost": lambda d: d["crop"],
    "fog": lambda d: d["draws"],
    "elastic_transform": lambda d: (d["affine"], d["dx"], d["dy"]),
}


def _one_kind(case: Case) -> Answer:
    kind = case.function.rpartition(": ")[2].strip()
    image = case.arrays["in_image"]
    answer: dict[str, npt.NDArray[Any]] = {}
    for severity in case.params["severities"]:
        parameters = parameters_for(kind, severity, image.shape[:2])
        names = (n.removeprefix("in_") for n in case.arrays if n.startswith("in_") and n.endswith(str(severity)))
        drawn = {name[:-1]: case.arrays[f"in_{name}"] for name in names}
        result = CORRUPTIONS[kind].apply(image, parameters, RECORDED[kind](drawn) if kind in RECORDED else None)
        answer |= {f"exp_float{severity}": result, f"exp_uint8_{severity}": whole_levels(result)}
    return answer


def _several_kinds(case: Case) -> Answer:
    image, crop = case.arrays["in_image"], case.params.get("crop")
    answer: dict[str, npt.NDArray[Any]] = {}
    for kind in case.params["kinds"]:
        for severity in case.params["severities"]:
            parameters = parameters_for(kind, severity, image.shape[:2])
            floats = CORRUPTIONS[kind].apply(image, parameters, None)
            answer[f"exp_mean_{kind}_{severity}"] = floats.mean((0, 1))
            result = whole_levels(floats)
            if crop:
                row, column, side = crop
                result = result[row : row + side, column : column + side]
            answer[f"exp_{kind}_{severity}"] = result
    return answer


for _kind in KINDS:
    answers(f"make_cifar_c.py: {_kind}")(_one_kind)
answers("make_cifar_c.py: gaussian_blur, saturate", "make_tinyimagenet_c.py", "make_imagenet_c.py")(_several_kinds)
