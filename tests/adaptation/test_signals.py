"""Signals against naive computations and known answers."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ttt_bench.adaptation.signals import TEMPERATURE, Signals, density, normals_of
from ttt_bench.domains.pixels.planes import Pinhole
from ttt_bench.metrics import signals as read
from ttt_bench.metrics.signals import SIGNALS

CAMERA = Pinhole(40.0, 40.0, 15.5, 11.5)


def pixels(shape=(2, 3, 24, 32), seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def predicted(seed=0, size=(24, 32)):
    return {
        "semseg": 2 * pixels((2, 5, *size), seed), "depth": 2 + pixels((2, 1, *size), seed + 1).sigmoid(),
        "normal": pixels((2, 3, *size), seed + 2), "edge": pixels((2, 1, *size), seed + 3),
    }  # fmt: skip


class Looks:
    """Predicts from the image alone, by a rule."""

    def __init__(self, rule):
        self.predict = rule


def measured(names, predictions=None, rule=None, images=None, camera=CAMERA, batch=0):
    predictions = predicted() if predictions is None else predictions
    images = pixels() if images is None else images
    return Signals(names, camera).of(Looks(rule or (lambda _: predictions)), batch, images, predictions)


def test_density_equals_a_naive_double_loop():
    points = pixels((1, 9, 4)).softmax(2)
    rows = []
    for i in range(9):
        similar = []
        for j in range(9):
            if i != j:
                a, b = points[0, i].double(), points[0, j].double()
                similar.append(float(a @ b / (a.norm() * b.norm())) / TEMPERATURE)
        weights = np.exp(np.array(similar) - max(similar))
        weights /= weights.sum()
        rows.append(-(weights * np.log(weights)).sum())
    total, count = density(points.float()).tolist()
    assert count == 9
    assert total == pytest.approx(sum(rows), rel=1e-5)


def test_density_is_highest_where_neighbourhoods_are_dense():
    alike = torch.ones(1, 16, 4).softmax(2)
    total, count = density(alike).tolist()
    assert total / count == pytest.approx(np.log(15), rel=1e-5)


def test_sampled_pixels_depend_on_the_batch_alone():
    one, other = (measured(["snd"], predicted(size=(48, 48)))["signal/snd"] for _ in range(2))
    assert np.array_equal(one, other)
    assert not np.array_equal(one, measured(["snd"], predicted(size=(48, 48)), batch=1)["signal/snd"])


def test_entropy_of_uniform_predictions_is_the_logarithm_of_the_classes():
    total, count = measured(["entropy"], {"semseg": torch.zeros(2, 5, 8, 8)})["signal/entropy"]
    assert (total / count, count) == (pytest.approx(np.log(5)), 128)


def test_predictions_that_mirror_with_the_image_are_consistent():
    def rule(images):
        x = images.mean(1, keepdim=True)
        slope = images.new_zeros(x.shape)
        slope[..., 1:-1] = x[..., 2:] - x[..., :-2]  # changes its sign with the image, as x of a normal does
        return {
            "semseg": torch.cat((x, x**2, -x), 1), "depth": x.abs(), "edge": x,
            "normal": torch.cat((slope, x, x + 1), 1),
        }  # fmt: skip

    images = pixels()
    found = measured(["consistency"], rule(images), rule, images)
    assert sorted(found) == [f"signal/consistency/{task}" for task in ("depth", "edge", "normal", "semseg")]
    assert all(total == pytest.approx(0.0, abs=1e-3) for total, _ in found.values())
    wrong = measured(["consistency"], rule(images), lambda images: rule(images.flip(-1)), images)
    assert all(total > 1.0 for total, _ in wrong.values())


@pytest.mark.parametrize("normal", [(0.0, 0.0, 1.0), (0.3, 0.2, 0.93), (-0.4, 0.5, 0.77)])
def test_normals_of_a_plane_are_the_planes(normal):
    n = np.array(normal) / np.linalg.norm(normal)
    x = (np.arange(32) - CAMERA.cx) / CAMERA.fx
    y = (np.arange(24)[:, None] - CAMERA.cy) / CAMERA.fy
    depth = 2.0 * n[2] / (n[2] - n[0] * x + n[1] * y)  # the plane through 2 m on the axis
    found = normals_of(torch.tensor(depth)[None, None].float(), CAMERA)[0].double().numpy()
    assert np.abs(found - n[:, None, None]).max() < 1e-4
    same = torch.tensor(np.broadcast_to(n[:, None, None], (3, 24, 32)).copy())[None].float()
    total, count = measured(["cross-task"], {"depth": torch.tensor(depth)[None, None].float(), "normal": same})[
        "signal/cross-task/angle"
    ]
    assert total / count < 0.1


def test_edges_at_the_jumps_of_depth_agree_with_it():
    depth = torch.full((1, 1, 24, 32), 2.0)
    depth[..., 16:] = 4.0
    edge = torch.full((1, 1, 24, 32), -9.0)
    edge[..., 1:-1, 15:17] = 9.0
    agree = measured(["cross-task"], {"depth": depth, "edge": edge})["signal/cross-task/edges"]
    against = measured(["cross-task"], {"depth": depth, "edge": -edge})["signal/cross-task/edges"]
    score = lambda h: float(read.average_precision(h[None, None])[0])  # noqa: E731
    assert score(agree) == pytest.approx(1.0)
    assert score(against) < 0.1


def test_only_signals_whose_tasks_exist_are_recorded():
    assert set(measured(SIGNALS, {"depth": pixels((2, 1, 24, 32))})) == {"signal/consistency/depth"}
    assert not measured([])
    assert "signal/cross-task/angle" not in measured(SIGNALS, camera=None)


def test_scores_are_relative_to_the_unadapted_model_and_higher_is_better():
    of = lambda a, b: {  # noqa: E731
        "signal/consistency/depth": np.array([[[a, 1.0]]]), "signal/consistency/normal": np.array([[[b, 2.0]]]),
    }  # fmt: skip
    assert read.score(of(1.0, 8.0), of(2.0, 16.0), "consistency") == pytest.approx(-0.5)
    assert read.score({}, {}, "entropy") is None
    assert read.score({}, {}, "consistency") is None
    lower = read.score({"signal/entropy": np.array([[[1.0, 4.0]]])}, {}, "entropy")
    assert lower == pytest.approx(-0.25)


def test_a_batch_that_was_never_scored_makes_a_signal_undefined():
    assert np.isnan(read.mean_of(np.array([[[1.0, 2.0]], [[np.nan, np.nan]]]))).all()


def test_recording_signals_changes_no_score():
    from ttt_bench.adaptation.protocols import run_protocol
    from ttt_bench.adaptation.stream import open_stream
    from ttt_bench.audit.toy import ToySamples, make_toy
    from ttt_bench.audit.trace import SIZE
    from ttt_bench.method.registry import create

    toy = make_toy(create("tent"))

    def run(names):
        stream, evaluator = open_stream(ToySamples(toy.tasks, 6, SIZE, 0, 0), 4, 0)
        return run_protocol("online", toy.adapter(), stream, evaluator, 2, (0, 2), signals=Signals(names))

    plain, recorded = run(()), run(SIGNALS)
    assert all(np.array_equal(values, recorded.statistics[name]) for name, values in plain.statistics.items())
    added = {name for name in recorded.statistics if name.startswith("signal/")}
    assert recorded.statistics.keys() - plain.statistics.keys() == added
    assert len(added) == 7
    assert np.array_equal(plain.forwards, recorded.forwards)


def test_namespace_is_enough_for_a_method_that_is_never_asked():
    assert Signals(["entropy"]).of(SimpleNamespace(), 0, pixels(), predicted()).keys() == {"signal/entropy"}
