"""A thread beside a training's own, for what its step need not wait for. Nothing computed here depends on it.

One thread computes a training, since another number of threads gives other last digits; a sweep's first training
would so leave all other processors idle. What is moved to them keeps every operation whole, on one thread: the
gradients of convolutions' weights, which nothing needs before the optimiser's step, and the images of the next
iteration. Whoever comes first does a job, so an idle processor changes when it is done, and nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

T = TypeVar("T")


class Job(Generic[T]):
    """Something to compute once, by the thread that comes first."""

    def __init__(self, compute: Callable[[], T]) -> None:
        self._compute: Callable[[], T] | None = compute
        self._taken = threading.Lock()
        self._over = threading.Event()
        self._value: T | None = None
        self._error: BaseException | None = None

    def attempt(self) -> None:
        """Compute it, unless somebody has begun to."""
        if self._taken.acquire(blocking=False):
            self._run()

    def _run(self) -> None:
        assert self._compute is not None
        try:
            self._value = self._compute()
        except BaseException as error:  # raised where the result is asked for
            self._error = error
        finally:
            self._compute = None  # and with it the tensors it holds
            self._over.set()

    def result(self) -> T:
        """What it gives, computed here if nobody has begun to; an error of it is raised."""
        self.attempt()
        self._over.wait()
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]


class Beside:
    """The thread; a context manager. Without an idle processor it is given nothing."""

    def __init__(self, idle: Callable[[], bool]) -> None:
        """``idle`` says whether a processor has nothing to do just now."""
        self.idle = idle
        self._jobs: SimpleQueue[Job[Any] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._serve, args=(torch.get_num_threads(),), daemon=True)

    def __enter__(self) -> Beside:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._jobs.put(None)
        self._thread.join()

    def offer(self, compute: Callable[[], T]) -> Job[T]:
        """A job that the thread does before its result is asked for, or else is done here and now."""
        job = Job(compute)
        if self.idle():
            self._jobs.put(job)
        else:
            job.attempt()  # put off, its tensors would have left the processor's cache: 10 % of a step's time
        return job

    def _serve(self, threads: int) -> None:
        torch.set_num_threads(threads)  # of this thread; the sums of each operation depend on it
        with torch.no_grad():
            while (job := self._jobs.get()) is not None:
                job.attempt()


class WeightGradients:
    """The gradients of one step's convolution weights, computed beside the rest of its backward pass."""

    def __init__(self, beside: Beside) -> None:
        self._beside = beside
        self._pending: list[tuple[Tensor, Job[Tensor]]] = []

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Forwards in here leave the gradients of their convolutions' weights to ``settle``."""
        with _Convolutions(self):
            yield

    def owe(self, weight: Tensor, compute: Callable[[], Tensor]) -> None:
        """Let ``weight`` have the gradient that ``compute`` gives, once settled."""
        self._pending.append((weight, self._beside.offer(compute)))

    def settle(self) -> None:
        """After the backward pass: add up what is owed, in the order in which autograd would have."""
        for _, job in reversed(self._pending):  # the thread comes from the other end
            job.attempt()
        for weight, job in self._pending:
            gradient = job.result()
            weight.grad = gradient if weight.grad is None else weight.grad + gradient
        self._pending.clear()


class _Convolutions(TorchFunctionMode):
    """Takes over every 2-D convolution by a parameter that learns; all else runs as it is."""

    def __init__(self, gradients: WeightGradients) -> None:
        super().__init__()
        self._gradients = gradients

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is torch.conv2d and not kwargs and len(args) == 7 and _learns(args[1]) and not isinstance(args[4], str):
            return _Convolution.apply(self._gradients, *args)
        return func(*args, **(kwargs or {}))


def _learns(weight: Tensor) -> bool:
    return weight.is_leaf and weight.requires_grad and torch.is_grad_enabled()


class _Convolution(torch.autograd.Function):
    """``F.conv2d`` whose weight gets its gradient from ``WeightGradients.settle``."""

    @staticmethod
    def forward(
        ctx: Any, gradients: WeightGradients, maps: Tensor, weight: Tensor, bias: Tensor | None,
        stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int], groups: int,
    ) -> Tensor:  # fmt: skip
        ctx.save_for_backward(maps, weight)
        ctx.gradients, ctx.weight = gradients, weight
        ctx.settings = (None if bias is None else list(bias.shape), stride, padding, dilation, False, (0, 0), groups)
        return F.conv2d(maps, weight, bias, stride, padding, dilation, groups)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        maps, weight = ctx.saved_tensors
        settings = ctx.settings

        def part(*wanted: bool) -> tuple[Tensor, Tensor, Tensor]:
            found: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
                gradient, maps, weight, *settings, wanted
            )
            return found

        ctx.gradients.owe(ctx.weight, lambda: part(False, True, False)[1])
        below, with_bias = ctx.needs_input_grad[1], ctx.needs_input_grad[3]
        to_maps, _, to_bias = part(below, False, with_bias) if below or with_bias else (None, None, None)
        return None, to_maps, None, to_bias, None, None, None, None
