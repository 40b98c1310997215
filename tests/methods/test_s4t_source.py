"""S4T at source time: its branch trains, and which options shape it."""

from __future__ import annotations

import copy

import pytest
from tent_family import (
    build_model,
    check_branch_trains,
    rng,
    small_network,
    source_batch,
)

from ttt_bench.method.registry import create, find


@pytest.fixture(scope="module")
def network():
    return small_network()


@pytest.mark.parametrize(
    "options",
    [{}, {"projection": False}, {"reconstruct_image": True}, {"reconstruct_image": True, "projection": False}],
)
def test_the_branch_trains(options):
    check_branch_trains("s4t", steps=4, source_weight=1.0, **options)


def test_the_source_loss_scales_with_its_weight(network):
    batch = source_batch(copy.deepcopy(network))
    losses = []
    for weight in (0.01, 1.0):
        method = create("s4t", {"source_weight": weight})
        losses.append(float(method.source_loss(build_model(method, network), batch, rng()).detach()))
    assert losses[1] == pytest.approx(100 * losses[0], rel=1e-5)


def test_options_that_shape_the_branch_enter_its_identity():
    info = find("s4t")
    assert set(info.options) - set(info.source_options) == {"loss_weight", "task_weights", "task_order"}
