"""What a sweep is asked to do: every setting, with the presets that give the defaults."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ttt_bench.choices import MOST_SEEDS, POSITIVE, SEEDS, Range, check_once, check_range, check_word
from ttt_bench.domains.streams import STREAMS, check_protocol
from ttt_bench.errors import UserError, did_you_mean
from ttt_bench.identity import identity, plain
from ttt_bench.method.configured import MethodCall
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.source.spec import TRAINING_PRESETS, TrainingConfig

RECIPES = ("native", "paper", "tuned")
BUDGET = Range(6, 11)
"""Trials per method: the six decades, and up to the five half-decades between them."""
PROTOCOLS = ("online", "episodic", "single")
TRAININGS = ("shared", "joint")
PRECISIONS = ("fp32", "tf32", "bf16")


@dataclass(frozen=True)
class SweepConfig:
    """All settings of one sweep; the cells are the product of its tuples."""

    pairs: tuple[str, ...]
    methods: tuple[MethodCall, ...]
    """The controls are among them."""
    recipes: tuple[str, ...] = ("native",)
    protocols: tuple[str, ...] = ("online",)
    trainings: tuple[str, ...] = ("shared",)
    seeds: tuple[int, ...] = (0,)
    tasks: tuple[str, ...] | None = None
    """None: all that a pair shares."""
    size: tuple[int, int] = (64, 64)
    steps: int = 10
    eval_steps: tuple[int, ...] = ()
    """Empty: every step from 0 to ``steps``."""
    batch_size: int = 8
    batches: int = 8
    """Target batches; 0: the whole target set."""
    network: NetworkConfig = field(default_factory=lambda: NetworkConfig("resnet10", "conv"))
    source_training: TrainingConfig = field(default_factory=lambda: TRAINING_PRESETS["fast"])
    precision: str = "fp32"
    """One of ``PRECISIONS``; of the adaptation, not of source training."""
    compiled: bool = False
    """Whether encoders are compiled for the adaptation."""
    input_noise: float = 0.0
    """Gaussian noise on the target images, in their standard deviations (``adaptation.stream``)."""
    threads: int = 1
    """Of each worker while it computes: results depend on it in their last digits, so that it is asked for, not
    taken from the machine or from the number of workers."""
    train_processes: int = 1
    """That share each batch of a source training (``source.team``): GPUs of a node, or cores. Not with a method."""
    stream: str = "iid"
    """In which kind of stream targets arrive: one of ``domains.streams.STREAMS``."""
    budget: int = 8
    """Trials that ``tuned`` may spend on each method."""
    released: tuple[str, ...] = ()
    """Switches of ``plan.released`` that are on."""

    @property
    def id(self) -> str:
        """Identity of the request."""
        return identity({**self.described(), "network": self.network.counted()})

    def described(self) -> dict[str, Any]:
        """All settings as JSON-able fields; a method by its name and all that decides it."""
        fields = {key: plain(value) for key, value in vars(self).items() if key != "methods"}
        return {**fields, "methods": [call.described() for call in self.methods]}

    @property
    def steps_scored(self) -> tuple[int, ...]:
        """The steps at which the target is scored."""
        return self.eval_steps or tuple(range(self.steps + 1))

    def check(self) -> SweepConfig:
        """Return self.

        Raises:
            UserError: a setting is out of range; the message names its option.
        """
        for option, values, valid in (
            ("--recipes", self.recipes, RECIPES),
            ("--protocols", self.protocols, PROTOCOLS),
            ("--training", self.trainings, TRAININGS),
            ("--precision", (self.precision,), PRECISIONS),
            ("--stream", (self.stream,), STREAMS),
        ):
            if not values:
                raise UserError(f"{option} is empty.", did_you_mean("", valid))
            for value in values:
                check_word(option, value, valid)
            check_once(option, values)
        for protocol in self.protocols:
            check_protocol(self.stream, protocol)
        training = self.source_training
        for option, number, valid_range in (
            ("--pairs", len(self.pairs), Range(1)),
            ("--seeds, how many,", len(self.seeds), Range(1, MOST_SEEDS)),
            *(("--seeds, each,", seed, SEEDS) for seed in self.seeds),
            *(("--size", side, Range(32, 16_384)) for side in self.size),
            ("--steps", self.steps, Range(1, 100_000)),
            ("--batch-size", self.batch_size, Range(1, 100_000)),
            ("--batches", self.batches, Range(0, 10**9)),
            ("--threads", self.threads, Range(1, 1024)),
            ("--train-iterations", training.iterations, Range(1, 10**9)),
            ("--train-samples", training.samples, Range(1, 10**9)),
            ("--train-lr", training.lr, POSITIVE),
            ("--train-processes", self.train_processes, Range(1, 64)),
            ("--fit-iterations", training.fit_iterations, Range(1, 10**9)),
            ("--fit-lr", training.fit_lr, POSITIVE),
            ("input_noise", self.input_noise, Range(0)),
            ("--budget", self.budget, BUDGET),
        ):
            check_range(option, number, valid_range)
        self._check_processes()
        check_once("--seeds", self.seeds)
        scored = self.steps_scored
        if list(scored) != sorted(set(scored)) or scored[0] != 0 or scored[-1] > self.steps:
            raise UserError(
                f"--eval-steps {','.join(map(str, scored))} must rise from 0 to at most {self.steps} (--steps)."
            )
        return self

    def _check_processes(self) -> None:
        count, batch = self.train_processes, self.source_training.batch_size
        if batch % count:
            raise UserError(
                f"--train-processes {count}: training batches of {batch} cannot be dealt evenly.",
                f"Give a count that divides {batch}.",
            )
        if count > 1 and "joint" in self.trainings:
            raise UserError(
                f"--train-processes {count}: with --training joint a method's loss looks at whole batches.",
                "Leave one of the two out.",
            )


TRACK_PAIRS: dict[str, str] = {
    "dense": "rooms/studio->rooms/fog,rooms/studio->rooms/dusk",
    "class": "objects/studio->objects/fog,objects/studio->objects/dusk",
}
"""What is compared where nobody says it, by track."""

TRACKS: dict[str, dict[str, Any]] = {
    "dense": {},
    # One label per image says little, so batches are larger. The usual stem reduces 32 pixels to 8: a sixth of the
    # arithmetic of one that keeps them, and 96 % of held-out objects recognised after 800 iterations.
    "class": {
        "size": (32, 32),
        "steps": 5,
        "batch_size": 32,
        "network": NetworkConfig("resnet10", "linear"),
        "source_training": TRAINING_PRESETS["objects"],
    },
}
"""Defaults of each track; a preset's own and the options given on the command line win."""

