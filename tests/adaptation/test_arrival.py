"""Every kind of stream brings every image once; what arrives together is what the stream says."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from ttt_bench.adaptation.arrival import batches_of, in_bursts, shuffled
from ttt_bench.adaptation.stream import open_stream
from ttt_bench.domains.catalogue import open_domain
from ttt_bench.domains.streams import STREAMS
from ttt_bench.samples.joined import JoinedSamples
from ttt_bench.samples.loading import SampleSet


def opened(name, count):
    domain = open_domain(name, (32, 32))
    return SampleSet(domain, "test", count, domain.classes)


@pytest.fixture(scope="module")
def one():
    return opened("rooms/fog", 22)


@pytest.fixture(scope="module")
def several():
    return JoinedSamples([opened("rooms/fog", 10), opened("rooms/dusk", 6)])


def samples_for(stream, one, several):
    return several if stream.several or stream.segments else one


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_every_image_arrives_once_and_the_seed_decides_when(stream, one, several):
    samples = samples_for(stream, one, several)
    found = batches_of(samples, 4, 3, stream.name)
    assert sorted(index for batch in found for index in batch) == list(range(len(samples)))
    assert found == batches_of(samples, 4, 3, stream.name)
    assert found != batches_of(samples, 4, 4, stream.name)
    assert all(1 <= len(batch) <= 4 for batch in found)


def test_a_segment_arrives_as_it_would_alone_and_no_batch_mixes_two(several):
    found = batches_of(several, 4, 5, "continual")
    alone = batches_of(several.parts[0], 4, 5), batches_of(several.parts[1], 4, 5)
    assert [len(batch) for batch in found] == [4, 4, 2, 4, 2]
    assert found[:3] == alone[0]
    assert found[3:] == [[10 + index for index in batch] for batch in alone[1]]
    assert found == batches_of(several, 4, 5, "gradual")


def test_a_mixed_stream_mixes_within_batches(several):
    assert any(min(batch) < 10 <= max(batch) for batch in batches_of(several, 8, 0, "mixed"))


def test_scenes_arrive_one_after_the_other_where_a_domain_names_them(one):
    order = [index for batch in batches_of(one, 4, 2, "correlated") for index in batch]
    scenes = [one.domain.scene("test", index) for index in order]
    assert sum(a != b for a, b in pairwise(scenes)) == len(set(scenes)) - 1 >= 3
    within = [(a, b) for (a, b), (s, t) in zip(pairwise(order), pairwise(scenes), strict=True) if s == t]
    assert within
    assert all(a < b for a, b in within)


def test_without_scenes_the_order_is_that_of_the_files(one, monkeypatch):
    monkeypatch.setattr(type(one.domain), "scene", lambda *_: "")
    assert batches_of(one, 4, 2, "correlated") == [list(range(first, min(first + 4, 22))) for first in range(0, 22, 4)]


def test_classes_arrive_in_bursts():
    labels = np.tile(np.arange(10), 100)
    order = in_bursts(labels, 40, np.random.default_rng(0))
    assert sorted(order) == list(range(1000))

    def repeats(of):
        return np.mean(labels[of[1:]] == labels[of[:-1]])

    assert repeats(np.array(order)) > 0.6
    assert repeats(np.array(shuffled(1000, 0))) < 0.15
    per_batch = [len(set(labels[order[first : first + 25]])) for first in range(0, 1000, 25)]
    assert np.mean(per_batch) < 6, "of ten classes; a shuffled batch of 25 has nine or ten"


def test_objects_arrive_by_class():
    samples = opened("objects/fog", 60)
    order = [index for batch in batches_of(samples, 10, 1, "correlated") for index in batch]
    labels = samples.labels("class").numpy()
    assert np.mean(labels[order[1:]] == labels[order[:-1]]) > 0.4
    assert sorted(order) == list(range(60))


def test_images_and_labels_are_those_of_the_parts(several):
    stream, evaluator = open_stream(several, 8, 0, stream="mixed")
    places = batches_of(several, 8, 0, "mixed")
    for index, batch in enumerate(places):
        for place, number in enumerate(batch):
            part, within = (several.parts[0], number) if number < 10 else (several.parts[1], number - 10)
            alone = part.batch([within])
            assert torch.equal(stream.images[index][place], alone.images[0])
            assert torch.equal(evaluator.truth(index)["depth"][place], alone.labels["depth"][0])
    with pytest.raises(IndexError):
        several.batch([0, 16])
