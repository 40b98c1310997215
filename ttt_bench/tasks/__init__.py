"""The four dense tasks: channels, source losses, sufficient statistics and metrics."""

from ttt_bench.tasks.contract import IGNORE, TASKS, Metric, Task, get_task, metric_by_id, parse_tasks

__all__ = ["IGNORE", "TASKS", "Metric", "Task", "get_task", "metric_by_id", "parse_tasks"]
