"""The target stream: order, laziness, and labels readied once."""

import pytest
import torch

from ttt_bench.adaptation import stream as stream_module
from ttt_bench.adaptation.stream import Arrivals, Evaluator, open_stream
from ttt_bench.domains.catalogue import open_domain
from ttt_bench.samples.loading import SampleSet
from ttt_bench.tasks.measure import measure


@pytest.fixture(scope="module")
def samples():
    domain = open_domain("rooms/fog", (32, 32), {})
    return SampleSet(domain, "test", 10, domain.classes)


def test_every_image_arrives_once_in_the_order_of_the_seed(samples, device):
    stream, evaluator = open_stream(samples, 4, seed=3, device=device)
    order = torch.randperm(10, generator=torch.Generator().manual_seed(3)).tolist()
    assert [len(images) for images in stream.images] == [4, 4, 2]
    assert all(images.device.type == device for images in stream.images)
    assert torch.equal(torch.cat(list(stream.images)).cpu(), samples.batch(order).images)
    assert torch.equal(
        torch.cat([evaluator.truth(i)["depth"] for i in range(3)]).cpu(), samples.batch(order).labels["depth"]
    )
    in_order, _ = open_stream(samples, 4, seed=3, arrival="files")
    assert torch.equal(torch.cat(list(in_order.images)), samples.batch(range(10)).images)


def test_two_batches_are_kept_and_the_rest_is_read_again(samples, monkeypatch):
    read = []
    original = SampleSet.batch
    monkeypatch.setattr(SampleSet, "batch", lambda self, places: read.append(list(places)) or original(self, places))
    arrivals = Arrivals(samples, [[0], [1], [2]], "cpu", None)
    for index in (0, 0, 1, 0, 2, 0, 1):
        assert len(arrivals[index]) == 1
    assert read == [[0], [1], [2], [1]]


def test_a_batch_that_does_not_exist_is_an_index_error(samples):
    images = open_stream(samples, 4, 0)[0].images
    with pytest.raises(IndexError, match="Batch 3 of 3"):
        images[3]
    assert torch.equal(images[-1], images[2])
    assert len(images[:2]) == 2


def test_labels_are_readied_once_per_batch_and_scores_are_those_of_measure(samples, monkeypatch):
    calls = []
    original = stream_module.prepare
    monkeypatch.setattr(stream_module, "prepare", lambda task, *rest: calls.append(task) or original(task, *rest))
    _, evaluator = open_stream(samples, 5, 0)
    assert isinstance(evaluator, Evaluator)
    for _ in range(3):
        for batch in range(2):
            labels = evaluator.truth(batch)
            predictions = {
                "semseg": torch.randn(5, len(samples.domain.classes), 32, 32),
                **{t: torch.randn_like(labels[t]) for t in ("depth", "normal", "edge")},
            }
            for _ in range(2):
                got = evaluator.score(batch, predictions)
            for task, prediction in predictions.items():
                for name, value in measure(task, prediction, labels[task]).items():
                    assert torch.equal(torch.from_numpy(got[name]), value), name
    assert len(calls) == 3 * 2 * 4, "once per batch and task, not once per score"
