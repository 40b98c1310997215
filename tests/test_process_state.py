"""What a process shares: torch's own wrapping of optimisers is nobody's fault, a patched step is."""

import inspect

import pytest
import torch

from ttt_bench.process_state import ProcessState


@pytest.fixture
def unused_adamw(monkeypatch):
    """As in a process in which neither Adam nor AdamW, which inherits its step, was ever made."""
    monkeypatch.setattr(torch.optim.Adam, "step", inspect.unwrap(torch.optim.Adam.step))
    if "step" in vars(torch.optim.AdamW):
        monkeypatch.delattr(torch.optim.AdamW, "step")
    return torch.optim.AdamW


def test_the_first_use_of_an_optimiser_that_inherits_its_step_is_blamed_on_nobody(unused_adamw):
    before = ProcessState.now()
    unused_adamw([torch.nn.Parameter(torch.zeros(2))])
    assert "step" in vars(unused_adamw), "torch wraps it at first use"
    try:
        assert before.restore() == []
    finally:
        del unused_adamw.step


def test_a_step_of_somebody_else_s_is_put_back(unused_adamw):
    before = ProcessState.now()
    unused_adamw.step = lambda self, closure=None: None
    assert before.restore() == ["torch.optim.adamw.AdamW.step"]
    assert "step" not in vars(unused_adamw)
