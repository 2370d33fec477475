"""Angles: no grey between the wraps, and turned images give turned fills."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_inpaint import Inpainter

Y, X = np.mgrid[:96, :120]
RAMP = 0.16 * X + 0.05 * Y + 0.3 * np.sin(Y / 20)
BOX = (40, 30, 44, 100)


def to_range(angle, start=-np.pi, dtype=np.float32):
    return (start + (angle - start) % (2 * np.pi)).astype(dtype)


def difference(one, other):
    return np.abs(np.angle(np.exp(1j * (np.asarray(one, float) - other))))


def inside(box):
    mask = np.zeros(RAMP.shape, bool)
    mask[box[0] : box[2], box[1] : box[3]] = True
    return mask


@settings(max_examples=15)
@given(st.floats(-10, 10), st.sampled_from([-np.pi, 0.0]), st.sampled_from(["f4", ">f8"]))
def test_a_turned_image_gives_the_turned_fill(turn, start, dtype):
    fill, mask = Inpainter("compact", device="cpu").fill, inside(BOX)
    first = fill(to_range(RAMP), mask, values="phase")
    turned = to_range(RAMP + turn, start, dtype)
    second = fill(turned, mask, values="phase")
    assert difference(second[mask], first[mask] + turn).max() < 0.02
    assert difference(first[mask], RAMP[mask]).max() < 0.02
    assert second[mask].min() >= start - 1e-3
    assert second[mask].max() <= start + 2 * np.pi + 1e-3
    assert second.dtype == turned.dtype
    assert second[~mask].tobytes() == turned[~mask].tobytes()


@pytest.mark.parametrize("detail", ["copied", "network", "smooth"])
def test_there_is_no_grey_between_the_wraps(inpainter, detail):
    """Two values, that are far apart as numbers and near as angles."""
    image = np.where((X + Y) % 2, np.float32(3.1), np.float32(-3.1))
    filled = inpainter.fill(image, boxes=[(30, 40, 60, 70)], values="phase", detail=detail)
    assert difference(filled, np.pi).max() < 0.1


def test_copies_without_correction_are_the_bits_of_their_sources(inpainter):
    image = to_range(np.random.default_rng(0).normal(0, 1, RAMP.shape))
    mask = inside((30, 40, 70, 80))
    filled = inpainter.fill(image, mask, values="phase", seam=False)
    copies = inpainter.last_record["copies"]
    assert copies[0]["offsets"]
    assert not copies[0]["shares"]
    assert np.isin(filled[mask], image[~mask]).all()


def test_what_is_under_the_hole_does_not_matter(inpainter):
    mask = inside(BOX)
    spoilt = np.where(mask, np.float32(np.nan), to_range(RAMP))
    first = inpainter.fill(spoilt, nan_is_hole=True, values="phase")
    np.testing.assert_array_equal(inpainter.fill(np.where(mask, 999, spoilt), mask, values="phase"), first)


def test_a_value_that_stands_for_none_is_no_angle(inpainter):
    image = to_range(RAMP)
    image[:, :28] = -9999
    filled = inpainter.fill(image, boxes=[BOX], values="phase", nodata=-9999)
    assert difference(filled, RAMP)[inside(BOX)].max() < 0.02


def test_channels_are_angles_too(inpainter):
    image = np.stack([to_range(RAMP), to_range(-RAMP), to_range(2 * RAMP)])
    filled = inpainter.fill(image, boxes=[BOX], values="phase", channel_axis=0)
    assert difference(filled, [RAMP, -RAMP, 2 * RAMP]).max() < 0.05


@pytest.mark.parametrize(
    ("image", "remedy"),
    [(np.full((50, 50), 3, np.int32), "2 \\* numpy.pi / 256"), (np.linspace(0, 360, 2500).reshape(50, 50), "deg2rad")],
)
def test_other_numbers_are_refused_with_the_remedy(inpainter, image, remedy):
    with pytest.raises(ValueError, match=remedy):
        inpainter.fill(image, boxes=[(10, 10, 20, 20)], values="phase")


def test_lazy_images_and_images_in_place_are_filled_the_same(inpainter):
    da = pytest.importorskip("dask.array")
    image = to_range(RAMP)
    filled = inpainter.fill(image, boxes=[BOX], values="phase")
    lazy = inpainter.fill(da.from_array(image, chunks=32), boxes=[BOX], values="phase")
    np.testing.assert_array_equal(lazy.compute(), filled)
    inpainter.fill(image, boxes=[BOX], values="phase", out=image)
    np.testing.assert_array_equal(image, filled)
