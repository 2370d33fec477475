"""360° panoramas: where the edge lies does not matter."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_inpaint import Inpainter

WIDTH = 256


@pytest.fixture(scope="module")
def panorama(photo):
    """A part of a photo and its mirror image: the edges match."""
    part = photo[200:328, 100 : 100 + WIDTH // 2]
    return np.concatenate([part, part[:, ::-1]], 1)


@pytest.mark.parametrize("detail", ["copied", "network", "smooth"])
@pytest.mark.parametrize("grow", [0, 3])
def test_a_rolled_image_gives_the_rolled_fill(inpainter, panorama, detail, grow):
    mask = np.zeros(panorama.shape[:2], bool)
    mask[40:80, 100:140] = mask[10:14, 60:64] = True
    filled = inpainter.fill(panorama, mask, wrap="x", detail=detail, grow=grow)
    for shift in (WIDTH - 120, WIDTH - 101, WIDTH - 139, 77):
        image, hole = np.roll(panorama, shift, 1), np.roll(mask, shift, 1)
        rolled = inpainter.fill(image, hole, wrap="x", detail=detail, grow=grow)
        np.testing.assert_array_equal(rolled, np.roll(filled, shift, 1))


@settings(max_examples=15)
@given(st.integers(0, WIDTH - 1), st.integers(1, WIDTH), st.integers(0, 2**32 - 1))
def test_all_holes_are_filled_and_nothing_else(photo, x, width, seed):
    part = photo[200:264, 100 : 100 + WIDTH // 2, 1]
    image = np.concatenate([part, part[:, ::-1]], 1)
    mask = np.random.default_rng(seed).random(image.shape) > 0.99
    mask[20:30, (x + np.arange(width)) % WIDTH] = True
    inpainter = Inpainter("compact", device="cpu")
    filled = inpainter.fill(np.where(mask, np.nan, image), mask, wrap="x")
    np.testing.assert_array_equal(filled[~mask], image[~mask])
    assert np.isfinite(filled).all()
    assert inpainter.last_record["filled_pixels"] == np.count_nonzero(mask)


def test_a_hole_all_around_has_no_joint(inpainter, panorama):
    spoilt, mask = panorama.copy(), np.zeros(panorama.shape[:2], bool)
    mask[-24:] = True
    spoilt[mask] = 0
    filled = inpainter.fill(spoilt, mask, wrap="x")[mask].reshape(24, WIDTH, 3).astype(float)
    steps = np.abs(np.roll(filled, -1, 1) - filled).mean((0, 2))
    assert steps[-1] <= np.quantile(steps, 0.95)


def test_labels_go_on_across_the_edge(inpainter):
    image = np.where(np.arange(WIDTH) % 128 < 50, 4, 9)[None].repeat(64, 0)
    mask = np.zeros(image.shape, bool)
    mask[30:34] = True
    mask[10:20, :8] = mask[10:20, -8:] = True
    filled = inpainter.fill(np.where(mask, 0, image), mask, wrap="x", values="labels")
    np.testing.assert_array_equal(filled, image)


def test_transparency_goes_on_across_the_edge(inpainter, panorama):
    alpha = np.full(panorama.shape[:2], 255, np.uint8)
    alpha[40:60, :10] = alpha[40:60, -10:] = 0
    image = np.dstack([panorama, alpha])
    mask = alpha == 0
    filled = inpainter.fill(image, mask, wrap="x", alpha=True)
    assert (filled[..., 3] == 255).all()
    turned = inpainter.fill(np.roll(image, 100, 1), np.roll(mask, 100, 1), wrap="x", alpha=True)
    np.testing.assert_array_equal(turned, np.roll(filled, 100, 1))
