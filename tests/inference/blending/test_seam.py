import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_inpaint.inference.blending.seam import correct, keep_among
from napari_inpaint.inference.inputs.boxes import Box
from napari_inpaint.inference.windows.intensity import sample_context
from tests.inference.blending.windows import PLACES, SHAPES, window


@pytest.mark.parametrize(("box", "rectangular"), SHAPES)
def test_a_constant_error_is_removed(box, rectangular):
    image, _, hole = window(box, rectangular)
    np.testing.assert_allclose(correct(image + 0.2, image, hole, [box])[:, hole], image[:, hole], atol=1e-9)


@pytest.mark.parametrize(("box", "rectangular"), [(PLACES["inside"], True), (PLACES["inside"], False),
                                                  (PLACES["one pixel"], True)])  # fmt: skip
def test_a_linear_error_is_removed(box, rectangular):
    image, _, hole = window(box, rectangular)
    y, x = np.mgrid[:72, :80]
    corrected = correct(image + 0.01 * y - 0.02 * x, image, hole, [box])
    np.testing.assert_allclose(corrected[:, hole], image[:, hole], atol=1e-9)


def test_float32_is_kept_and_enough():
    image, completion, hole = window(PLACES["inside"])
    exact = correct(completion, image, hole, [PLACES["inside"]])
    single = correct(completion.astype(np.float32), image.astype(np.float32), hole, [PLACES["inside"]])
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, exact, atol=2e-6)


def test_no_rim_no_correction():
    everything = Box(0, 0, 72, 80)
    image, completion, hole = window(everything)
    np.testing.assert_allclose(correct(completion, image, hole, [everything]), completion, atol=1e-9)


def test_unknown_pixels_on_the_rim_do_not_count():
    box = PLACES["inside"]
    image, _, unknown = window(box)
    unknown[box.y0 - 1, :] = True  # another hole, or NaN, right above
    image[:, box.y0 - 1, :] = 1e6
    corrected = correct(image + 0.25, image, unknown, [box])
    np.testing.assert_allclose(corrected[:, *box.slices], image[:, *box.slices], atol=1e-9)


def test_pieces_of_one_hole_agree_where_they_meet():
    """Each is solved with the beginning of the other, so the membrane has no step between them."""
    y, x = np.mgrid[:72, :80] / 80
    image, completion = np.stack([y + x, y * x, x**2]), np.zeros((3, 72, 80))
    left, right = Box(30, 20, 36, 40), Box(30, 40, 36, 60)
    unknown = np.zeros((72, 80), bool)
    unknown[left.slices] = unknown[right.slices] = True
    whole = correct(completion, image, unknown, [left, right])
    for piece in (left, right):
        part = correct(completion, image, unknown, [piece])
        np.testing.assert_allclose(part[:, *piece.slices], whole[:, *piece.slices], atol=1e-3)


@given(st.floats(-1, 1), st.floats(-0.01, 0.01), st.floats(-0.01, 0.01), st.integers(0, 2**32 - 1))
def test_in_a_plane_the_fill_is_the_plane(level, down, right, seed):
    y, x = np.mgrid[:72, :80]
    image = (level + down * y + right * x)[None]
    _, _, hole = window(Box(0, 0, 40, 50))
    context, box = sample_context(~hole, hole), Box(0, 0, 40, 50)
    painted = np.random.default_rng(seed).normal(size=(1, 40, 50))
    np.testing.assert_allclose(keep_among(painted, box, image, context), image[:, *box.slices], atol=1e-9)


def test_what_is_among_the_surroundings_is_kept():
    box = PLACES["inside"]
    image, completion, hole = window(box)
    context, painted = sample_context(~hole, hole), completion[:, *box.slices]
    among = 0.25 + painted / 2
    np.testing.assert_array_equal(keep_among(among, box, image, context), among)
    kept = keep_among(painted * 100 - 50, box, image, context)
    assert -0.2 < kept.min() < kept.max() < 1.2


def test_a_window_of_one_row_has_a_plane_too():
    image, hole = np.linspace(0, 1, 50)[None, None], np.zeros((1, 50), bool)
    hole[0, 20:30] = True
    kept = keep_among(np.zeros((1, 1, 10)), Box(0, 20, 1, 30), image, sample_context(~hole, hole))
    np.testing.assert_allclose(kept, image[..., 20:30], atol=1e-9)


def test_too_few_pixels_have_no_slope():
    """Two neighbours must not lead to a ramp over the whole window."""
    image, hole = np.zeros((1, 20, 50)), np.ones((20, 50), bool)
    image[0, 5, 6] = 1
    hole[5, 5] = hole[5, 6] = False
    kept = keep_among(np.full((1, 20, 50), 9.0), Box(0, 0, 20, 50), image, sample_context(~hole, hole))
    np.testing.assert_allclose(kept, 1)


@pytest.mark.parametrize("flip", [False, True])
def test_far_extremes_at_one_side_do_not_tilt_what_is_allowed(flip):
    image = np.random.default_rng(0).uniform(0.4, 0.6, (1, 60, 60))
    image[:, :, :3] = 2.0  # what a curve makes of values far beyond it
    box = Box(20, 44, 40, 58)
    if flip:
        image, box = image[..., ::-1], Box(20, 2, 40, 16)
    hole = np.zeros((60, 60), bool)
    hole[box.slices] = True
    kept = keep_among(np.full((1, box.height, box.width), -5.0), box, image, sample_context(~hole, hole))
    assert kept.min() >= 0
    kept = keep_among(np.full((1, box.height, box.width), 5.0), box, image, sample_context(~hole, hole))
    assert kept.max() <= 1.0
