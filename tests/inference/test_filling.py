"""Windows are filled one after another, none from another one's fill."""

import warnings

import numpy as np
import pytest


def test_what_is_under_the_hole_does_not_matter(inpainter, photo):
    box = (200, 300, 290, 400)
    other = photo.copy()
    other[200:290, 300:400] = np.random.default_rng(0).integers(0, 255, (90, 100, 3))
    np.testing.assert_array_equal(inpainter.fill(photo, boxes=[box]), inpainter.fill(other, boxes=[box]))


def test_a_long_scratch_and_a_frame_are_filled(inpainter, photo):
    mask = np.zeros(photo.shape[:2], bool)
    mask[np.arange(500), np.arange(500) + 50] = True
    mask[:2] = mask[-2:] = mask[:, :2] = mask[:, -2:] = True
    result = inpainter.fill(photo, mask, grow=1)
    assert len(inpainter.last_record["windows"]) > 4
    filled = (result != photo).any(-1)
    assert np.abs(result.astype(int) - photo)[filled].mean() < 15


def test_thousands_of_defects_take_one_pass_without_the_network(inpainter, photo):
    mask = np.random.default_rng(0).random(photo.shape[:2]) < 0.02
    spoilt = np.where(mask[..., None], 255, photo).astype(np.uint8)
    result = inpainter.fill(spoilt, mask)
    record = inpainter.last_record
    assert record["provider"] == ""
    assert record["network_seconds"] == 0
    assert len(record["windows"]) <= 6
    error = np.abs(result.astype(int) - photo)[mask]
    assert error.mean() < 0.25 * np.abs(spoilt.astype(int) - photo)[mask].mean()


@pytest.mark.filterwarnings("ignore:a hole is")
def test_a_thin_tail_that_vanishes_at_a_lower_resolution_is_filled(inpainter):
    image = np.broadcast_to(np.linspace(20, 220, 1200).round().astype(np.uint8), (400, 1200))
    mask = np.zeros(image.shape, bool)
    mask[100:260, 20:180] = mask[180, 180:1190] = True
    filled = inpainter.fill(np.where(mask, 255, image).astype(np.uint8), mask, detail="network")
    assert inpainter.last_record["windows"][0]["factor"] > 1
    assert (filled[~mask] == image[~mask]).all()
    assert np.abs(filled[180, 200:1190].astype(int) - image[180, 200:1190]).max() < 10


@pytest.mark.parametrize("shape", [(20, 3000), (1, 3000), (3000, 20)])
def test_a_hole_across_a_narrow_image_is_one(inpainter, shape):
    """Its ends are far apart, and all that is known lies beyond them."""
    along = np.arange(3000) // 1500 * 200.0
    image = np.broadcast_to(along if shape[1] == 3000 else along[:, None], shape)
    box = (0, 1000, shape[0], 1900) if shape[1] == 3000 else (1000, 0, 1900, shape[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        result = inpainter.fill(image, boxes=[box])
    profile = result.mean(0 if shape[1] == 3000 else 1)[1000:1900]
    assert np.abs(np.diff(profile)).max() < 20  # no steps between pieces
    assert profile[0] < 20
    assert profile[-1] > 180
