import numpy as np
import pytest

from ttt_bench.domains.contract import Domain
from ttt_bench.domains.nyudv2 import frames as nyudv2
from ttt_bench.domains.pairs import class_table, expand_pairs, make_pair, parse_pair
from ttt_bench.domains.pascal import reader as pascal
from ttt_bench.domains.taskonomy import reader as taskonomy
from ttt_bench.errors import UserError


class Fake(Domain):
    def __init__(self, name, tasks, classes):
        self.name, self.tasks, self.classes, self.size = name, tasks, classes, (8, 8)

    def length(self, split):
        return 1

    def sample(self, split, index):
        raise NotImplementedError

    def content(self):
        return self.name


def test_two_looks_share_everything():
    pair = parse_pair(" rooms/studio -> rooms/fog ", (32, 32))
    assert pair.name == "rooms/studio->rooms/fog"
    assert pair.tasks == ("semseg", "depth", "normal", "edge")
    assert pair.classes == pair.source.classes
    assert parse_pair("rooms/studio→rooms/fog+snow:2", (32, 32)).name == "rooms/studio->rooms/fog+snow:2"


def test_tasks_come_in_the_fixed_order_and_classes_in_the_sources():
    a = Fake("a", ("edge", "semseg", "depth"), ("sofa", "bed", "tv"))
    b = Fake("b", ("semseg", "edge", "normal"), ("tv", "chair", "sofa"))
    pair = make_pair(a, b)
    assert pair.tasks == ("semseg", "edge")
    assert pair.classes == ("sofa", "tv")
    assert make_pair(b, a).classes == ("tv", "sofa")
    assert make_pair(a, b, ("edge",)).tasks == ("edge",)
    assert make_pair(a, b, ("edge",)).classes == ()


def with_classes(name, module):
    return Fake(name, ("semseg", "depth", "normal", "edge"), module.CLASSES)


TASKONOMY, NYUDV2, PASCAL = (
    with_classes(name, module) for name, module in (("taskonomy", taskonomy), ("nyudv2", nyudv2), ("pascal", pascal))
)


@pytest.mark.parametrize(
    ("a", "b", "classes"),
    [
        (TASKONOMY, NYUDV2, ("refrigerator", "table", "toilet", "sofa", "bed", "sink", "chair")),
        (TASKONOMY, PASCAL, ("table", "tv", "bottle", "sofa", "potted plant", "chair")),
        (NYUDV2, PASCAL, ("person", "sofa", "chair", "table")),
    ],
)
def test_the_papers_pairs_have_the_papers_classes_both_ways(a, b, classes):
    assert make_pair(a, b).classes == classes
    assert make_pair(b, a).classes == classes
    weather = Fake(f"{b.name}+fog:5", b.tasks, b.classes)
    assert make_pair(a, weather).classes == classes


@pytest.mark.parametrize(
    ("domain", "classes", "file_ids"),
    [
        # Section B.5: ids in the files of Taskonomy, NYUD-v2 (0-based) and VOC.
        (TASKONOMY, ("refrigerator", "table", "toilet", "sofa", "bed", "sink", "chair"), [14, 7, 8, 4, 6, 13, 3]),
        (NYUDV2, ("refrigerator", "table", "toilet", "sofa", "bed", "sink", "chair"), [23, 6, 32, 5, 3, 33, 4]),
        (TASKONOMY, ("table", "tv", "bottle", "sofa", "potted plant", "chair"), [7, 9, 2, 4, 5, 3]),
        (PASCAL, ("table", "tv", "bottle", "sofa", "potted plant", "chair"), [11, 20, 5, 18, 16, 9]),
        (NYUDV2, ("person", "sofa", "chair", "table"), [30, 5, 4, 6]),
        (PASCAL, ("person", "sofa", "chair", "table"), [15, 18, 9, 11]),
    ],
)
def test_class_names_mean_the_papers_ids(domain, classes, file_ids):
    first = {"taskonomy": 2, "nyudv2": 0, "pascal": 1}[domain.name]
    table = class_table(domain.classes, classes)
    assert [int(table[i - first]) for i in file_ids] == list(range(len(classes)))
    assert (table != 255).sum() == len(classes)


def test_rooms_stand_in_for_taskonomy():
    for other in (NYUDV2, PASCAL):
        rooms = parse_pair("rooms/studio->rooms/fog", (32, 32)).source
        assert make_pair(rooms, other).classes == make_pair(TASKONOMY, other).classes
        assert make_pair(other, rooms).classes == make_pair(TASKONOMY, other).classes
    assert len(make_pair(NYUDV2, Fake("nyudv2+fog:5", NYUDV2.tasks, NYUDV2.classes)).classes) == 39


