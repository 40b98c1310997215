"""What the studies measure, on inputs whose answers are known by hand."""

import math

import numpy as np
import pytest
import torch

from ttt_bench.domains.catalogue import open_domain
from ttt_bench.errors import UserError
from ttt_bench.measurements.affinity import cosines
from ttt_bench.measurements.catalogue import measures_of
from ttt_bench.measurements.latents import slice_branch, slice_method
from ttt_bench.measurements.numbers import TOTAL, gap, retained
from ttt_bench.measurements.tbs_mask import tbs_losses
from ttt_bench.method import registry
from ttt_bench.method.contract import Model
from ttt_bench.method.registry import parse_methods
from ttt_bench.networks.catalogue import make_network
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.plan.sweep import SweepConfig
from ttt_bench.plan.work import Decode, Fit, Measure, Train, lay_out, with_needs
from ttt_bench.samples.loading import SampleSet
from ttt_bench.studies.catalogue import find_study, studies, study_help
from ttt_bench.studies.mask_ratio import RATIOS
from ttt_bench.studies.noise import SCALES
from ttt_bench.studies.parts import Request
from ttt_bench.tasks.supervision import task_losses, weighted_sum

FOG = "rooms/studio->rooms/fog"


def config(methods="s4t", **changes):
    return SweepConfig(pairs=(FOG,), methods=tuple(parse_methods(methods)), size=(32, 32), **changes)


def test_cosines_by_hand():
    slices = torch.zeros(2, 6, 1, 2)  # two images of two pixels, three tasks of two channels
    slices[0, :, 0, 0] = torch.tensor([1.0, 0.0, 2.0, 0.0, 0.0, 5.0])
    slices[0, :, 0, 1] = torch.tensor([1.0, 0.0, -3.0, 0.0, 1.0, 1.0])
    slices[1, :, 0, :] = torch.tensor([3.0, 4.0, 4.0, 3.0, 0.0, 0.0])[:, None]
    matrix = cosines(slices, tasks=3)
    assert matrix.shape == (2, 3, 3)
    half = math.sqrt(0.5)
    expected = torch.tensor([[1, 0, half / 2], [0, 1, -half / 2], [half / 2, -half / 2, 1]], dtype=torch.float64)
    torch.testing.assert_close(matrix[0], expected)
    assert matrix[1, 0, 1] == pytest.approx(24 / 25)
    assert matrix[1, 2].tolist() == [0, 0, 0], "a zero slice has no direction"
    torch.testing.assert_close(cosines(7.0 * slices, 3), matrix)


def test_gap_by_hand():
    a = [[1, 0.5, 0.1], [0.5, 1, 0.0], [0.1, 0.0, 1]]
    b = [[1, 0.2, 0.1], [0.2, 1, -0.6], [0.1, -0.6, 1]]
    assert gap(a, b) == pytest.approx((0.3 + 0.0 + 0.6) / 3)
    assert gap(a, a) == 0
    assert math.isnan(gap([[1.0]], [[1.0]]))


def test_retained_by_hand():
    assert retained([[2.0, 2.0], [4.0, 4.0], [1.0, 3.0]]).tolist() == [100, 50, 100]


@pytest.fixture(scope="module")
def trained_by_nobody():
    domain = open_domain("rooms/studio", (32, 32), {})
    samples = SampleSet(domain, "val", 6, domain.classes)
    torch.manual_seed(0)
    network = make_network(
        NetworkConfig("resnet10", "linear"), {"semseg": len(domain.classes), "depth": 1, "normal": 3, "edge": 1}
    )
    method = registry.create("s4t", {"tbs_size": 128})
    return Model(network, method.auxiliary(network)), method, samples


def test_tbs_losses_are_the_supervised_ones(trained_by_nobody):
    model, method, samples = trained_by_nobody
    found = tbs_losses(model, method, samples, ratio=0.0, noise_seed=0, batch_size=6)
    batch = samples.batch(range(6))
    with torch.no_grad():
        open_method = registry.create("s4t", {"tbs_size": 128, "mask_ratio": 0.0})
        mask = open_method.draw_mask(model, batch.images, torch.Generator().manual_seed(5))
        slices = model.aux.slices(model.network.features(batch.images), (32, 32))
        losses = task_losses(model.aux.reconstruct(slices, mask, 128, (32, 32)), batch.labels)
    assert set(found) == {*losses, TOTAL}
    for task, loss in losses.items():
        assert found[task] == pytest.approx(float(loss), rel=1e-4), "at ratio 0 the noise hides nothing"
    assert found[TOTAL] == pytest.approx(float(weighted_sum(losses)), rel=1e-4)
    assert not model.training
    halves = tbs_losses(model, method, samples, 0.0, 0, batch_size=4)
    # Depth has no invalid pixel in `rooms`, so its mean does not depend on the batches.
    assert halves["depth"] == pytest.approx(found["depth"], rel=1e-4)


def test_masks_change_the_tbs_and_only_by_their_noise(trained_by_nobody):
    model, method, samples = trained_by_nobody
    first, again, other, open_ = (
        tbs_losses(model, method, samples, ratio, seed, 6) for ratio, seed in ((0.8, 0), (0.8, 0), (0.8, 1), (0.0, 0))
    )
    assert first == again
    assert first[TOTAL] != other[TOTAL]
    assert first[TOTAL] != open_[TOTAL]


