import hashlib
import subprocess
import sys

import numpy as np
import pytest

from ttt_bench.domains.rooms import other_furniture
from ttt_bench.domains.rooms.cast import cast
from ttt_bench.domains.rooms.domain import ROOT_SEED, Rooms, _generator
from ttt_bench.domains.rooms.family import CLASSES
from ttt_bench.domains.rooms.furniture import BUILDERS
from ttt_bench.domains.rooms.looks import LOOKS
from ttt_bench.domains.rooms.parts import BOX, CYLINDER, ELLIPSOID, UNLABELLED, Dice
from ttt_bench.domains.rooms.scene import build_scene
from ttt_bench.domains.rooms.worlds import USUAL, WORLDS
from ttt_bench.errors import UserError


def digest(sample):
    sha = hashlib.sha256(sample.image.tobytes())
    for task in sorted(sample.labels):
        sha.update(np.ascontiguousarray(sample.labels[task]).tobytes())
    return sha.hexdigest()[:16]


@pytest.mark.parametrize("look", [*LOOKS, *WORLDS])
@pytest.mark.parametrize("size", [(64, 64), (48, 80), (33, 17)])
def test_keeps_the_contract_of_a_sample(look, size):
    domain = Rooms(look, size)
    sample = domain.sample("train", 3)
    assert domain.name == f"rooms/{look}"
    assert sample.image.shape == (*size, 3)
    assert sample.image.dtype == np.uint8
    assert sample.image.flags.c_contiguous
    semseg, depth, normal, edge = (sample.labels[t] for t in ("semseg", "depth", "normal", "edge"))
    assert semseg.shape == size
    assert semseg.dtype == np.uint8
    assert set(np.unique(semseg)) <= {*range(10), 255}
    assert depth.shape == (1, *size)
    assert depth.dtype == np.float32
    assert 0.1 < depth.min() <= depth.max() < 8.0
    assert normal.shape == (3, *size)
    assert normal.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(normal, axis=0), 1.0, atol=1e-5)
    assert edge.shape == (1, *size)
    assert edge.dtype == np.float32
    assert set(np.unique(edge)) <= {0.0, 1.0}


def test_labels_do_not_depend_on_the_look_but_images_do():
    samples = [Rooms(look, (40, 56)).sample("test", 11) for look in LOOKS]
    for other in samples[1:]:
        for task, label in samples[0].labels.items():
            np.testing.assert_array_equal(label, other.labels[task])
    for i, a in enumerate(samples):
        for b in samples[i + 1 :]:
            assert np.abs(a.image.astype(float) - b.image).mean() > 15, "looks should be a sizeable shift"


def test_splits_and_indices_differ():
    domain = Rooms("studio", (32, 32))
    seen = {digest(domain.sample(split, index)) for split in ("train", "val", "test") for index in range(4)}
    assert len(seen) == 12


