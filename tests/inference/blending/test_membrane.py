"""The Laplace equation, in rectangles and in any other hole."""

import numpy as np
import pytest

from napari_inpaint.inference.blending import membrane, seam
from napari_inpaint.inference.blending.seam import correct
from napari_inpaint.inference.inputs.boxes import Box
from tests.inference.blending.windows import PLACES, SHAPES, window


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
