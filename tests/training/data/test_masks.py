import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inpaint_training.data.masks import Boxes, BoxesAndStrokes, Centre, Outline, random_box, render_masks


@given(st.integers(1, 20), st.integers(0, 20), st.integers(0, 10), st.integers(0, 2**32 - 1), st.booleans())
def test_boxes_keep_their_margin_and_size(smallest, extra, margin, seed, square):
    largest = smallest + extra
    height, width = largest + 2 * margin, largest + 2 * margin + 7
    y0, x0, y1, x1 = random_box(height, width, smallest, largest, margin, np.random.default_rng(seed), square)
    assert margin <= y0 < y1 <= height - margin
    assert margin <= x0 < x1 <= width - margin
    assert {y1 - y0, x1 - x0} <= set(range(smallest, largest + 1))
    assert not square or y1 - y0 == x1 - x0


def draw(policy, size, count):
    rng = np.random.default_rng(0)
    outlines = [policy.draw(size, rng) for _ in range(count)]
    return outlines, render_masks(outlines, size)


def test_boxes_reach_every_edge():
    _, masks = draw(Boxes(5, 9), 20, 500)
    assert masks.shape == (500, 1, 20, 20)
    assert set(masks.unique().tolist()) == {0, 1}
    for edge in (masks[..., 0, :], masks[..., -1, :], masks[..., 0], masks[..., -1]):
        assert edge.any()


def test_the_centre_is_the_centre():
    _, masks = draw(Centre(8), 20, 1)
    expected = torch.zeros(20, 20)
    expected[6:14, 6:14] = 1
    torch.testing.assert_close(masks[0, 0], expected)


def test_strokes_are_holes_inside_their_bounding_box():
    outlines, masks = draw(BoxesAndStrokes(16, 48, strokes=1.0), 64, 200)
    for outline, mask in zip(outlines, masks[:, 0], strict=True):
        assert outline.strokes is not None
        ys, xs = np.nonzero(mask.numpy())
        y0, x0, y1, x1 = outline.box
        assert y0 <= ys.min() <= ys.max() < y1
        assert x0 <= xs.min() <= xs.max() < x1
        assert mask[outline.centre] == 1
        assert mask.mean() < 0.9


def test_their_share_is_kept():
    outlines, _ = draw(BoxesAndStrokes(8, 16, strokes=0.3), 32, 1000)
    assert np.mean([outline.strokes is not None for outline in outlines]) == pytest.approx(0.3, abs=0.05)


def test_a_segment_covers_what_is_within_its_radius():
    mask = render_masks([Outline((0, 0, 21, 21), np.array([[10.0, 5.0, 10.0, 15.0, 3.0]]))], 21)[0, 0]
    y, x = np.mgrid[:21, :21]
    distance = np.hypot(y - 10, x - np.clip(x, 5, 15))
    np.testing.assert_array_equal(mask.numpy(), distance <= 3)


def test_a_hole_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="a hole of 30 px with margins of 5 px does not fit in 39 x 50"):
        random_box(39, 50, 10, 30, 5, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Boxes(9, 5), "9 and 5"),
        (lambda: Centre(side=0), r"side\s+Input should be greater than 0"),
        (
            lambda: BoxesAndStrokes(1, 5, strokes=1.5),
            r"strokes\s+Input should be less than or equal to 1 .*input_value=1\.5",
        ),
    ],
)
def test_impossible_policies_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
