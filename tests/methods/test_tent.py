from __future__ import annotations

import pytest
import torch
from tent_family import build_adapter, check_run, images, moved_names, small_network, state_of

from ttt_bench.errors import UserError
from ttt_bench.method.contract import norm_affine
from ttt_bench.toolbox.outputs import entropy, mean_entropy


@pytest.fixture(scope="module")
def network():
    return small_network()


@pytest.mark.parametrize("recipe", ["native", "paper"])
def test_five_ragged_updates_and_reset(network, recipe):
    check_run(build_adapter("tent", network, recipe))


def test_only_norm_affine_moves_and_no_running_statistics_remain(network):
    adapter = build_adapter("tent", network)
    before = state_of(adapter)
    adapter.update(images(4))
    affine = {id(p) for p in norm_affine(adapter.model.network)}
    expected = {n for n, p in adapter.model.named_parameters() if id(p) in affine}
    assert moved_names(adapter, before) <= expected
    assert len(moved_names(adapter, before)) > len(expected) / 2
    assert not any("running" in name for name in before)


def test_loss_is_the_mean_pixel_entropy_of_segmentation(network):
    adapter = build_adapter("tent", network)
    data = images(2)
    p = adapter.predict(data)["semseg"].double().softmax(1)
    want = -(p * p.log()).sum(1).mean()
    assert float(adapter.update(data)) == pytest.approx(float(want), rel=1e-5)


def test_predictions_depend_on_the_rest_of_the_batch(network):
    adapter = build_adapter("tent", network)
    data = images(4)
    assert not torch.allclose(adapter.predict(data)["depth"][:1], adapter.predict(data[:1])["depth"], atol=1e-3)


def test_entropy_of_uniform_and_of_certain_logits():
    assert entropy(torch.zeros(1, 5, 2, 2)).allclose(torch.full((1, 2, 2), 5.0).log())
    assert entropy(torch.tensor([[1e4, 0.0, -1e4]])).item() == 0.0


def test_any_task_of_classes_counts_():
    rng = torch.Generator().manual_seed(0)
    maps, other = (torch.randn(2, 4, 3, 3, generator=rng) for _ in range(2))
    assert torch.equal(mean_entropy({"depth": other[:, :1], "semseg": maps}), entropy(maps).mean())


def test_refuses_a_network_without_segmentation():
    with pytest.raises(UserError, match="predicts classes") as caught:
        build_adapter("tent", small_network({"depth": 1, "normal": 3, "edge": 1}))
    assert "--methods" in caught.value.hint


def test_three_tasks_with_segmentation():
    check_run(build_adapter("tent", small_network({"semseg": 6, "normal": 3, "edge": 1})), sizes=(2, 1))


def test_the_published_answer_is_the_one_before_the_update(network):
    """With answer=before, step k shows what step k - 1 shows else; the updates are the same ones."""
    after, before = (build_adapter("tent", network, **options) for options in ({}, {"answer": "before"}))
    data, shown = images(4), []
    for step in range(3):
        shown.append(after.predict(data)["semseg"])
        torch.testing.assert_close(before.predict(data)["semseg"], shown[max(step - 1, 0)])
        assert float(after.update(data)) == float(before.update(data))
    assert not torch.equal(shown[1], shown[2])
    before.reset()
    torch.testing.assert_close(before.predict(data)["semseg"], shown[0])
