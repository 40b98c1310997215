"""What is predicted, one file each: channels, source loss, sufficient statistics, metrics, pictures."""

from ttt_bench.tasks.catalogue import TASKS, get_task, metric_by_id, of_kind, only_images, parse_tasks, track_tasks
from ttt_bench.tasks.contract import IGNORE, Metric, Task

__all__ = [
    "IGNORE", "TASKS", "Metric", "Task", "get_task", "metric_by_id", "of_kind", "only_images", "parse_tasks",
    "track_tasks",
]  # fmt: skip
