"""Tables of the two assumption checks, from what is stored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ttt_bench.identity import canonical
from ttt_bench.measurements.numbers import MODELS, TOTAL, mean_matrices, retained
from ttt_bench.report.entries import Entry, TextTable
from ttt_bench.studies.page import Outcome
from ttt_bench.tasks import TASKS

Stored = dict[str, Any]

GROUPED = ("pair", "method", "options", "protocol", "recipe", "training", "size")


def affinity_groups(stored: Sequence[Stored]) -> dict[str, list[Stored]]:
    """Title -> the measurements that differ in nothing but the seed."""
    return _grouped(stored, lambda each: {key: each["cell"][key] for key in GROUPED}, _affinity_title)


def tbs_groups(stored: Sequence[Stored]) -> dict[str, list[Stored]]:
    """Title -> the measurements that differ in nothing but the seed."""
    keys = ("source", "method", "options", "training", "size", "images")
    return _grouped(stored, lambda each: {key: each[key] for key in keys}, _tbs_title)


def _grouped(stored: Sequence[Stored], key: Any, title: Any) -> dict[str, list[Stored]]:
    groups: dict[str, list[Stored]] = defaultdict(list)
    for each in stored:
        groups[canonical(key(each))].append(each)
    titles = [title(members[0]) for members in groups.values()]
    # Methods that differ in an option alone would share a title.
    return {
        text if titles.count(text) == 1 else f"{text} ({place})": members
        for place, (text, members) in enumerate(zip(titles, groups.values(), strict=True), start=1)
    }


def _affinity_title(each: Stored) -> str:
    cell = each["cell"]
    size = "x".join(map(str, cell["size"]))
    return (
        f"{cell['pair']}, {named(cell['method'], cell)}: protocol {cell['protocol']}, recipe {cell['recipe']}, "
        f"{cell['training']} training, {size}"
    )


def _tbs_title(each: Stored) -> str:
    return f"{each['source']}, {each['method']}: {each['training']} training, {'x'.join(map(str, each['size']))}"


def named(method: str, cell: Stored) -> str:
    """The method with the options that differ from its defaults."""
    changed = ", ".join(f"{key}={cell['options'][key]}" for key in cell.get("changed", ()))
    return f"{method}({changed})" if changed else method


def affinity_outcome(stored: Sequence[Stored]) -> Outcome:
    """A table of pairs of tasks against models, and everything in long form."""
    tables, rows = [], []
    for title, members in affinity_groups(stored).items():
        tables.append(_affinity_table(title, members))
        rows += [row for each in members for row in _affinity_rows(each)]
    return Outcome(tuple(tables), pd.DataFrame(rows))


def _affinity_table(title: str, members: Sequence[Stored]) -> TextTable:
    tasks, means = members[0]["tasks"], mean_matrices(members)
    rows = [
        (Entry(f"{tasks[i]} – {tasks[j]}"), *(Entry(f"{means[m][i, j]:+.3f}") for m in MODELS))
        for i in range(len(tasks)) for j in range(i + 1, len(tasks))
    ]  # fmt: skip
    gaps = {m: np.array([each["gaps"][m] for each in members]) for m in MODELS}
    rows.append((Entry("gap to fine-tuned ↓", "bold"), *(Entry(spread(gaps[m], 4)) for m in MODELS)))
    return TextTable(title, ("cosine of slices", *MODELS), tuple(rows), _affinity_notes(members, gaps))


def _affinity_notes(members: Sequence[Stored], gaps: dict[str, Any]) -> tuple[str, ...]:
    tuning = members[0]["fine_tuning"]
    whole, own = gaps["after"] - gaps["before"], gaps["after"] - gaps["bn"]
    notes = [
        f"Fine-tuned: {tuning['iterations']} iterations of {tuning['batch_size']} of {tuning['samples']} labelled "
        f"target images at rate {tuning['lr']:g}, decaying as in source training.",
        f"Change of the gap by adaptation, after - before: {spread(whole, 4, True)}; of that, by the loss itself, "
        f"after - bn: {spread(own, 4, True)} (negative: closer to the fine-tuned model).",
        f"Mean ± sample sd over {len(members)} seeds, {members[0]['images']} target images each."
        if len(members) > 1
        else f"One seed, hence no spread; {members[0]['images']} target images.",
    ]
    if np.abs(own.mean()) < 0.01 * max(float(np.abs(whole.mean())), 1e-12):
        notes.insert(2, "The loss itself moved the affinity by less than 1 % of what re-estimated batch-norm "
                        "statistics did: this table shows `bn`, not the method.")  # fmt: skip
    return tuple(notes)


def _affinity_rows(each: Stored) -> list[dict[str, Any]]:
    cell, tasks = each["cell"], each["tasks"]
    fixed = {key: canonical(cell[key]) if key in ("options", "size") else cell[key] for key in (*GROUPED, "seed")}
    return [
        {**fixed, "model": model, "task": tasks[i], "other": tasks[j], "cosine": each["matrices"][model][i][j],
         "gap": each["gaps"][model]}
        for model in MODELS for i in range(len(tasks)) for j in range(i + 1, len(tasks))
    ]  # fmt: skip


def tbs_outcome(stored: Sequence[Stored]) -> Outcome:
    """Two tables, retained performance and losses over the ratio, and everything in long form."""
    tables, rows = [], []
    for title, members in tbs_groups(stored).items():
        ratios = members[0]["ratios"]
        head = ("at mask ratio", *(f"{ratio:g}" for ratio in ratios), "0, another image's latents")
        kept = [
            (
                Entry(name),
                *(Entry(spread(v, 1)) for v in _kept(members, name).T),
                Entry(spread(_blind(members, name), 1)),
            )
            for name in _names(members)
        ]
        losses = [(Entry(name), *(Entry(f"{v:.4f}") for v in _mean_losses(members, name))) for name in _names(members)]
        tables.append(TextTable(f"{title}: performance retained (%)", head, tuple(kept), _tbs_notes(members)))
        tables.append(TextTable(f"{title}: supervised TBS loss", head, tuple(losses)))
        rows += [row for each in members for row in _tbs_rows(each)]
    return Outcome(tuple(tables), pd.DataFrame(rows))


def _names(members: Sequence[Stored]) -> list[str]:
    return [*(name for name in TASKS if name in members[0]["losses"]), TOTAL]


def _kept(members: Sequence[Stored], name: str) -> Any:
    return np.array([retained(each["losses"][name]) for each in members])


def _blind(members: Sequence[Stored], name: str) -> Any:
    """What a TBS that knows nothing of the image would retain: percent, for each model."""
    return np.array([100 * np.mean(each["losses"][name][0]) / each["strangers"][name] for each in members])


def _mean_losses(members: Sequence[Stored], name: str) -> list[float]:
    over_ratios = np.mean([each["losses"][name] for each in members], axis=(0, 2))
    return [*map(float, over_ratios), float(np.mean([each["strangers"][name] for each in members]))]


def _tbs_notes(members: Sequence[Stored]) -> tuple[str, ...]:
    first = members[0]
    noise = max(float(np.std(row, ddof=1) / np.mean(row)) for each in members for row in each["losses"][TOTAL])
    least = {name: float(_kept(members, name).mean(axis=0).min()) for name in _names(members)}
    worst = min((name for name in least if name != TOTAL), key=lambda name: least[name])
    return (
        f"Trained at mask ratio {first['trained_ratio']:g}; {first['images']} {first['split']} images of "
        f"{first['source']}; {len(first['noise_seeds'])} noise seeds, whose largest spread (sd / mean of the total "
        f"loss) is {100 * noise:.1f} %.",
        f"Least retained: {least[TOTAL]:.1f} % of the total, {least[worst]:.1f} % of {worst}; with another image's "
        f"latents, which say nothing, {np.mean(_blind(members, TOTAL)):.1f} % of the total. Only what lies between "
        "that and 100 % can be lost to a mask.",
        f"Mean ± sample sd over {len(members)} source models." if len(members) > 1 else "One source model.",
    )


def _tbs_rows(each: Stored) -> list[dict[str, Any]]:
    fixed = {key: each[key] for key in ("source", "method", "training", "seed", "split", "images", "trained_ratio")}
    return [
        {**fixed, "task": name, "ratio": ratio, "noise_seed": seed, "loss": loss, "retained_percent": kept}
        for name, losses in each["losses"].items()
        for ratio, by_seed, kept in zip(each["ratios"], losses, retained(losses), strict=True)
        for seed, loss in zip(each["noise_seeds"], by_seed, strict=True)
    ]


def spread(values: Any, digits: int, signed: bool = False) -> str:
    """``mean ± sample sd``, or the value alone."""
    sample = np.asarray(values, dtype=np.float64)
    mean = f"{sample.mean():+.{digits}f}" if signed else f"{sample.mean():.{digits}f}"
    return f"{mean} ± {sample.std(ddof=1):.{digits}f}" if sample.size > 1 else mean
