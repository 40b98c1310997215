"""Gaussian noise on the target's images (Table 5)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ttt_bench.plan.sweep import SweepConfig
from ttt_bench.studies.contract import Stored, Study
from ttt_bench.studies.parts import Part, Request, part_of, refuse_nothing

if TYPE_CHECKING:
    from ttt_bench.report.figures.canvas import Sketch
    from ttt_bench.studies.page import Outcome

SCALES = (0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4)
"""The paper's."""


class Noise(Study):
    """The same sweep at seven strengths of noise."""

    name, place = "noise", 4
    brief = "Gaussian noise on the target images, seven strengths."
    title, paper = "Gaussian input noise", "Table 5"
    question = "How strong may a further shift be before the gain goes?"
    printed = "scale 0 / .01 / .05 / .1 / .2 / .3 / .4: +34.89, +34.42, +33.80, +32.15, +28.64, +23.80, +19.73"
    notes = (
        "x' = x + scale x sigma x n on the normalised target images; sigma is their standard deviation over "
        "the set, n is drawn once per image, the same for every method and seed. Training is clean.",
        "The paper does not say whether its base saw the noise, so both are given: Δ against `base` on the "
        "same noisy images (what adaptation regains) and against `base` on the clean ones (what is left).",
    )

    def parts(self, config: SweepConfig, request: Request) -> tuple[Part, ...]:
        """A sweep per scale."""
        refuse_nothing(self.name, config)
        return tuple(part_of(f"{scale:g}", replace(config, input_noise=scale), request) for scale in SCALES)

    def outcome(self, stored: Stored) -> Outcome:
        """Rows over the scales, against both kinds of ``base``."""
        import pandas as pd

        from ttt_bench.report.frames import summary_frame
        from ttt_bench.studies.page import Outcome
        from ttt_bench.studies.results import against_clean
        from ttt_bench.studies.tables import noise_tables

        results = stored.results
        against_clean(results)
        frames = [summary_frame(part.groups).assign(input_noise=float(part.key)) for part in results if part.groups]
        tables = noise_tables(results) if results[0].groups else []
        return Outcome(tuple(tables), pd.concat(frames) if frames else pd.DataFrame())

    def draw(self, title: str, stored: Stored) -> Sketch:
        """Curves over the scale."""
        from ttt_bench.studies.figures.sweeps import draw_noise
        from ttt_bench.studies.results import against_clean

        results = stored.results
        against_clean(results)
        return draw_noise(title, results)


STUDY = Noise()
