"""Which targets a written pair stands for under each stream, and several domains as one."""

import numpy as np
import pytest

from ttt_bench.domains.catalogue import open_domain
from ttt_bench.domains.joined import Joined, parts_of
from ttt_bench.domains.pairs import parse_pair
from ttt_bench.domains.streams import STREAMS, check_protocol, targets_of
from ttt_bench.errors import UserError

SIZE = (32, 32)


def test_a_gradual_stream_rises_to_the_written_severity_and_falls_back():
    names = targets_of("gradual", "rooms/studio+fog:4")
    assert names == tuple(f"rooms/studio+fog:{level}" for level in (1, 2, 3, 4, 3, 2, 1))
    assert targets_of("gradual", "a+snow:2+fog:1") == ("a+snow:2+fog:1",), "the last corruption varies"


@pytest.mark.parametrize(("stream", "target", "said"), [
    ("iid", "a>b", "takes one target"), ("correlated", "a>b", "takes one target"), ("gradual", "a>b+fog:2", "one target"),
    ("continual", "a", "takes several"), ("mixed", "a", "takes several"), ("mixed", "a>", "empty target"),
    ("gradual", "rooms/fog", "needs a corrupted target"),
])  # fmt: skip
def test_a_stream_refuses_another_number_of_targets(stream, target, said):
    with pytest.raises(UserError, match=said) as error:
        targets_of(stream, target)
    assert error.value.hint


def test_protocols_that_forget_are_refused_where_one_segment_follows_the_other():
    for stream in STREAMS.values():
        check_protocol(stream.name, "online")
        for protocol in ("episodic", "single"):
            if stream.segments:
                with pytest.raises(UserError, match=f"{stream.name} needs --protocols online: {protocol}"):
                    check_protocol(stream.name, protocol)
            else:
                check_protocol(stream.name, protocol)


def test_joined_domains_are_one_after_the_other():
    fog, dusk = (open_domain(f"rooms/{look}", SIZE) for look in ("fog", "dusk"))
    both = Joined([fog, dusk])
    assert both.name == "rooms/fog>rooms/dusk"
    assert both.length("test") == 20_000
    np.testing.assert_array_equal(both.sample("test", 10_003).image, dusk.sample("test", 3).image)
    assert both.scene("test", 10_003) == dusk.scene("test", 3)
    assert parts_of(both) == (fog, dusk)
    assert parts_of(fog) == (fog,)
    assert len({d.fingerprint() for d in (both, fog, dusk, Joined([dusk, fog]))}) == 4
    with pytest.raises(IndexError):
        both.sample("test", 20_000)


def test_targets_share_what_all_of_them_have():
    pair = parse_pair("rooms/studio->rooms/fog>rooms/dusk", SIZE, stream="continual")
    assert [part.name for part in parts_of(pair.target)] == ["rooms/fog", "rooms/dusk"]
    assert pair.name == "rooms/studio->rooms/fog>rooms/dusk"
    with pytest.raises(UserError, match="share no task"):
        parse_pair("rooms/studio->rooms/fog>objects/fog", SIZE, stream="mixed")
    one = parse_pair("rooms/studio->rooms/studio+fog:2", SIZE, stream="gradual")
    assert one.name == "rooms/studio->rooms/studio+fog:2"
    assert len(parts_of(one.target)) == 3


def test_a_pair_whose_arrow_a_shell_took_says_so():
    with pytest.raises(UserError, match="is not a pair") as error:
        parse_pair("rooms/studio-", SIZE)
    assert "quotes" in error.value.hint


@pytest.mark.parametrize("look", ["studio", "fog"])
def test_rooms_tell_what_kind_of_room_each_is_in_every_look_and_under_corruption(look):
    domain, corrupted = open_domain(f"rooms/{look}", SIZE), open_domain(f"rooms/{look}+fog:3", SIZE)
    scenes = [domain.scene("test", index) for index in range(40)]
    assert set(scenes) == {"0", "1", "2", "3", "4"}
    assert scenes == [corrupted.scene("test", index) for index in range(40)]
    assert scenes == [open_domain("rooms/neon", SIZE).scene("test", index) for index in range(40)]
