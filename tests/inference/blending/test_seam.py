import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_inpaint.inference.blending import membrane, seam
from napari_inpaint.inference.blending.seam import correct, keep_among
from napari_inpaint.inference.inputs.boxes import Box
from napari_inpaint.inference.windows.intensity import sample_context

PLACES = {
    "inside": Box(15, 16, 50, 70), "top": Box(0, 16, 50, 70), "bottom": Box(15, 16, 72, 70),
    "left": Box(15, 0, 50, 70), "right": Box(15, 16, 50, 80), "corner": Box(0, 0, 40, 60), "band": Box(15, 0, 50, 80),
    "two corners": Box(0, 0, 72, 70), "one pixel": Box(7, 7, 8, 8),
}  # fmt: skip


def window(box, rectangular=True, seed=0):
    """An image, a completion and a hole: the box, or what is left of it without a corner and a pixel."""
    hole = np.zeros((72, 80), bool)
    hole[box.slices] = True
    if not rectangular:
        hole[box.y0 + 3, box.x0 + 3] = False
        hole[box.y0 : box.y0 + 9, box.x0 : box.x0 + 7] = False
    rng = np.random.default_rng(seed)
    return rng.random((3, 72, 80)), rng.random((3, 72, 80)), hole


SHAPES = [(box, True) for box in PLACES.values()] + [(PLACES[name], False) for name in ("inside", "top", "corner")]


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


@pytest.mark.parametrize(("box", "rectangular"), SHAPES)
def test_the_correction_is_harmonic_with_the_error_on_the_rim(box, rectangular):
    image, completion, hole = window(box, rectangular)
    membrane = np.where(hole, correct(completion, image, hole, [box]), image) - completion
    padded = np.pad(membrane, ((0, 0), (1, 1), (1, 1)), mode="edge")  # mirrored at the image's edge
    neighbours = padded[:, :-2, 1:-1] + padded[:, 2:, 1:-1] + padded[:, 1:-1, :-2] + padded[:, 1:-1, 2:]
    np.testing.assert_allclose((4 * membrane - neighbours)[:, hole], 0, atol=1e-9)


@pytest.mark.parametrize(("most", "tolerance"), [(10**9, 1e-9), (0, 5e-4)])
@pytest.mark.parametrize("place", PLACES)
def test_rectangles_and_other_holes_are_solved_alike(monkeypatch, place, most, tolerance):
    """By the sine transform, directly, and by multigrid."""
    image, completion, hole = window(PLACES[place])
    monkeypatch.setattr(seam, "SMALLEST_RECTANGLE", 1)
    exact = correct(completion, image, hole, [PLACES[place]])
    monkeypatch.setattr(seam, "SMALLEST_RECTANGLE", 10**9)
    monkeypatch.setattr(membrane, "MOST_DIRECT", most)
    np.testing.assert_allclose(correct(completion, image, hole, [PLACES[place]]), exact, atol=tolerance)


HOLES = {
    "disc": lambda y, x: (y - 150) ** 2 + (x - 160) ** 2 < 130**2,
    "disc at the corner": lambda y, x: y**2 + x**2 < 250**2,
    "frame": lambda y, x: np.minimum(np.minimum(y, 299 - y), np.minimum(x, 319 - x)) < 40,
    "comb": lambda y, x: (x % 7 < 6) | (y < 20),
    "noise": lambda y, x: np.random.default_rng(0).random(y.shape) < 0.9,
    "one known pixel": lambda y, x: (y != 170) | (x != 33),
}


@pytest.mark.parametrize("name", HOLES)
def test_large_holes_of_any_shape_have_a_membrane(name):
    y, x = np.mgrid[:300, :320]
    hole = HOLES[name](y, x)
    given = np.stack([np.full(y.shape, 0.2), 0.1 + 0.3 * y / 320 - 0.2 * x / 320, (x**2 - y**2) / 320**2])
    filled = np.where(hole, correct(np.zeros_like(given), given, hole, [Box(0, 0, 300, 320)]), given)
    np.testing.assert_allclose(filled[0], 0.2, atol=1e-3)
    if name == "disc":  # all of the rim is given, so the harmonic function on it continues inside
        np.testing.assert_allclose(filled, given, atol=1e-3)
    padded = np.pad(filled, ((0, 0), (1, 1), (1, 1)), mode="edge")
    neighbours = padded[:, :-2, 1:-1] + padded[:, 2:, 1:-1] + padded[:, 1:-1, :-2] + padded[:, 1:-1, 2:]
    assert np.abs(4 * filled - neighbours)[:, hole].max() < 1e-3


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
