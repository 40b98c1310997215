"""The three protocols. "Step k" always means after k updates.

``online``: each batch is scored at steps 0..S and the weights carry on, so step 0 of batch b already follows all
updates of the batches before it. ``episodic``: the same with a reset before each batch. ``single``: the released
S4T loop: adapt on the first batch only, score the whole target at the chosen steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.adaptation.recording import Recorder, Recording
from ttt_bench.adaptation.savepoint import Savepoint
from ttt_bench.adaptation.signals import Signals
from ttt_bench.adaptation.stream import Evaluator, TargetStream

Protocol = Literal["online", "episodic", "single"]
PROTOCOLS: tuple[Protocol, ...] = ("online", "episodic", "single")
OnStep = Callable[[int, int], None]
"""Called with (updates done, updates in all)."""


def run_protocol(
    protocol: Protocol,
    adapter: Adapter,
    stream: TargetStream,
    evaluator: Evaluator,
    steps: int,
    eval_steps: Sequence[int],
    on_step: OnStep | None = None,
    savepoint: Savepoint | None = None,
    signals: Signals | None = None,
) -> Recording:
    """Adapt ``adapter`` over ``stream`` as ``protocol`` says and record it.

    Args:
        protocol: how data arrives and when weights are reset.
        adapter: freshly made.
        stream: target images.
        evaluator: the labels of the same images.
        steps: updates per adapted batch.
        eval_steps: the steps at which to score, ascending, within 0..steps.
        on_step: told about every update.
        savepoint: where the run saves itself now and then, and goes on from if it finds an earlier run's save.
        signals: what is recorded of predictions without a label; None: nothing.

    Raises:
        UserError: the method does not predict what the network does.
    """
    if not adapter.method.adapts:
        return _run_static(adapter, stream, evaluator, steps, eval_steps, signals)
    if protocol == "single":
        return _run_single(adapter, stream, evaluator, steps, eval_steps, on_step, savepoint, signals)
    return _run_batches(protocol, adapter, stream, evaluator, steps, eval_steps, on_step, savepoint, signals)


def _run_static(
    adapter: Adapter,
    stream: TargetStream,
    evaluator: Evaluator,
    steps: int,
    eval_steps: Sequence[int],
    signals: Signals | None,
) -> Recording:
    recorder = Recorder(len(stream), len(stream), steps, eval_steps, signals)
    for index, images in enumerate(stream.images):
        recorder.evaluate(adapter, evaluator, index, 0, images)
        recorder.repeat(index)
    recorder.settle()
    recorder.seconds[:], recorder.forwards[:], recorder.backwards[:] = 0.0, 0.0, 0.0
    return recorder.finish()


def _run_batches(
    protocol: Protocol,
    adapter: Adapter,
    stream: TargetStream,
    evaluator: Evaluator,
    steps: int,
    eval_steps: Sequence[int],
    on_step: OnStep | None,
    savepoint: Savepoint | None,
    signals: Signals | None,
) -> Recording:
    recorder = Recorder(len(stream), len(stream), steps, eval_steps, signals)
    columns = {step: column for column, step in enumerate(eval_steps)}
    first, position = savepoint.load(adapter, recorder) if savepoint else (0, 0)
    for index in range(first, len(stream)):
        images = stream.images[index]
        if protocol == "episodic" and position == 0:
            adapter.reset()
        for step in range(position, steps + 1):
            if step in columns:
                recorder.evaluate(adapter, evaluator, index, columns[step], images)
            if step < steps:
                recorder.update(adapter, index, step, images)
                if savepoint is not None:
                    savepoint.offer(adapter, recorder, index, step + 1)
                if on_step is not None:
                    on_step(index * steps + step + 1, len(stream) * steps)
        position = 0
        if not recorder.settle():
            break
    return recorder.finish()


def _run_single(
    adapter: Adapter,
    stream: TargetStream,
    evaluator: Evaluator,
    steps: int,
    eval_steps: Sequence[int],
    on_step: OnStep | None,
    savepoint: Savepoint | None,
    signals: Signals | None,
) -> Recording:
    recorder = Recorder(1, len(stream), steps, eval_steps, signals)
    columns = {step: column for column, step in enumerate(eval_steps)}
    _, position = savepoint.load(adapter, recorder) if savepoint else (0, 0)
    for step in range(position, steps + 1):
        if step in columns:
            for index, images in enumerate(stream.images):
                recorder.evaluate(adapter, evaluator, index, columns[step], images)
            if not recorder.settle():
                break
        if step < steps:
            recorder.update(adapter, 0, step, stream.images[0])
            if savepoint is not None:
                savepoint.offer(adapter, recorder, 0, step + 1)
            if on_step is not None:
                on_step(step + 1, steps)
    recorder.settle()
    return recorder.finish()
