import numpy as np
from scipy.ndimage import label

from ttt_bench.domains.pixels.thinning import boundaries, thin


def test_thinning_leaves_one_pixel_lines_and_their_topology():
    bar = np.zeros((9, 20), bool)
    bar[3:6, 2:18] = True
    thinned = thin(bar)
    assert thinned.sum() < 20
    assert (thinned.sum(0) <= 1).all()
    assert (thinned <= bar).all()
    assert np.array_equal(thin(thinned), thinned)
    ring = np.zeros((12, 12), bool)
    ring[1:11, 1:11] = True
    ring[5:7, 5:7] = False
    assert label(~thin(ring))[1] == 2, "the hole must stay closed"


def test_boundaries_of_regions_are_lines():
    labels = np.zeros((8, 8), np.uint16)
    labels[:, 4:] = 7
    edges = boundaries(labels)
    assert edges[1:, 3].all(), "the two-pixel band is thinned to its left column"
    assert edges.sum() == 7