@pytest.mark.parametrize(
    ("other", "classes"),
    [
        (NYUDV2, ("refrigerator", "table", "toilet", "sofa", "bed", "sink", "chair")),
        (PASCAL, ("table", "tv", "bottle", "sofa", "potted plant", "chair")),
    ],
)
@pytest.mark.parametrize("look", ["studio", "fog"])
def test_rooms_show_every_class_of_the_papers_lists(other, classes, look):
    """Both ways round, in training and in test images, at a size at which networks are trained."""
    rooms = parse_pair(f"rooms/{look}->rooms/dusk", (64, 64)).source
    for pair in (make_pair(rooms, other), make_pair(other, rooms)):
        assert pair.classes == classes
    table = class_table(rooms.classes, classes)
    for split in ("train", "test"):
        pixels = np.zeros(len(classes), np.int64)
        images = np.zeros(len(classes), np.int64)
        for index in range(40):
            shown = np.bincount(table[rooms.sample(split, index).labels["semseg"]].ravel(), minlength=256)
            pixels, images = pixels + shown[: len(classes)], images + (shown[: len(classes)] > 15)
        assert (images >= 3).all(), dict(zip(classes, images.tolist(), strict=True))
        assert (pixels > 40 * 64 * 64 * 0.002).all(), dict(zip(classes, pixels.tolist(), strict=True))


def test_without_a_shared_class_there_is_no_segmentation():
    a, b = Fake("a", ("semseg", "depth"), ("sofa",)), Fake("b", ("semseg", "depth"), ("bed",))
    assert make_pair(a, b).tasks == ("depth",)
    with pytest.raises(UserError, match="share no class"):
        make_pair(a, b, ("semseg",))


def test_refuses_pairs_that_make_no_sense():
    a, b = Fake("a", ("depth",), ()), Fake("b", ("edge",), ())
    with pytest.raises(UserError, match="shares no task") as error:
        make_pair(a, b)
    assert "a has depth; b has edge" in error.value.hint
    with pytest.raises(UserError, match="only one of them has it"):
        make_pair(Fake("a", ("depth", "edge"), ()), b, ("depth",))
    with pytest.raises(UserError, match="Unknown task 'deph'"):
        make_pair(a, a, ("deph",))
    with pytest.raises(UserError, match="--tasks is empty"):
        make_pair(a, a, ())


@pytest.mark.parametrize("text", ["rooms/studio", "rooms/studio->", "->rooms/fog", "a->b->c", ""])
def test_refuses_what_is_not_a_pair(text):
    with pytest.raises(UserError, match="is not a pair") as error:
        parse_pair(text, (32, 32))
    assert "rooms/studio->rooms/fog" in error.value.hint


def test_class_table_maps_what_is_shared_and_nothing_else():
    table = class_table(("sofa", "bed", "tv"), ("tv", "sofa"))
    assert table[:3].tolist() == [1, 255, 0]
    assert (table[3:] == 255).all()


def test_shorthands_stand_for_many_corruptions():
    many = expand_pairs(["cifar10->cifar10+all:1-5", "rooms/studio->rooms/fog"])
    assert len(many) == 76
    assert many[:2] == ("cifar10->cifar10+gaussian_noise:1", "cifar10->cifar10+gaussian_noise:2")
    assert many[-1] == "rooms/studio->rooms/fog"
    assert len(expand_pairs(["a→b+all:5+fog:2"])) == 15
    extra = expand_pairs(["a -> b+validation:5"])
    kinds = ("speckle_noise", "gaussian_blur", "spatter", "saturate")
    assert extra == tuple(f"a -> b+{kind}:5" for kind in kinds)
    assert len(expand_pairs(["a->b+all:5", "a->b+fog:5"])) == 15
    assert expand_pairs(["a->all", "a->b+allow:3"]) == ("a->all", "a->b+allow:3")


@pytest.mark.parametrize("text", ["+all", "+all:", "+all:5-1", "+all:1-", "+validation:five"])
def test_shorthands_need_severities(text):
    with pytest.raises(UserError, match="comes a severity or a range"):
        expand_pairs([f"a->b{text}"])


@pytest.mark.parametrize("text", ["+all:0", "+all:4-6", "+validation:0-5"])
def test_shorthands_have_severities_1_to_5(text):
    with pytest.raises(UserError, match="has no severity"):
        expand_pairs([f"a->b{text}"])
