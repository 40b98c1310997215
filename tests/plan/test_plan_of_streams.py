"""What a plan makes of a stream: cells, batches, decodings, and what it refuses."""

import pytest

from ttt_bench.errors import UserError
from ttt_bench.method import registry
from ttt_bench.method.configured import MethodCall
from ttt_bench.plan.plan import make_plan, smallest_batch, target_data
from ttt_bench.plan.sweep import SweepConfig
from ttt_bench.plan.work import Decode, lay_out

THREE = "rooms/studio->rooms/fog>rooms/dusk>rooms/neon"


def plan(pair=THREE, stream="continual", **changes):
    methods = tuple(MethodCall(registry.find(name)) for name in ("base", "bn", "tent"))
    return make_plan(SweepConfig((pair,), methods, stream=stream, **{"size": (32, 32), "batches": 3, **changes}))


def test_a_cell_of_several_targets_reads_each_and_counts_all_its_batches():
    cell = plan().cells[0]
    assert [need.domain for need in target_data(cell)] == ["rooms/fog", "rooms/dusk", "rooms/neon"]
    assert (cell.target_samples, cell.batches) == (72, 9)
    assert [part["batches"] for part in cell.describe()["segments"]] == [3, 3, 3]
    assert cell.describe()["stream"] == "continual"
    assert cell.shows_forgetting
    assert not plan("rooms/studio->rooms/fog", "iid").cells[0].shows_forgetting
    assert not plan("rooms/studio->rooms/fog", "correlated", protocols=("episodic",)).cells[0].shows_forgetting


def test_images_are_decoded_once_for_all_streams():
    def decodings(made):
        return {work.data.domain for work in lay_out(made) if isinstance(work, Decode)}, {
            work.id for work in lay_out(made) if isinstance(work, Decode)
        }

    alone, joined = decodings(plan("rooms/studio->rooms/fog", "iid")), decodings(plan())
    assert joined[0] == {"rooms/studio", "rooms/fog", "rooms/dusk", "rooms/neon"}
    assert alone[1] < joined[1]
    assert len(decodings(plan("rooms/studio->rooms/studio+fog:3", "gradual"))[1]) == 4


def test_the_stream_is_part_of_the_identity_and_the_order_of_targets_too():
    pairs = [
        ("rooms/studio->rooms/fog", "iid"), ("rooms/studio->rooms/fog", "correlated"), (THREE, "continual"),
        (THREE, "mixed"), ("rooms/studio->rooms/dusk>rooms/fog>rooms/neon", "continual"),
        ("rooms/studio->rooms/studio+fog:2", "iid"), ("rooms/studio->rooms/studio+fog:2", "gradual"),
    ]  # fmt: skip
    ids = [plan(pair, stream).cells[0].id for pair, stream in pairs]
    assert len(set(ids)) == len(ids)
    assert len({plan(pair, stream).cells[0].source.id for pair, stream in pairs}) == 1


@pytest.mark.parametrize(("stream", "batches", "smallest"), [("continual", 9999, 4), ("mixed", 9999, 6)])
def test_the_smallest_batch_is_that_of_any_segment(stream, batches, smallest):
    # 10,000 images of each look: 1,666 batches of 6 and 4 images; 30,000 together make whole batches.
    config = plan(stream=stream, batches=batches, batch_size=6).config
    from ttt_bench.domains.pairs import parse_pair

    pair = parse_pair(THREE, config.size, {}, None, stream)
    assert smallest_batch(config, pair, "online") == smallest


@pytest.mark.parametrize(("changes", "said"), [
    ({"protocols": ("episodic",)}, "resets before every batch"), ({"protocols": ("online", "single")}, "first batch only"),
    ({"stream": "iid"}, "takes one target"), ({"stream": "continul"}, "unknown"), ({"stream": "gradual"}, "takes one target"),
    ({"pair": "rooms/studio->rooms/fog", "stream": "mixed"}, "takes several targets"),
    ({"pair": "rooms/studio->rooms/fog", "stream": "correlated", "protocols": ("single",), "released": ("first-batch",)}, "both say"),
])  # fmt: skip
def test_what_has_no_sense_is_refused_before_anything_is_trained(changes, said):
    with pytest.raises(UserError, match=said):
        plan(**changes)