def test_is_the_same_in_another_process():
    code = (
        "import hashlib, numpy as np\n"
        "from ttt_bench.domains.rooms.domain import Rooms\n"
        "s = Rooms('neon', (48, 64)).sample('val', 7)\n"
        "sha = hashlib.sha256(s.image.tobytes())\n"
        "[sha.update(np.ascontiguousarray(s.labels[t]).tobytes()) for t in sorted(s.labels)]\n"
        "print(sha.hexdigest()[:16])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == digest(Rooms("neon", (48, 64)).sample("val", 7))


GOLDEN = {
    "studio": "c6c2e2364f7a9ae1",
    "dusk": "b6a4526d0152d7cb",
    "fog": "e356ae99ec432e76",
    "neon": "75dafee1a2ace952",
    "faded": "be8d1ef513f51878",
    "ornate": "a7f80e35bad53400",
    "cctv": "177caadc33fe64c1",
    "crawl": "5deec662f77107fe",
    "loft": "90f19a4c3367bca7",
    "clutter": "b40433c8ee72634f",
}


@pytest.mark.parametrize("look", [*LOOKS, *WORLDS])
def test_pixels_are_pinned(look):
    """Changed pixels need a higher ``rooms.domain.VERSION``; the arithmetic is exact on every machine."""
    assert digest(Rooms(look, (64, 64)).sample("test", 0)) == GOLDEN[look]


def test_fingerprint_tells_content_not_names():
    base = Rooms("studio", (64, 64)).fingerprint()
    assert base == Rooms("studio", (64, 64)).fingerprint()
    assert len({base, Rooms("fog", (64, 64)).fingerprint(), Rooms("studio", (64, 65)).fingerprint()}) == 3


def test_statistics_are_those_of_a_furnished_room():
    domain = Rooms("studio", (64, 64))
    samples = [domain.sample("train", i) for i in range(80)]
    semseg = np.stack([s.labels["semseg"] for s in samples])
    assert 0.25 < (semseg != UNLABELLED).mean() < 0.45
    shares = [(semseg == k).mean() for k in range(10)]
    assert min(shares) > 0.005
    assert 0.03 < np.mean([s.labels["edge"].mean() for s in samples]) < 0.10
    assert all(len(np.unique(s)) > 2 for s in semseg)


@pytest.mark.parametrize("world", [USUAL, *WORLDS.values()], ids=["usual", *WORLDS])
def test_exact_normals_agree_with_differences_of_depth_on_flat_surfaces(world):
    size = (96, 96)
    scene = build_scene(np.random.Generator(np.random.PCG64(4)), world)
    frame = cast(scene, size)
    x = (np.arange(size[1]) + 0.5 - size[1] / 2) / frame.focal
    y = -(np.arange(size[0]) + 0.5 - size[0] / 2) / frame.focal
    z = frame.depth.astype(np.float64)
    points = np.stack((x[None, :] * z, y[:, None] * z, -z))
    across, down = points[:, :-1, 1:] - points[:, :-1, :-1], points[:, 1:, :-1] - points[:, :-1, :-1]
    estimate = np.cross(down, across, axis=0)
    estimate /= np.linalg.norm(estimate, axis=0)
    part, kinds = frame.part, np.array([BOX] * 6 + [p.kind for piece in scene.pieces for p in piece.parts])
    same = (part[:-1, :-1] == part[1:, :-1]) & (part[:-1, :-1] == part[:-1, 1:]) & (kinds[part[:-1, :-1]] == BOX)
    from ttt_bench.domains.rooms.labels import camera_normals

    exact = camera_normals(frame.normal, scene.camera)
    constant = (np.abs(exact[:, 1:, :-1] - exact[:, :-1, :-1]).max(0) < 1e-3) & (
        np.abs(exact[:, :-1, 1:] - exact[:, :-1, :-1]).max(0) < 1e-3
    )
    flat = same & constant
    cosine = (estimate * exact[:, :-1, :-1]).sum(0)[flat]
    assert flat.mean() > 0.5
    assert cosine.min() > 0.999


@pytest.mark.parametrize("look", ["studio", *WORLDS])
def test_every_normal_faces_the_viewer(look):
    sample = Rooms(look, (64, 64)).sample("train", 5)
    half = 0.5 * 64
    scene_tangent = build_scene(_generator(ROOT_SEED, 0, 5), WORLDS.get(look, USUAL)).camera.tangent
    y, x = (half - 0.5 - np.arange(64)) / half * scene_tangent, (np.arange(64) + 0.5 - half) / half * scene_tangent
    normal = sample.labels["normal"]
    facing = normal[2] - normal[0] * x[None, :] - normal[1] * y[:, None]
    assert (facing > -0.2).all()
    assert (facing > 0).mean() > 0.99


def test_floors_point_up_and_lie_low():
    normals = [Rooms("studio", (64, 64)).sample("train", i).labels["normal"] for i in range(5)]
    assert np.mean([n[1, 48:].mean() - n[1, :16].mean() for n in normals]) > 0.3


@pytest.mark.parametrize("builders", [BUILDERS, other_furniture.BUILDERS], ids=["usual", "other"])
@pytest.mark.parametrize("index", range(10))
def test_every_kind_of_furniture_stays_inside_its_bounding_box(index, builders):
    """The renderer looks for a piece inside its box only, so a part that sticks out would be cut off."""
    for seed in range(20):
        piece = builders[index](Dice(np.random.Generator(np.random.PCG64(seed))))
        assert piece.label == index
        for part in piece.parts:
            assert part.kind in (BOX, ELLIPSOID, CYLINDER)
            assert abs(part.centre[0]) + part.half[0] <= piece.half_width + 0.06, CLASSES[index]
            assert abs(part.centre[2]) + part.half[2] <= piece.half_depth + 0.06, CLASSES[index]
            assert part.centre[1] + part.half[1] <= piece.height + 0.03, CLASSES[index]
            assert min(part.half) > 0


@pytest.mark.parametrize("world", [USUAL, *WORLDS.values()], ids=["usual", *WORLDS])
def test_furniture_stands_apart(world):
    for seed in range(30):
        pieces = build_scene(np.random.Generator(np.random.PCG64(seed)), world).pieces
        standing = [p for p in pieces if p.label != UNLABELLED and p.y == 0]
        assert sum(p.label != UNLABELLED for p in pieces) >= 4
        for i, a in enumerate(standing):
            for b in standing[i + 1 :]:
                apart_x = abs(a.x - b.x) >= a.extents[0] + b.extents[0]
                apart_z = abs(a.z - b.z) >= a.extents[1] + b.extents[1]
                assert apart_x or apart_z


def test_every_domain_has_a_fingerprint_of_its_own_and_the_looks_keep_theirs():
    found = {look: Rooms(look, (64, 64)).fingerprint() for look in [*LOOKS, *WORLDS]}
    assert len(set(found.values())) == len(found) == 10
    assert found["fog"] == "4d947d1da7a6be09"


@pytest.mark.parametrize("name", WORLDS)
def test_a_world_differs_in_its_labels_where_a_look_does_not(name):
    usual, other = Rooms("studio", (48, 48)).sample("test", 2), Rooms(name, (48, 48)).sample("test", 2)
    assert (usual.labels["semseg"] != other.labels["semseg"]).mean() > 0.015
    assert np.abs(usual.labels["depth"] - other.labels["depth"]).mean() > 0.03


@pytest.mark.parametrize("name", WORLDS)
def test_labelled_outlines_are_edges_in_every_world(name):
    for index in range(4):
        labels = Rooms(name, (64, 64)).sample("test", index).labels
        semseg, edge = labels["semseg"].astype(int), labels["edge"][0] > 0
        near = edge.copy()
        for axis in (0, 1):
            for step in (-1, 1):
                near |= np.roll(edge, step, axis)
        border = (semseg[:, 1:] != semseg[:, :-1]) & (np.minimum(semseg[:, 1:], semseg[:, :-1]) != UNLABELLED)
        assert near[:, 1:][border].mean() > 0.9


def test_worlds_put_the_camera_and_the_clutter_where_they_say():
    def scenes(world):
        return [build_scene(np.random.Generator(np.random.PCG64(seed)), world) for seed in range(12)]

    for name, low, high, looks_up in (("cctv", 2.05, 2.25, False), ("crawl", 0.14, 0.28, True)):
        for scene in scenes(WORLDS[name]):
            assert low <= scene.camera.position[1] <= min(high, scene.size[1])
            assert (scene.camera.forward[1] > 0) == looks_up
    plain, littered = (np.mean([len(s.pieces) for s in scenes(w)]) for w in (USUAL, WORLDS["clutter"]))
    assert littered > plain + 8


def test_refuses_what_it_cannot_do():
    with pytest.raises(UserError, match="no look 'studioo'") as error:
        Rooms("studioo", (64, 64))
    assert "Did you mean 'studio'" in error.value.hint
    with pytest.raises(UserError, match="too small"):
        Rooms("studio", (8, 64))
    with pytest.raises(IndexError, match="10000 test samples"):
        Rooms("studio", (64, 64)).sample("test", 10_000)
    with pytest.raises(IndexError):
        Rooms("studio", (64, 64)).sample("test", -1)
