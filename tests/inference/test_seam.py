import numpy as np
import pytest

from napari_inpaint.inference.boxes import Box
from napari_inpaint.inference.seam import correct

PLACES = {
    "inside": Box(5, 6, 20, 30), "top": Box(0, 6, 20, 30), "bottom": Box(5, 6, 32, 30), "left": Box(5, 0, 20, 30),
    "right": Box(5, 6, 20, 40), "corner": Box(0, 0, 20, 30), "band": Box(5, 0, 20, 40), "one pixel": Box(7, 7, 8, 8),
}  # fmt: skip


def window(box):
    hole = np.zeros((32, 40), bool)
    hole[box.slices] = True
    return np.random.default_rng(0).random((3, 32, 40), np.float32), hole


@pytest.mark.parametrize("box", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("rectangular", [True, False])
def test_a_constant_error_is_removed(box, rectangular):
    image, hole = window(box)
    if not rectangular and box.width > 1:
        hole[box.y0 + 3, box.x0 + 3] = False
    corrected = correct(image + np.float32(0.2), image, hole, box, ~hole)
    inside = hole[box.slices]
    np.testing.assert_allclose(corrected[:, inside], image[:, *box.slices][:, inside], atol=1e-5)


@pytest.mark.parametrize("box", [PLACES["inside"], PLACES["one pixel"]])
def test_a_linear_error_is_removed(box):
    image, hole = window(box)
    y, x = np.mgrid[:32, :40].astype(np.float32)
    corrected = correct(image + 0.01 * y - 0.02 * x, image, hole, box, ~hole)
    np.testing.assert_allclose(corrected, image[:, *box.slices], atol=1e-5)


@pytest.mark.parametrize("box", PLACES.values(), ids=PLACES)
def test_the_correction_is_harmonic_with_the_error_on_the_rim(box):
    image, hole = window(box)
    completion = np.random.default_rng(1).random((3, 32, 40), np.float32)
    membrane = (image - completion).astype(np.float64)
    membrane[:, *box.slices] = correct(completion, image, hole, box, ~hole) - completion[:, *box.slices]
    padded = np.pad(membrane, ((0, 0), (1, 1), (1, 1)), mode="edge")  # mirrored at the image's edge
    neighbours = padded[:, :-2, 1:-1] + padded[:, 2:, 1:-1] + padded[:, 1:-1, :-2] + padded[:, 1:-1, 2:]
    np.testing.assert_allclose((4 * membrane - neighbours)[:, hole], 0, atol=1e-5)


def test_no_rim_no_correction():
    image, hole = window(Box(0, 0, 32, 40))
    np.testing.assert_array_equal(correct(image, image + 1, hole, Box(0, 0, 32, 40), ~hole), image)


def test_unknown_pixels_on_the_rim_do_not_count():
    box = PLACES["inside"]
    image, hole = window(box)
    known = ~hole
    known[box.y0 - 1, :] = False  # another hole, or NaN, right above
    image[:, box.y0 - 1, :] = 1e6
    corrected = correct(image + np.float32(0.25), image, hole, box, known)
    np.testing.assert_allclose(corrected, image[:, *box.slices], atol=0.1)
