"""What each column of the data frames and of ``tables/*.csv`` means."""

from __future__ import annotations

CELL_COLUMNS = {
    "cell_id": "identity of the cell, the name of its file",
    "pair": "source->target",
    "method": "name of the method",
    "options": "its options, as canonical JSON",
    "choice": "of tuned: settings chosen, strategy, and every trial with its score, as canonical JSON",
    "settings": "every other setting of the cell, as canonical JSON",
    "protocol": "online, episodic or single",
    "stream": "how the target arrives: iid, correlated, continual, gradual or mixed",
    "recipe": "whose optimiser settings",
    "training": "shared or joint source training",
    "size": "image size, as in the cell",
    "seed": "seed of the run",
    "n_batches": "target batches scored",
    "collapsed": "whether the method collapsed anywhere in this run; such runs are in no mean",
    "collapsed_step": "first step at which it did, missing otherwise",
    "base_cell_id": "the un-adapted run that gain and delta are relative to",
    "base_hash": "identifies the baseline numbers behind delta",
    "git_sha": "commit of the code that ran the cell",
    "torch_version": "torch that ran it",
    "device": "device that ran it",
    "source_fingerprint": "of the source domain's data",
    "target_fingerprint": "of the target domain's data",
    "checkpoint": "identity of the source checkpoint",
}
TRAJECTORY_COLUMNS = {
    **CELL_COLUMNS,
    "step": "updates done; in online, on this batch, after all updates of the batches before it",
    "spent": "forwards + 2 x backwards of the updates up to this step, per adapted image, in forwards of it",
    "task": "name of the task",
    "metric": "metric id, naming the estimator",
    "value": "over the whole target set; fractions, metres and degrees",
    "base_value": "the same metric of the un-adapted base on the same images and seed",
    "gain": "percent, oriented so that more is better: 100 x (value - base) / |base|",
    "in_delta": "whether this metric is its task's one in delta",
    "delta": "percent: mean of the gains over the tasks, at this step (repeated over tasks and metrics)",
}
STREAM_COLUMNS = {
    **CELL_COLUMNS,
    "batch": "position in the target stream, from 0",
    "segment": "place and name of the segment of the stream that the batch is of; missing in a stream without",
    "end": "first or last recorded step",
    "step": "that step",
    "task": "name of the task",
    "metric": "metric id, naming the estimator",
    "value": "of this batch alone (an mIoU of one batch counts absent classes as 0)",
    "base_value": "the same metric of the un-adapted base on the same batch",
    "gain": "percent over the base on the same batch",
    "in_delta": "whether this metric is its task's one in delta",
    "delta": "percent: mean of the gains over the tasks, on this batch at this step",
}
SUMMARY_COLUMNS = {
    "pair, protocol, recipe, training, size": "the table",
    "label, method": "the row; the label adds options where several rows share a method",
    "n": "runs in each mean",
    "collapsed, collapsed_steps": "how many runs collapsed, and at which step each",
    "<selection>/<metric id>_mean, _sd": "at last, fixed, label_free or best (oracle); SI units or fractions",
    "<selection>/delta_mean, _sd": "percent over base",
    "<selection>/delta_bn_mean, _sd": "delta minus the bn control's, same seed and selection",
    "last/delta_low, _high, last/delta_bn_low, _high": "95 % interval of the paired block bootstrap",
    "p_holm": "of no difference from bn in Delta at the last step, adjusted for the methods of the table",
    "seeds_needed": "for 80 % power at the observed difference from bn; missing under three seeds",
    "tied": "whether the row is the table's best in Delta at the last step, or cannot be told from it at 5 %",
    "<selection>/step_mean, _sd": "the step selected",
    "sv, sv_plateau, dtw, dtw_per_step, dtw_percent, cs (_mean, _sd)": "in step: per run, then over runs",
    "range/<task>_mean, _sd": "percent: range of the task's gain over the steps",
    "cost/seconds, cost/relative (_mean, _sd)": "median seconds of an update; over base's evaluation forward",
    "cost/forwards, cost/backwards (_mean, _sd)": "per update, in batches",
    "cost/spent (_mean, _sd)": "forwards + 2 x backwards up to the last step, per adapted image, in forwards of it",
    "cost/latency (_mean, _sd)": "seconds per image: the updates up to the last step and one prediction",
    "cost/memory, cost/parameters, cost/updated (_mean, _sd)": "bytes, and numbers of parameters",
}


def columns_text() -> str:
    """What each column means, as Markdown."""
    lines = ["# Columns", ""]
    for name, columns in (
        ("trajectories.parquet", TRAJECTORY_COLUMNS),
        ("stream.parquet", STREAM_COLUMNS),
        ("tables/*.csv", SUMMARY_COLUMNS),
    ):
        lines += [f"## `{name}`", "", "| column | meaning |", "|:--|:--|"]
        lines += [f"| `{column}` | {meaning} |" for column, meaning in columns.items()] + [""]
    return "\n".join(lines)
