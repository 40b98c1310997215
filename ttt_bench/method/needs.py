"""Whether a method can work on a pair: its ``Needs`` against kinds of tasks and sizes of batches. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ttt_bench.method.card import Needs
from ttt_bench.method.options import with_settings
from ttt_bench.tasks import get_task


def unmet(
    needs: Needs,
    options: Mapping[str, Any],
    tasks: Sequence[str],
    batch: int | None = None,
    smallest: tuple[int, int] | None = None,
) -> str:
    """What of ``needs`` is not met, in words that follow "NAME needs"; nothing where all is.

    Args:
        needs: the method's.
        options: its own options.
        tasks: names of the tasks that the network predicts.
        batch: images of the smallest batch that it adapts on; None: not asked.
        smallest: (h, w) of the smallest maps that batch norm sees; None: not asked.
    """
    if batch is not None and smallest is not None and batch * smallest[0] * smallest[1] < needs.values:
        maps = "x".join(map(str, smallest))
        return (
            f"at least {needs.values} values per channel for batch norm: the smallest maps are {maps} here and the "
            f"smallest batch has {batch} image{'s' * (batch > 1)}"
        )
    if needs.unless and all(options.get(key) == value for key, value in needs.unless.items()):
        return ""
    known = [get_task(task) for task in tasks]
    said = ", ".join(tasks)
    missing = [task for task in needs.tasks if task not in tasks]
    if missing:
        return f"the task {missing[0]}; this pair has {said}"
    if needs.output and all(task.output != needs.output for task in known):
        return f"a task that predicts {_OUTPUTS[needs.output]}; this pair has {said}"
    if needs.extent and any(task.extent != needs.extent for task in known):
        return f"predictions per {_EXTENTS[needs.extent]}; this pair has {said}"
    if batch is not None and batch < needs.batch:
        return f"batches of at least {needs.batch} images; the smallest one here has {batch}"
    return ""


def way_out(needs: Needs, name: str) -> str:
    """What to do where the method ``name`` misses something, as a hint."""
    other = f", or use {with_settings(name, needs.unless)}." if needs.unless else "."
    return f"Change that, leave {name} out of --methods{other}"


_OUTPUTS = {
    "classes": "classes",
    "scalar": "a number",
    "direction": "a direction",
    "probability": "a probability",
}
_EXTENTS = {"map": "pixel", "image": "image"}
