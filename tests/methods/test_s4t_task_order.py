"""S4T: the order in which its release reads the tasks."""

from __future__ import annotations

import copy
import json

import pytest
import torch
from parity_adapters.plugin import plugin
from tent_family import (
    build_model,
    images,
    rng,
    small_network,
    source_batch,
)
from tiny_sweep import SHARED

from ttt_bench.method.registry import create

TASK_NAMES = ("semseg", "depth", "normal", "edge")


@pytest.fixture(scope="module")
def network():
    return small_network()


def labelled_outputs(widths):
    """Outputs whose channels hold the number of their task, so that it shows who reads what."""
    return {task: torch.full((1, widths[task], 1, 1), float(TASK_NAMES.index(task))) for task in widths}


def readers(order, widths):
    """Task that reads -> the tasks that wrote its channels."""
    module = plugin("s4t")
    read = module.read_by_place(labelled_outputs(widths), *module.ORDERS[order])
    return {task: [TASK_NAMES[int(channel)] for channel in maps.flatten()] for task, maps in read.items()}


def test_outputs_are_read_by_place_as_worked_out_by_hand():
    widths = {"semseg": 4, "depth": 1, "normal": 3, "edge": 1}
    assert readers("from-taskonomy", widths) == {
        "semseg": ["depth", "edge", "normal", "normal"], "depth": ["normal"],
        "normal": ["semseg", "semseg", "semseg"], "edge": ["semseg"],
    }  # fmt: skip
    assert readers("to-taskonomy", widths) == {
        "depth": ["semseg"], "edge": ["semseg"], "normal": ["semseg", "semseg", "depth"],
        "semseg": ["normal", "normal", "normal", "edge"],
    }  # fmt: skip
    assert readers("by-name", widths) == {task: [task] * width for task, width in widths.items()}


@pytest.mark.parametrize("pair", ["taskonomy_nyud", "nyud_taskonomy", "pascal_taskonomy"])
def test_outputs_are_read_as_the_release_reads_them(pair):
    file = SHARED / "reference/s4t/structure.json"
    if not file.exists():
        pytest.skip(f"{file} is not here")
    info = json.loads(file.read_text(encoding="utf-8"))["info"]
    [published] = [
        value
        for key, value in info["tbs_output_channels_read_after_released_checkpoint_transfer"].items()
        if key.startswith(pair)
    ]
    ours = {
        "depth_zbuffer": "depth", "edge_occlusion": "edge", "segment_semantic": "semseg", "normals": "normal",
        "normal": "normal", "semseg": "semseg", "depth": "depth", "edge": "edge",
    }  # fmt: skip
    want = {ours[task]: [ours[name] for name in names] for task, names in published.items()}
    widths = {task: len(names) for task, names in want.items()}
    order = "from-taskonomy" if pair.startswith("taskonomy") else "to-taskonomy"
    assert readers(order, widths) == want


@torch.no_grad()
@pytest.mark.parametrize("order", ["from-taskonomy", "to-taskonomy"])
def test_a_scrambled_order_changes_who_is_compared_and_nothing_at_source_time(network, order):
    data = images(2)
    plain, scrambled = create("s4t"), create("s4t", {"task_order": order})
    model = build_model(plain, network)
    mask = plain.draw_mask(model, data, rng(3))
    before, after = (method.errors(model, data, mask) for method in (plain, scrambled))
    assert before.keys() == after.keys()
    assert all(not torch.equal(before[task], after[task]) for task in TASK_NAMES)
    size = tuple(data.shape[-2:])
    features = model.network.features(data)
    main = model.network.predict(features, size)
    tbs = model.aux.reconstruct(model.aux.slices(features, size), mask, plain.square(size), size)
    read = plugin("s4t").read_by_place(tbs, *plugin("s4t").ORDERS[order])
    for task in TASK_NAMES:
        torch.testing.assert_close(after[task], (read[task] - main[task]).abs().sum(1).mean())
    batch = source_batch(copy.deepcopy(network))
    losses = [m.source_loss(build_model(m, network), batch, rng()) for m in (plain, scrambled)]
    assert torch.equal(*losses)
