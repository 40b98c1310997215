"""What the page holds, as plain data: the JSON in it is these classes, field by field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # The command line imports this file for every command: nothing heavy may come with it.
    from ttt_bench.report.entries import Emphasis

Series = tuple[float | None, ...]
"""One number per step of the view; None where there is none."""


@dataclass(frozen=True)
class Curve:
    """A mean over seeds along the steps."""

    mean: Series
    sd: Series
    """Sample standard deviation over the seeds; empty with fewer than two."""


@dataclass(frozen=True)
class Metric:
    """A task's column; its numbers are in the unit shown."""

    id: str
    task: str
    head: str
    digits: int
    better: int
    """1: higher is better; -1: lower."""


@dataclass(frozen=True)
class Reading:
    """A row read at one selection: means over its surviving seeds."""

    step: float | None
    values: Series
    """One per metric."""
    delta: float | None
    over_bn: float | None


@dataclass(frozen=True)
class Certainty:
    """How sure Delta at the last step is."""

    delta: tuple[float, float] | None
    """95 % interval."""
    over_bn: tuple[float, float] | None
    p: float | None
    """Of no difference from ``bn``, adjusted (Holm)."""
    tied: bool


@dataclass(frozen=True)
class Stream:
    """Delta along the target stream."""

    batches: Series
    before: Series
    after: Series


@dataclass(frozen=True)
class Drift:
    """What a stream that drifts does to a row, at the last step: means over its surviving seeds."""

    delta: Series
    """One per segment of the stream: Delta over ``base`` on that segment alone."""
    over_bn: Series
    """The same minus the ``bn`` control's."""
    forgetting: float | None
    """Percent lost on held-out source images after the stream; negative: gained."""


@dataclass(frozen=True)
class Row:
    """One method, with its options, in one view."""

    label: str
    method: str
    look: int
    """Which of the page's looks it has."""
    control: bool
    seeds: int
    survivors: int
    collapse: str
    """``1/3 @ 12``; empty without one."""
    curves: tuple[Curve, ...]
    """One per metric, then Delta. Of a row without survivors, over the collapsed runs."""
    over_bn: tuple[Curve, ...]
    """The same minus the ``bn`` control's, seed by seed; empty where there is none."""
    best_steps: Series
    """One per metric: the step at which its mean trajectory is best. Seen with target labels."""
    readings: tuple[Reading | None, ...]
    """One per selection."""
    certainty: Certainty | None
    sync: Series
    """SV, DTW, CS."""
    cost: Series
    """Seconds, base forwards and peak MiB of one update, and the millions of parameters that are updated."""
    stream: Stream | None
    drift: Drift | None
    """None where the stream has no segments and nothing was scored on the source after it."""
    work: int | None
    """Which of the view's ``work`` its updates cost; None where that is not known."""
    command: str
    """Runs it again, with its controls."""


@dataclass(frozen=True)
class Shot:
    """One painted prediction: a task and who made it (``truth`` or a row's label)."""

    task: str
    by: str
    picture: str
    """``data:`` address."""
    words: str = ""


@dataclass(frozen=True)
class Pictures:
    """One image of the target with the predictions at the last step."""

    image: str
    tasks: tuple[tuple[str, str], ...]
    """(name, title)."""
    shots: tuple[Shot, ...]


@dataclass(frozen=True)
class Loss:
    """A run that collapsed, or work that failed."""

    what: str
    kind: str
    reason: str


@dataclass(frozen=True)
class View:
    """One table: all methods on one pair under one set of settings."""

    slug: str
    title: str
    block: str
    """What it shares with the views of other pairs, in words."""
    facets: tuple[str, ...]
    """Its value for each of the page's facets."""
    steps: tuple[float, ...]
    segments: tuple[str, ...]
    """Of the stream; empty in one that does not drift."""
    work: tuple[Series, ...]
    """What the updates up to each step cost, as forwards of each image: every course of it that rows have."""
    metrics: tuple[Metric, ...]
    fixed_step: int
    verdict: str
    source: str
    accidents: str
    notes: tuple[str, ...]
    rows: tuple[Row, ...]
    losses: tuple[Loss, ...]
    pictures: Pictures | None


@dataclass(frozen=True)
class Look:
    """How one method is drawn, everywhere."""

    colour: str
    """Empty: the colour of text."""
    dash: str
    symbol: str


@dataclass(frozen=True)
class Selection:
    """A rule for reading a trajectory at one step."""

    id: str
    title: str
    rule: str
    oracle: bool


@dataclass(frozen=True)
class Facet:
    """What views differ in."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Ranks:
    """Mean ranks over pairs, best first."""

    labels: tuple[str, ...]
    looks: tuple[int, ...]
    """Which of the page's looks each has."""
    mean: Series
    critical: float
    """Mean ranks that differ by less cannot be told apart."""


@dataclass(frozen=True)
class Severities:
    """Methods over the severities of corruption."""

    labels: tuple[str, ...]
    looks: tuple[int, ...]
    """Which of the page's looks each has."""
    severities: tuple[int, ...]
    levels: tuple[Series, ...]
    """One per label: a number per severity."""
    axis: str
    """What the numbers are, with their unit."""


@dataclass(frozen=True)
class Section:
    """A further part of the page that is a table: over all pairs, strategies, two sweeps, published numbers."""

    id: str
    title: str
    said: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    marks: tuple[tuple[Emphasis, ...], ...] = ()
    """``bold`` or ``oracle`` for each text of the rows, or nothing; empty: none has any."""
    notes: tuple[str, ...] = ()
    part: str = ""
    """Its name among the parts of the page, which others may share; empty: its title."""
    block: str = ""
    """Of the views that it is about; empty: of all."""
    ranks: Ranks | None = None
    """To be drawn above the table."""
    severities: Severities | None = None
    """The same."""


@dataclass(frozen=True)
class Page:
    """Everything."""

    title: str
    verdict: str
    warnings: tuple[str, ...]
    facets: tuple[Facet, ...]
    selections: tuple[Selection, ...]
    looks: tuple[Look, ...]
    views: tuple[View, ...]
    sections: tuple[Section, ...]
    failures: tuple[Loss, ...]
    provenance: tuple[tuple[str, str], ...]
    """(what, text)."""
