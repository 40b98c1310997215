"""Which part of S4T brings the gain (Table 2)."""

from __future__ import annotations

from ttt_bench.plan.sweep import SweepConfig
from ttt_bench.studies.contract import Study
from ttt_bench.studies.parts import Part, Request, varied

VARIANTS: dict[str, dict[str, object]] = {
    "TBS": {"projection": False, "mask_ratio": 0.0},
    "TBS + projection": {"mask_ratio": 0.0},
    "TBS + mask, image": {"projection": False, "reconstruct_image": True},
    "TBS + projection + mask": {},
}


class Components(Study):
    """S4T without one part after the other."""

    name, place = "components", 1
    brief = "Which of TBS, projection, mask, targets brings the gain."
    title, paper = "S4T's components", "Table 2"
    question = "Which part of S4T brings the gain: the synchroniser (TBS), the projection, the mask, the task targets?"
    printed = (
        "TBS +26.16 / +28.32; + projection +33.79 / +32.27; + mask, image reconstruction instead of tasks "
        "+26.76 / +26.43; full +34.94 / +34.20"
    )
    notes = (
        "Without projection the 1x1 convolution to the slices stays, so that widths are equal; its auxiliary "
        "heads and their loss go. The paper does not say whether a reducing layer stays.",
    )

    def parts(self, config: SweepConfig, request: Request) -> tuple[Part, ...]:
        """One sweep with a row per variant."""
        return (varied(self.name, VARIANTS, config, request),)


STUDY = Components()
