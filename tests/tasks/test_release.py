"""The S4T release's oddities are what they are said to be."""

from __future__ import annotations

import math

import pytest
import torch

from ttt_bench.tasks.release import automatic_weighting, taskonomy_l1, taskonomy_normal


def test_the_taskonomy_normal_loss_looks_along_the_width():
    label = torch.randn(1, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    assert float(taskonomy_normal(3 * label, label)) == pytest.approx(0, abs=1e-5)
    scaled = label * torch.tensor([1.0, 5.0, 0.2]).view(1, 3, 1, 1)
    assert float(taskonomy_normal(scaled, label)) == pytest.approx(0, abs=1e-5), "channels are free of each other"
    rows = label * torch.tensor([1.0, 2, 3, 4, 5])
    assert float(taskonomy_normal(rows, label)) > 0.05, "columns are not"


def test_the_taskonomy_l1_masks_nothing():
    assert float(taskonomy_l1(torch.zeros(1, 1, 1, 2), torch.tensor([1.0, 255]).view(1, 1, 1, 2))) == 128


def test_automatic_weighting_by_hand():
    total = automatic_weighting([torch.tensor(4.0), torch.tensor(1.0)], torch.tensor([1.0, 2.0]))
    assert float(total) == pytest.approx(0.5 * 4 + math.log(2) + 0.125 + math.log(5))