PAPER_EVAL_STEPS = (0, 1, 2, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40)

# S4T section 4.1 and appendix A; the evaluation grid is section C.5's of the method notes.
_PAPER: dict[str, Any] = {
    "size": (256, 256),
    "steps": 40,
    "eval_steps": PAPER_EVAL_STEPS,
    "batch_size": 8,
    "batches": 0,
    "seeds": (0, 1, 2),
    "recipes": ("paper",),
    "protocols": ("online",),
    "trainings": ("joint",),
    "network": NetworkConfig("resnet50", "linear", weights="imagenet"),
    "source_training": TRAINING_PRESETS["paper"],
}

ETS_STEPS = (0, 1, 3, 5, 10, 15, 20)
# The protocol of ClusT3, NC-TTT and CTA: their ResNet-50 for 32 pixels, batches of 128, weights reset before each.
_ETS: dict[str, Any] = {
    "size": (32, 32),
    "steps": 20,
    "eval_steps": ETS_STEPS,
    "batch_size": 128,
    "batches": 0,
    "seeds": (0, 1, 2),
    "protocols": ("episodic",),
    "trainings": ("joint",),
    "network": NetworkConfig("resnet50", "linear", stem="cifar"),
    "source_training": TRAINING_PRESETS["ets"],
}
_SMALL_KINDS = ("gaussian_noise", "defocus_blur", "fog", "contrast", "pixelate", "jpeg_compression")

PRESETS: dict[str, dict[str, Any]] = {
    "fast": {},
    "cifar10c": {**_ETS, "pairs": "cifar10->cifar10c/all-5"},
    "cifar100c": {**_ETS, "pairs": "cifar100->cifar100c/all-5"},
    "tinyimagenetc": {**_ETS, "pairs": "tinyimagenet->tinyimagenetc/all-5", "size": (64, 64)},
    # About 75 minutes of one processor on 3,600 training images of CIFAR-10.
    "cifar-small": {
        "pairs": ",".join(f"cifar10->cifar10+{kind}:5" for kind in _SMALL_KINDS),
        "size": (32, 32),
        "steps": 3,
        "eval_steps": (0, 1, 3),
        "batch_size": 128,
        "batches": 2,
        "seeds": (0, 1, 2),
        "protocols": ("episodic",),
        "network": NetworkConfig("resnet26", "linear"),
        "source_training": TRAINING_PRESETS["small"],
    },
    "paper": _PAPER,
    "released": {**_PAPER, "released": "all"},
}
"""Named sets of defaults; any option given on the command line wins. ``released`` and ``pairs`` are text as there."""
