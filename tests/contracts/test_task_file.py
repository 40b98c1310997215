"""A task written into one file takes part: stored, trained, adapted and scored, nothing else touched."""

from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pytest
import torch

from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.adaptation.protocols import run_protocol
from ttt_bench.adaptation.stream import open_stream
from ttt_bench.domains.contract import Sample
from ttt_bench.domains.rooms.domain import Rooms
from ttt_bench.errors import UserError
from ttt_bench.method.contract import Model
from ttt_bench.method.registry import create
from ttt_bench.networks.catalogue import make_network
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.samples.loading import SampleSet, augment
from ttt_bench.tasks import TASKS
from ttt_bench.tasks.catalogue import add_module, add_task, per_image
from ttt_bench.tasks.contract import Task
from ttt_bench.tasks.supervision import Supervision

FILE = '''
from ttt_bench.tasks.contract import Label, Metric, Task
from ttt_bench.tasks.statistics import rmse


class Brightness(Task):
    """How bright the image is."""

    name, title, channels, output, extent = "brightness", "Brightness", 1, "scalar", "image"
    label = Label("<f4", 1, "image")
    metrics = (Metric("brightness/rmse", "RMSE", "", False, "brightness/moments", rmse),)

    def loss(self, prediction, label):
        from ttt_bench.tasks.tensors import masked_l1

        return masked_l1(prediction, label)

    def ready(self, label, channels):
        return label != self.ignore, label.double()

    def score(self, prediction, *ready):
        from ttt_bench.tasks.measure import moments_of

        return {"brightness/moments": moments_of(prediction, *ready)}

    def made_up(self, count, size, classes, rng):
        import torch

        return torch.rand((count, 1), generator=rng)
'''


class BrightRooms(Rooms):
    """Rooms that also say how bright they are."""

    def __init__(self):
        super().__init__("studio", (32, 32))
        self.tasks = ("semseg", "brightness")

    def sample(self, split, index):
        sample = super().sample(split, index)
        mean = np.array([sample.image.mean() / 255], dtype=np.float32)
        return Sample(sample.image, {"semseg": sample.labels["semseg"], "brightness": mean})


@pytest.fixture
def own_task(tmp_path):
    path = tmp_path / "brightness.py"
    path.write_text(FILE)
    spec = importlib.util.spec_from_file_location("brightness_task", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    add_module(module)
    yield TASKS["brightness"]
    TASKS.pop("brightness", None)


def test_it_is_stored_trained_adapted_and_scored(own_task, tmp_path):
    assert list(TASKS)[-1] == "brightness", "plug-ins come last"
    samples = SampleSet(BrightRooms(), "train", 8, cache_dir=tmp_path)
    batch = samples.batch(range(8))
    assert batch.labels["brightness"].shape == (8, 1)
    changed = augment(batch, "paper", torch.Generator().manual_seed(0))
    assert torch.equal(changed.labels["brightness"], batch.labels["brightness"])
    outputs = {task: TASKS[task].outputs(len(samples.domain.classes)) for task in samples.tasks}
    torch.manual_seed(0)
    network = make_network(NetworkConfig("resnet10", "linear"), outputs, per_image(outputs))
    loss = Supervision(tuple(outputs))(network(batch.images), batch.labels)
    loss.backward()
    assert network.heads["brightness"] is not None
    assert any(parameter.grad.any() for parameter in network.heads["brightness"].parameters())
    tent = create("tent")
    adapter = Adapter(Model(network.eval(), torch.nn.Module()), tent, tent.native)
    stream, evaluator = open_stream(samples, 4, 0)
    recording = run_protocol("online", adapter, stream, evaluator, 1, (0, 1))
    (metric,) = own_task.metrics
    found = metric.compute(recording.statistics[metric.statistic])
    assert found.shape == (2,)
    assert np.isfinite(found).all()
    assert found[0] != found[1]


def test_a_second_task_of_the_name_and_half_a_task_are_refused(own_task):
    with pytest.raises(UserError, match="Two tasks are called 'brightness'"):
        add_task(type("Brightness", (type(own_task),), {"__module__": __name__}))
    with pytest.raises(UserError, match=r"lacks .*metrics"):
        add_task(type("Half", (Task,), {"name": "half", "title": "Half", "__module__": __name__}))
    with pytest.raises(UserError, match="defines no task"):
        add_module(sys.modules["json"])
