import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from napari_inpaint.inference.inputs.boxes import Box
from napari_inpaint.inference.inputs.holes import BLOCK, Hole, cluster_touching, find_holes, hash_holes


def paint(holes, shape):
    canvas = np.zeros(shape, bool)
    for hole in holes:
        before = canvas.sum()
        hole.paint(canvas, Box(0, 0, *shape))
        assert canvas.sum() - before == hole.pixels, "holes overlap"
    return canvas


@given(st.integers(1, 200), st.integers(1, 200), st.integers(0, 2**32 - 1), st.floats(0, 0.02), st.integers(0, 70))
def test_holes_are_the_masks_grown_components(height, width, seed, density, grow):
    mask = np.random.default_rng(seed).random((height, width)) < density
    expected = ndimage.binary_dilation(mask, np.ones((3, 3)), iterations=grow) if grow else mask
    holes = find_holes(height, width, mask, [], grow)
    np.testing.assert_array_equal(paint(holes, mask.shape), expected)
    assert len(holes) == ndimage.label(expected, np.ones((3, 3)))[1]
    for hole in holes:
        pixels = np.ones((hole.box.height, hole.box.width), bool) if hole.mask is None else hole.mask
        assert pixels[0].any() and pixels[-1].any() and pixels[:, 0].any() and pixels[:, -1].any()


sides = st.integers(1, 40)
boxes = st.builds(
    lambda y, x, h, w: Box(y, x, min(y + h, 90), min(x + w, 120)), st.integers(0, 89), st.integers(0, 119), sides, sides
)


@given(st.lists(boxes, max_size=8), st.integers(0, 5))
def test_boxes_are_found_as_their_mask_would_be(boxes, grow):
    mask = np.zeros((90, 120), bool)
    for box in boxes:
        mask[box.slices] = True
    from_boxes = find_holes(90, 120, None, boxes, grow)
    from_mask = find_holes(90, 120, mask, [], grow)
    np.testing.assert_array_equal(paint(from_boxes, mask.shape), paint(from_mask, mask.shape))
    assert [hole.box for hole in from_boxes] == [hole.box for hole in from_mask]
    assert hash_holes([((), from_boxes)]) == hash_holes([((), from_mask)])
    assert hash_holes([((), find_holes(90, 120, mask, boxes, grow))]) == hash_holes([((), from_mask)])


def test_a_hash_depends_on_the_plane_and_on_every_pixel():
    masks = [np.zeros((40, 50), bool) for _ in range(3)]
    masks[0][3:9, 3:9] = masks[1][3:9, 3:9] = masks[2][3:9, 3:9] = True
    masks[1][3, 3] = False
    hashes = {hash_holes([((), find_holes(40, 50, mask, [], 0))]) for mask in masks}
    assert len(hashes) == 2
    assert hash_holes([((1,), find_holes(40, 50, masks[0], [], 0))]) not in hashes


def test_an_isolated_box_needs_no_mask_however_large_the_plane():
    (hole,) = find_holes(10**7, 10**7, None, [Box(5, 5, 300, 10**6)], 2)
    assert (hole.box, hole.mask) == (Box(3, 3, 302, 10**6 + 2), None)


def test_touching_boxes_are_one_group():
    corner, apart = Box(10, 10, 20, 20), Box(21, 9, 30, 30)
    chain = [Box(0, 0, 4, 4), corner, Box(4, 4, 10, 10), apart]
    groups = cluster_touching(chain)
    assert sorted(map(len, groups)) == [1, 3]
    assert [apart] in groups


def test_a_hole_across_block_borders_is_one():
    mask = np.zeros((3 * BLOCK, 3 * BLOCK), bool)
    np.fill_diagonal(mask, True)
    (hole,) = find_holes(*mask.shape, mask, [], 0)
    assert hole.pixels == 3 * BLOCK


@pytest.mark.parametrize(("shape", "size"), [((10, 4), 4), ((1, 90), 1), ((30, 30), 30), ((5, 5), 5)])
def test_size_is_the_side_of_the_largest_square(shape, size):
    box = Box(5, 6, 5 + shape[0], 6 + shape[1])
    assert Hole(box).size == size
    canvas = np.zeros((60, 100), bool)
    canvas[box.slices] = canvas[5:8, 6:9] = canvas[box.y1, box.x1] = True  # no rectangle any more
    (hole,) = find_holes(60, 100, canvas, [], 0)
    assert hole.mask is not None
    assert hole.size == max(size, 3)


def test_a_hole_from_edge_to_edge_is_as_large_as_it_is_long():
    """Nothing is known beyond the edges, so the network must paint from one end to the other."""
    (band,) = find_holes(20, 300, None, [Box(0, 50, 20, 250)], 0)
    assert (band.size, band.spans) == (200, (True, False))
    mask = np.zeros((20, 300), bool)
    mask[:, 50:250] = mask[3, 250] = True
    (ragged,) = find_holes(20, 300, mask, [], 0)
    assert ragged.size == 200
    (defect,) = find_holes(1, 300, None, [Box(0, 50, 1, 51)], 0)
    assert defect.size == 1


def test_a_long_scratch_is_small():
    y, x = np.mgrid[:41, :41]
    assert Hole(Box(0, 0, 41, 41), np.abs(y - 20) + np.abs(x - 20) <= 20).size == 21
    scratch = Hole(Box(0, 0, 30, 30), np.eye(30, dtype=bool))
    assert scratch.size == 1
    assert scratch.is_narrower_than(2)
    assert not scratch.is_narrower_than(1)


def test_painting_is_clipped_to_the_canvas():
    canvas = np.zeros((4, 5), bool)
    Hole(Box(0, 0, 12, 12)).paint(canvas, Box(10, 10, 14, 15))
    assert canvas.sum() == 4
    Hole(Box(20, 20, 22, 22)).paint(canvas, Box(10, 10, 14, 15))
    assert canvas.sum() == 4
