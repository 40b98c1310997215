"""How a source training weighs and masks: the default is unchanged, the release's is the release's."""

import numpy as np
import pytest
import torch
from tiny_sweep import REPOSITORY

from ttt_bench.errors import UserError
from ttt_bench.synthetic import random_labels
from ttt_bench.tasks import TASKS, track_tasks
from ttt_bench.tasks.release import TASKONOMY_LOSSES, automatic_weighting
from ttt_bench.tasks.supervision import Supervision, task_losses, weighted_sum

NAMES = track_tasks("dense")
CHANNELS = {"semseg": 5, "depth": 1, "normal": 3, "edge": 1}


def outputs(seed):
    generator = torch.Generator().manual_seed(seed)
    return {t: torch.randn(2, CHANNELS[t], 12, 16, generator=generator) for t in NAMES}


LABELS = random_labels(NAMES, 2, (12, 16), 0)


def test_by_default_the_weights_are_fixed_and_nothing_is_learned():
    supervision = Supervision(NAMES)
    assert list(supervision.parameters()) == []
    assert supervision.penalty() is None
    assert torch.equal(supervision(outputs(1), LABELS), weighted_sum(task_losses(outputs(1), LABELS)))


def test_automatic_weighting_is_the_releases_over_main_auxiliary_and_tbs():
    supervision = Supervision(NAMES, weighting="automatic")
    with torch.no_grad():
        supervision.sigma.copy_(torch.tensor([1.0, 0.5, 2.0, 1.5]))
    kinds = [outputs(seed) for seed in (1, 2, 3)]
    total = sum(supervision(kind, LABELS) for kind in kinds) + supervision.penalty()
    losses = [task_losses(kind, LABELS) for kind in kinds]
    want = automatic_weighting([sum(each[t] for each in losses) for t in NAMES], supervision.sigma)
    torch.testing.assert_close(total, want)
    total.backward()
    assert (supervision.sigma.grad != 0).all()


def test_a_part_of_the_tasks_keeps_each_its_own_weight():
    supervision = Supervision(NAMES, weighting="automatic")
    with torch.no_grad():
        supervision.sigma.copy_(torch.tensor([1.0, 1.0, 1.0, 0.1]))
    edge = {"edge": outputs(1)["edge"]}
    torch.testing.assert_close(supervision(edge, LABELS), 50 * task_losses(edge, LABELS)["edge"])


RELEASED_NAMES = {"depth_zbuffer": "depth", "edge_occlusion": "edge", "normal": "normal", "segment_semantic": "semseg"}


def test_the_published_source_total_on_taskonomy_with_its_gradients():
    """Reference case of the release: main, TBS and auxiliary outputs under one learned weight per task."""
    with np.load(REPOSITORY / "tests/golden/s4t/scheme_taskonomy_pretrain_no_seg.npz") as stored:
        arrays = {name: torch.from_numpy(stored[name]) for name in stored.files}

    def kind(prefix):
        return {our: arrays[f"{prefix}_{their}"] for their, our in RELEASED_NAMES.items()}

    labels = kind("in_gt")
    labels = {t: v.long() if t == "semseg" else v.reshape(len(v), -1, *v.shape[-2:]) for t, v in labels.items()}
    tbs = {task: output.requires_grad_() for task, output in kind("in_tbs").items()}
    supervision = Supervision(tuple(labels), "taskonomy", "automatic")
    with torch.no_grad():
        supervision.sigma.copy_(arrays["in_sigma"])
    outputs = (kind("in_main"), kind("in_aux"), tbs)
    total = sum(supervision(output, labels) for output in outputs) + supervision.penalty()
    torch.testing.assert_close(total.detach(), arrays["exp_total"])
    total.backward()
    torch.testing.assert_close(supervision.sigma.grad, arrays["exp_grad_sigma"])
    for task, gradient in kind("exp_grad_tbs").items():
        torch.testing.assert_close(tbs[task].grad, gradient)


def test_taskonomy_losses_are_the_releases_where_everything_is_known():
    known = {t: torch.where(v == 255, torch.zeros_like(v), v) for t, v in LABELS.items()}
    supervision = Supervision(NAMES, "taskonomy")
    for task, output in outputs(1).items():
        got = supervision({task: output}, known)
        torch.testing.assert_close(got, TASKS[task].weight * TASKONOMY_LOSSES[task](output, known[task]))
    assert not torch.equal(got, Supervision(NAMES)({"edge": outputs(1)["edge"]}, known))


def test_unknown_pixels_add_no_error_and_carry_no_gradient():
    output = {t: o.requires_grad_() for t, o in outputs(1).items()}
    Supervision(NAMES, "taskonomy")(output, LABELS).backward()
    unknown = LABELS["depth"] == 255
    assert unknown.any()
    for task in ("depth", "normal"):
        gradient = output[task].grad.where((LABELS[task] == 255).all(1, keepdim=True), torch.zeros(()))
        assert (gradient == 0).all()
        assert output[task].grad.abs().max() < 1


@pytest.mark.parametrize("settings", [{"losses": "masks"}, {"weighting": "auto"}])
def test_unknown_settings_are_refused(settings):
    with pytest.raises(UserError, match="is unknown"):
        Supervision(NAMES, **settings)
