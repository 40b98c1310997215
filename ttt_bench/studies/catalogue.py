"""The studies by name: what each asks and where the paper shows it. Light: the command line lists it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ttt_bench.errors import UserError, did_you_mean

Kind = Literal["sweep", "probe"]

UNNAMED = "study-NAME"
"""Default of --name on the command line: the study's own name is put in."""


@dataclass(frozen=True)
class Study:
    """One ablation or check of the S4T paper (ICCV 2025)."""

    name: str
    brief: str
    """One line for ``study --help``."""
    title: str
    paper: str
    """Its table or figure."""
    question: str
    printed: str
    """What the paper found, in its own numbers (Delta in percent; Taskonomy -> NYUD-v2 / PASCAL-Context)."""
    kind: Kind = "sweep"
    """``sweep``: cells like any others; ``probe``: measured on the models behind such cells."""
    notes: tuple[str, ...] = ()
    """How this differs from the paper, and what to keep in mind; printed under every table."""


_MASKS = "The TBS has 16 tokens for images below 128 pixels (4 x 4), 256 at the paper's size: ratios are coarser there."

STUDIES: dict[str, Study] = {
    study.name: study
    for study in (
        Study(
            "components",
            "Which of TBS, projection, mask, task targets brings the gain.", "S4T's components", "Table 2",
            "Which part of S4T brings the gain: the synchroniser (TBS), the projection, the mask, the task targets?",
            "TBS +26.16 / +28.32; + projection +33.79 / +32.27; + mask, image reconstruction instead of tasks "
            "+26.76 / +26.43; full +34.94 / +34.20",
            notes=(
                "Without projection the 1x1 convolution to the slices stays, so that widths are equal; its auxiliary "
                "heads and their loss go. The paper does not say whether a reducing layer stays.",
            ),
        ),
        Study(
            "masking",
            "Which tokens to hide: random, disjoint, the same, whole tasks.", "Masking strategy", "Table 3 and Fig. 5",
            "Does it matter which tokens are hidden from the TBS: at random per task, disjoint, the same, whole tasks?",
            "(a) random +32.76, (b) not overlapping +32.56, (c) same for all +34.94, (d) hide tasks +33.06 "
            "(NYUD-v2 only)",
            notes=(
                "The released TBS can only do (c); the family that contains it exactly masks each task's summand of "
                "the patch convolution. (b) reads 'without overlap' as disjoint kept tokens, reused cyclically "
                "where tasks x kept tokens exceed all tokens.",
                _MASKS,
            ),
        ),
        Study(
            "mask-ratio",
            "How much to hide.", "Mask ratio", "section 4.3 and appendix D",
            "How much should be hidden, and do the tasks agree about it?",
            "rises, with its peak at about 0.7-0.8 and the same trend in every task (figure only)",
            notes=(
                "One model is trained per ratio and adapted with the same ratio; the paper does not say which it "
                "varied.",
                _MASKS,
            ),
        ),
        Study(
            "noise",
            "Gaussian noise on the target images, seven strengths.", "Gaussian input noise", "Table 5",
            "How strong may a further shift be before the gain goes?",
            "scale 0 / .01 / .05 / .1 / .2 / .3 / .4: +34.89, +34.42, +33.80, +32.15, +28.64, +23.80, +19.73",
            notes=(
                "x' = x + scale x sigma x n on the normalised target images; sigma is their standard deviation over "
                "the set, n is drawn once per image, the same for every method and seed. Training is clean.",
                "The paper does not say whether its base saw the noise, so both are given: Δ against `base` on the "
                "same noisy images (what adaptation regains) and against `base` on the clean ones (what is left).",
            ),
        ),
        Study(
            "single-task",
            "One network per task against one for all.", "One task at a time", "Table 8",
            "Does S4T gain from having several tasks, or would one do?",
            "single 56.56 mIoU, 1.065, 47.32, .1444 / 43.28, 46.91, .1185 against multi 59.37, 1.052, 45.33, .1441 / "
            "45.42, 41.41, .1183 (no Δ printed; it would be +31.35 / +28.63 against +34.94 / +34.20)",
            notes=(
                "Each task has a network, a slice and a TBS of its own, trained and adapted alone; only its own "
                "metric is read from it.",
                "A single-task network is another network with another `base`. Δ is against the `base` of the same "
                "network; Δ, multi base is against the multi-task `base`, the only one that the paper prints.",
            ),
        ),
        Study(
            "affinity",
            "Relations of task latents: before, after, with target labels.", "Task affinity", "Fig. 6 (Assumption 1)",
            "Does adaptation move the relations between task latents towards a model that saw target labels?",
            "the gap to the fine-tuned model shrinks (figure only)",
            "probe",
            notes=(
                "A_ij: cosine of the slices of tasks i and j along their channels, mean over pixels and images of the "
                "target's test set, network in eval mode. Pooling per pixel is a choice: the paper does not say. "
                "gap: mean over i < j of |A - A fine-tuned|.",
                "after: on each batch right after its updates, as the scores are. bn: the same model after the same "
                "forwards without a gradient, so after - bn is what the S4T loss did.",
                "The fine-tuned model starts from the source-trained one; all of it moves, under the losses "
                "of the heads and of the method's own branch, on target training images with labels.",
            ),
        ),
        Study(
            "tbs-mask",
            "What the TBS retains when it sees less.", "The TBS under masks", "Fig. 7 (Assumption 2)",
            "Does the TBS still predict the tasks when it sees less?",
            "over 90 % of the original performance is retained even at a high ratio (its value is lost in our text)",
            "probe",
            notes=(
                "Supervised TBS loss on held-out source images (validation split), network in eval mode. "
                "retained = loss at ratio 0 / loss at the ratio, of the mean losses over the noise seeds. It can "
                "exceed 100 %: the TBS was trained under a mask. total: weighted as in training (1, 1, 10, 50).",
                "The mask is drawn by the method's own strategy; the same noise is used at every ratio.",
                "Another image's latents: the TBS at ratio 0 is given the next image's slices. A synchroniser that "
                "ignores its input retains 100 % under any mask: read the masks' values against this one.",
                _MASKS,
            ),
        ),
    )
}  # fmt: skip


def find_study(name: str) -> Study:
    """The study called ``name``.

    Raises:
        UserError: there is none.
    """
    if name not in STUDIES:
        raise UserError(f"Unknown study {name!r}." if name else "Which study?", did_you_mean(name, STUDIES))
    return STUDIES[name]


def study_help() -> str:
    """The studies, one line each, for ``study --help``."""
    width = max(map(len, STUDIES))
    listing = "\n".join(f"  {study.name:{width}}  {study.brief}" for study in STUDIES.values())
    return f"The S4T paper's ablations and checks by name; see docs/studies.md.\n\n\b\n{listing}"
