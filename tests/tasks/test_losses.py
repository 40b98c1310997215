"""The source losses by hand, and where they differ from the release's oddities."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from ttt_bench.tasks import get_task
from ttt_bench.tasks.supervision import task_losses, weighted_sum
from ttt_bench.tasks.tensors import masked_l1

semseg_loss, normal_loss, edge_loss = (get_task(name).loss for name in ("semseg", "normal", "edge"))
CHANNELS = {"semseg": 4, "depth": 1, "normal": 3, "edge": 1}


def example(seed=0, size=(2, 5, 6)):
    rng = torch.Generator().manual_seed(seed)
    b, h, w = size
    predictions = {t: torch.randn((b, c, h, w), generator=rng, requires_grad=True) for t, c in CHANNELS.items()}
    labels = {
        "semseg": torch.randint(0, 4, (b, h, w), generator=rng),
        "depth": torch.rand((b, 1, h, w), generator=rng),
        "normal": F.normalize(torch.randn((b, 3, h, w), generator=rng), dim=1),
        "edge": (torch.rand((b, 1, h, w), generator=rng) < 0.3).float(),
    }
    return predictions, labels


def test_semseg_is_the_mean_cross_entropy_of_valid_pixels():
    logits = torch.tensor([[0.0, 3.0], [0.0, 0.0]]).view(1, 2, 1, 2)
    assert float(semseg_loss(logits, torch.tensor([[[0, 255]]]))) == pytest.approx(math.log(2))
    both = math.log(2) + math.log(1 + math.exp(-3))
    assert float(semseg_loss(logits, torch.tensor([[[0, 0]]]))) == pytest.approx(both / 2)


def test_l1_sums_channels_and_divides_by_pixels():
    prediction = torch.tensor([1.0, 2, 3, 10, 10, 10]).view(1, 2, 3, 1).permute(0, 2, 1, 3)
    label = torch.zeros_like(prediction)
    assert float(masked_l1(prediction, label)) == (6 + 30) / 2
    label[0, 1, 1] = 255
    assert float(masked_l1(prediction, label)) == 6


def test_normals_are_normalised_and_depth_is_not():
    prediction = torch.tensor([0.0, 0, 7]).view(1, 3, 1, 1)
    assert float(normal_loss(prediction, torch.tensor([0.0, 0, 1]).view(1, 3, 1, 1))) == 0
    assert float(normal_loss(prediction, torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1))) == 2
    assert float(task_losses({"depth": prediction[:, 2:]}, {"depth": torch.ones(1, 1, 1, 1)})["depth"]) == 6


def test_edges_weigh_positives_nineteen_times_as_much():
    zero = torch.zeros(1, 1, 1, 2)
    positive = float(edge_loss(zero[..., :1], torch.ones(1, 1, 1, 1)))
    negative = float(edge_loss(zero[..., :1], torch.zeros(1, 1, 1, 1)))
    assert positive == pytest.approx(0.95 * math.log(2))
    assert positive == pytest.approx(19 * negative)
    assert float(edge_loss(zero, torch.tensor([1.0, 255]).view(1, 1, 1, 2))) == pytest.approx(positive)


def test_extreme_edge_logits_stay_finite():
    logits = torch.tensor([1e4, -1e4]).view(1, 1, 1, 2).requires_grad_()
    loss = edge_loss(logits, torch.tensor([0.0, 1.0]).view(1, 1, 1, 2))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


def test_nothing_valid_is_zero_with_a_graph():
    predictions, labels = example()
    losses = task_losses(predictions, {t: torch.full_like(label, 255) for t, label in labels.items()})
    weighted_sum(losses).backward()
    for task, loss in losses.items():
        assert loss == 0
        assert (predictions[task].grad == 0).all()


def test_weights_are_those_of_the_release():
    ones = {task: torch.tensor(1.0) for task in CHANNELS}
    assert {name: get_task(name).weight for name in CHANNELS} == {"semseg": 1, "depth": 1, "normal": 10, "edge": 50}
    assert float(weighted_sum(ones)) == 62
    assert float(weighted_sum({"edge": torch.tensor(2.0)}, {"edge": 3.0})) == 6


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 999), st.sampled_from(sorted(CHANNELS)))
def test_invalid_pixels_have_no_influence(seed, task):
    predictions, labels = example(seed)
    hidden = torch.rand((2, 5, 6), generator=torch.Generator().manual_seed(seed)) < 0.4
    label = labels[task].clone()
    where = hidden if task == "semseg" else hidden.unsqueeze(1).expand_as(label)
    label[where] = 255
    prediction = predictions[task].detach().requires_grad_()
    loss = task_losses({task: prediction}, {task: label})[task]
    loss.backward()
    assert (prediction.grad[hidden.unsqueeze(1).expand_as(prediction)] == 0).all()
    other = torch.where(hidden.unsqueeze(1), 5.0, prediction.detach())
    torch.testing.assert_close(task_losses({task: other}, {task: label})[task], loss.detach())
