import numpy as np
import pytest

from ttt_bench.domains.pixels.edges import edge_map, without_corners
from ttt_bench.domains.pixels.planes import Pinhole, fit_normals

CAMERA = Pinhole(60.0, 62.0, 33.0, 20.0)
SHAPE = (40, 64)


def plane_depth(normal, distance=2.5):
    """Depth of the plane n . P = -distance in the frame x right, y up, z towards the viewer."""
    x = (np.arange(SHAPE[1])[None, :] - CAMERA.cx) / CAMERA.fx
    y = -(np.arange(SHAPE[0])[:, None] - CAMERA.cy) / CAMERA.fy
    return (distance / -(normal[0] * x + normal[1] * y - normal[2])).astype(np.float32)


@pytest.mark.parametrize("normal", [(0, 0, 1), (0.5, 0, 1), (0, 1, 1.2), (-0.6, -0.3, 1), (0.2, 0.6, 1)])
def test_recovers_the_normal_of_a_plane(normal):
    unit = np.array(normal) / np.linalg.norm(normal)
    found = fit_normals(plane_depth(unit), CAMERA)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.broadcast_to(unit[:, None, None], found.shape), atol=1e-3)


def test_does_not_fit_across_a_depth_jump():
    left, right = plane_depth(np.array([0, 0, 1.0])), plane_depth(np.array([0, 0, 1.0]), 4.0)
    depth = np.where(np.arange(SHAPE[1]) < 30, left, right)
    assert fit_normals(depth, CAMERA)[2].min() > 0.9999


def test_marks_missing_depth_as_invalid():
    depth = plane_depth(np.array([0, 0, 1.0]))
    depth[10, 10] = 0
    depth[:, 40:] = 0
    found = fit_normals(depth, CAMERA)
    assert (found[:, 10, 10] == 255).all()
    assert (found[:, :, 40:] == 255).all()
    valid = np.delete(found[:, :, :40].reshape(3, -1), 10 * 40 + 10, axis=1)
    np.testing.assert_allclose(valid[2], 1.0, atol=1e-4)


def test_only_the_nearer_side_is_marked():
    depth = np.full((6, 8), 3.0)
    depth[2:5, 3:6] = 1.0
    box = depth < 2
    edge = edge_map(depth, lambda a, b: box[a] != box[b])
    assert (edge <= box).all()
    assert edge.sum() == 4, "the four corners of the ring of eight are thinned away, its sides stay"
    edge = edge_map(-depth, lambda a, b: box[a] != box[b])
    assert not (edge & box).any()


def test_thinning_keeps_lines_and_opens_staircases():
    straight = np.zeros((5, 5), bool)
    straight[2] = True
    np.testing.assert_array_equal(without_corners(straight), straight)
    stairs = np.zeros((6, 6), bool)
    for i in range(5):
        stairs[i, i] = stairs[i, i + 1] = True
    thin = without_corners(stairs)
    assert thin.sum() < stairs.sum()
    from scipy import ndimage

    assert ndimage.label(thin, np.ones((3, 3)))[1] == 1, "still one line"
