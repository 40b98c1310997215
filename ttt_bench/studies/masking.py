"""Which tokens the TBS does not see (Table 3 and Fig. 5)."""

from __future__ import annotations

from ttt_bench.plan.sweep import SweepConfig
from ttt_bench.studies.contract import MASKS, Study
from ttt_bench.studies.parts import Part, Request, varied

VARIANTS = {
    "(a) random": {"strategy": "random"},
    "(b) disjoint": {"strategy": "disjoint"},
    "(c) same": {"strategy": "same"},
    "(d) whole tasks": {"strategy": "task"},
}


class Masking(Study):
    """S4T under the four strategies of masking."""

    name, place = "masking", 2
    brief = "Which tokens to hide: random, disjoint, same, whole tasks."
    title, paper = "Masking strategy", "Table 3 and Fig. 5"
    question = (
        "Does it matter which tokens are hidden from the TBS: at random per task, disjoint, the same, whole tasks?"
    )
    printed = (
        "(a) random +32.76, (b) not overlapping +32.56, (c) same for all +34.94, (d) hide tasks +33.06 (NYUD-v2 only)"
    )
    notes = (
        "The released TBS can only do (c); the family that contains it exactly masks each task's summand of "
        "the patch convolution. (b) reads 'without overlap' as disjoint kept tokens, reused cyclically "
        "where tasks x kept tokens exceed all tokens.",
        MASKS,
    )

    def parts(self, config: SweepConfig, request: Request) -> tuple[Part, ...]:
        """One sweep with a row per strategy."""
        return (varied(self.name, VARIANTS, config, request),)


STUDY = Masking()
