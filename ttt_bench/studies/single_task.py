"""One network per task against one for all (Table 8)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ttt_bench.plan.sweep import SweepConfig
from ttt_bench.studies.contract import Stored, Study
from ttt_bench.studies.parts import Part, Request, part_of, refuse_nothing

if TYPE_CHECKING:
    from ttt_bench.report.figures.canvas import Sketch
    from ttt_bench.report.groups import Group
    from ttt_bench.studies.page import Outcome

MULTI = "multi"
"""Key of the part with all tasks."""


class SingleTask(Study):
    """The sweep with all tasks, and again with each task alone."""

    name, place = "single-task", 5
    brief = "One network per task against one for all."
    title, paper = "One task at a time", "Table 8"
    question = "Does S4T gain from having several tasks, or would one do?"
    printed = (
        "single 56.56 mIoU, 1.065, 47.32, .1444 / 43.28, 46.91, .1185 against multi 59.37, 1.052, 45.33, .1441 / "
        "45.42, 41.41, .1183 (no Δ printed; it would be +31.35 / +28.63 against +34.94 / +34.20)"
    )
    notes = (
        "Each task has a network, a slice and a TBS of its own, trained and adapted alone; only its own "
        "metric is read from it.",
        "A single-task network is another network with another `base`. Δ is against the `base` of the same "
        "network; Δ, multi base is against the multi-task `base`, the only one that the paper prints.",
    )

    def parts(self, config: SweepConfig, request: Request) -> tuple[Part, ...]:
        """All tasks together, and each on the pairs that have it."""
        refuse_nothing(self.name, config)
        joint = part_of(MULTI, config, request)
        tasks = {cell.pair: cell.source.tasks for cell in joint.plan.cells}
        parts = [joint]
        for task in dict.fromkeys(task for shared in tasks.values() for task in shared):
            pairs = tuple(pair for pair, shared in tasks.items() if task in shared)
            parts.append(part_of(task, replace(joint.plan.config, pairs=pairs, tasks=(task,)), request))
        return tuple(parts)

    def groups(self, stored: Stored) -> list[Group]:
        """Two rows per method."""
        from ttt_bench.studies.results import beside_multi

        results = stored.results
        multi = next(part for part in results if part.key == MULTI)
        return beside_multi(multi, {part.key: part for part in results if part is not multi})

    def outcome(self, stored: Stored) -> Outcome:
        """One table per pair, without gains: they are against two kinds of ``base``."""
        from ttt_bench.report.frames import summary_frame
        from ttt_bench.studies.page import Outcome
        from ttt_bench.studies.tables import single_task_table

        groups = self.groups(stored)
        return Outcome(tuple(single_task_table(group) for group in groups), summary_frame(groups))

    def draw(self, title: str, stored: Stored) -> Sketch:
        """Single and multi side by side."""
        from ttt_bench.report.figures.canvas import cells_of
        from ttt_bench.studies.figures.variants import draw_single_tasks

        # A row of single tasks stands for the cells of all of them.
        cells = cells_of([group for part in stored.results for group in part.groups])
        return replace(draw_single_tasks(title, self.groups(stored)), cells=cells)


STUDY = SingleTask()