def test_strangers_get_the_latents_of_another_image(trained_by_nobody):
    model, method, samples = trained_by_nobody
    own = tbs_losses(model, method, samples, 0.0, 0, batch_size=1)
    alone = tbs_losses(model, method, samples, 0.0, 0, batch_size=1, strangers=True)
    assert alone == pytest.approx(own, rel=1e-5), "nobody else is there"
    mixed = tbs_losses(model, method, samples, 0.0, 0, batch_size=6, strangers=True)
    together = tbs_losses(model, method, samples, 0.0, 0, batch_size=6)
    assert abs(mixed[TOTAL] - together[TOTAL]) > 1e-4 * together[TOTAL]


def test_methods_without_slices_are_refused(trained_by_nobody):
    model, _, _ = trained_by_nobody
    tent = registry.create("tent")
    with pytest.raises(UserError, match="latent slice"):
        slice_branch(Model(model.network, tent.auxiliary(model.network)), tent)
    with pytest.raises(UserError, match="synchroniser"):
        slice_method(tent)
    with pytest.raises(UserError, match="predicts the image"):
        slice_method(registry.create("s4t", {"reconstruct_image": True}))


def options_by_title(part):
    return {part.titles[cell.id]: cell.options for cell in part.plan.cells}


def test_components_are_those_of_table_2():
    [part] = studies()["components"].parts(config("s4t(loss_weight=0.5)"), Request())
    rows = options_by_title(part)
    assert list(dict.fromkeys(part.titles.values())) == [
        "base", "bn", "TBS", "TBS + projection", "TBS + mask, image", "TBS + projection + mask",
    ]  # fmt: skip
    keys = ("projection", "mask_ratio", "reconstruct_image", "loss_weight")
    assert [[rows[t][k] for k in keys] for t in list(rows)[2:]] == [
        [False, 0.0, False, 0.5], [True, 0.0, False, 0.5], [False, 0.8, True, 0.5], [True, 0.8, False, 0.5],
    ]  # fmt: skip


def test_masking_and_ratios_vary_nothing_else():
    for name, key, values in (
        ("masking", "strategy", ["random", "disjoint", "same", "task"]),
        ("mask-ratio", "mask_ratio", list(RATIOS)),
    ):
        [part] = studies()[name].parts(config(), Request())
        rows = [options for title, options in options_by_title(part).items() if title not in ("base", "bn")]
        assert [options[key] for options in rows] == values
        assert len({str({k: v for k, v in options.items() if k != key}) for options in rows}) == 1
        assert len({cell.branch.id for cell in part.plan.cells if cell.method == "s4t"}) == len(values)


def test_noise_and_single_tasks_are_parts():
    noise = studies()["noise"].parts(config("tent"), Request())
    assert [float(part.key) for part in noise] == list(SCALES)
    assert len({cell.branch.id for part in noise for cell in part.plan.cells if cell.method == "tent"}) == 1
    assert [{cell.input_noise for cell in part.plan.cells} for part in noise] == [{s} for s in SCALES]
    single = studies()["single-task"].parts(config(tasks=("depth", "edge")), Request())
    assert [(part.key, {c.source.tasks for c in part.plan.cells}) for part in single] == [
        ("multi", {("depth", "edge")}), ("depth", {("depth",)}), ("edge", {("edge",)}),
    ]  # fmt: skip


def test_two_base_methods_keep_their_rows_apart():
    [part] = studies()["masking"].parts(config("s4t,s4t(loss_weight=1.0)"), Request())
    assert "(c) same [s4t]" in part.titles.values()
    assert "(c) same [s4t(loss_weight=1)]" in part.titles.values()


def test_impossible_requests_say_why():
    with pytest.raises(UserError, match=r"varies mask_ratio.*tent does not have"):
        studies()["mask-ratio"].parts(config("tent"), Request())
    with pytest.raises(UserError, match="needs a method beside the controls"):
        studies()["noise"].parts(config("bn"), Request())


def test_a_branch_is_measured_once_whatever_the_protocols():
    [part] = studies()["tbs-mask"].parts(config(protocols=("online", "episodic"), seeds=(0, 1)), Request())
    works = lay_out(part.plan)
    assert len(measures_of("tbs-mask", part.plan, works)) == 2
    assert len(measures_of("affinity", part.plan, works)) == 4
    tuned = {work.id for work in measures_of("affinity", part.plan, works, iterations=7)}
    assert not tuned & {work.id for work in measures_of("affinity", part.plan, works)}


def test_a_measurement_needs_what_it_looks_at_and_nothing_else():
    [part] = studies()["tbs-mask"].parts(config(), Request())
    works = lay_out(part.plan)
    [mask], [affinity] = (measures_of(name, part.plan, works) for name in ("tbs-mask", "affinity"))
    kinds = [type(work) for work in with_needs([mask], works)]
    assert kinds == [Decode, Train, Fit, Measure], "no target's images, no cell"
    assert [type(work) for work in with_needs([affinity], works)] == [Decode, Train, Fit, Decode, Measure]


def test_every_study_is_listed_in_a_line_and_typos_are_met():
    for name, study in studies().items():
        [line] = [line for line in study_help().splitlines() if line.strip().startswith(f"{name} ")]
        assert len(line) < 80
        assert study.question.endswith("?")
        assert not np.any([note == "" for note in study.notes])
    with pytest.raises(UserError, match="Did you mean 'masking'"):
        find_study("maskin")
