import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_inpaint.inference.windows.intensity import (
    Context,
    IntensityCurve,
    find_curve,
    from_rgb,
    from_tensor,
    sample_context,
    to_rgb,
    to_tensor,
)

DTYPES = [bool, np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.float16, np.float32, np.float64]


def context_of(known):
    return Context(*np.nonzero(known), rim=0, share=1.0)


@given(st.sampled_from(DTYPES).flatmap(lambda dtype: hnp.arrays(dtype, (5, 4, 3))))
def test_there_and_back(pixels):
    """Pixels inside the intensity range come back: exactly up to 16 bits, others to within rounding of their range."""
    known = np.isfinite(pixels).all(-1)
    if not known.any():
        with pytest.raises(ValueError, match="no pixel is known"):
            sample_context(known, ~known)
        return
    intensity = find_curve(pixels, context_of(known))
    tensor = to_tensor(pixels, ~known, intensity)
    assert tensor.dtype == np.result_type(pixels.dtype, np.float32)
    assert np.isfinite(tensor).all()
    assert -1 <= tensor.min() <= tensor.max() <= 2
    back = from_tensor(tensor, pixels.dtype, intensity)
    assert back.dtype == pixels.dtype
    span = float(intensity.high) / 2 - float(intensity.low) / 2
    eps = 2**-10 if pixels.dtype == np.float16 else 2**-22 if pixels.dtype == np.float32 else 2**-50
    tolerance = 0 if pixels.dtype.kind in "bui" and pixels.dtype.itemsize <= 2 else max(span * eps, 1e-300)
    if pixels.dtype.kind in "bui":
        tolerance = np.floor(tolerance)
    difference = np.abs(back.astype(float) / 2 - pixels.astype(float) / 2)[known]
    assert difference.max() <= tolerance


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.uint64, np.int64])
def test_filled_integers_stay_in_their_dtype(dtype):
    limits = np.iinfo(dtype)
    intensity = IntensityCurve(limits.min, limits.max)
    beyond = np.array([-1e30, -0.5, 0, 0.5, 1, 1.5, 1e30]).reshape(1, 7)
    filled = from_tensor(beyond, np.dtype(dtype), intensity).ravel().tolist()
    assert filled[:3] == [limits.min] * 3
    assert filled[4:] == [limits.max] * 3
    assert abs(filled[3] - (limits.min + limits.max) / 2) <= 1
    inner = from_tensor(beyond, np.dtype(dtype), IntensityCurve(limits.max - 9, limits.max - 5)).ravel().tolist()
    assert inner == [limits.min, *(limits.max - minus for minus in (11, 9, 7, 5, 3, 0))]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_filled_floats_stay_finite(dtype):
    largest = float(np.finfo(dtype).max)
    filled = from_tensor(np.array([[-1e30, 0.25, 1e30]]), np.dtype(dtype), IntensityCurve(-largest, largest)).ravel()
    assert filled[[0, 2]].tolist() == [-largest, largest]
    assert filled[1] == pytest.approx(-largest / 2, rel=1e-3)


@pytest.mark.parametrize(("dtype", "low"), [(np.uint64, 2**63 + 5), (np.int64, -(2**62) - 3), (np.int32, -(2**31))])
def test_large_integers_of_a_small_span_are_exact(dtype, low):
    pixels = (np.arange(60).reshape(5, 4, 3).astype(object) + low).astype(dtype)
    intensity = find_curve(pixels, context_of(np.ones((5, 4), bool)))
    tensor = to_tensor(pixels, np.zeros((5, 4), bool), intensity)
    np.testing.assert_array_equal(np.moveaxis(tensor, 0, -1), np.arange(60).reshape(5, 4, 3) / 59)
    np.testing.assert_array_equal(from_tensor(tensor, np.dtype(dtype), intensity), pixels)


def test_outliers_far_from_the_hole_do_not_count_and_the_rim_does():
    pixels = np.random.default_rng(0).integers(1000, 2000, (200, 200, 1)).astype(np.uint16)
    pixels[5, 5] = 65_535
    hole = np.zeros((200, 200), bool)
    hole[80:120, 80:120] = True
    pixels[hole] = 50_000
    intensity = find_curve(pixels, sample_context(~hole, hole))
    assert 1000 <= intensity.low < 1020
    assert 1980 < intensity.high < 2000
    pixels[79, 100], pixels[118, 121] = 900, 3000
    assert find_curve(pixels, sample_context(~hole, hole)) == IntensityCurve(900, 3000)


def test_every_colour_of_a_mosaic_is_sampled():
    pixels = np.zeros((256, 256, 1), np.uint16)
    pixels[1::2, 1::2] = 1000
    hole = np.zeros((256, 256), bool)
    hole[100, 100] = True
    context = sample_context(~hole, hole)
    assert set(zip((context.y % 2).tolist(), (context.x % 2).tolist(), strict=True)) == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert find_curve(pixels, context) == IntensityCurve(0, 1000)


def test_what_is_under_the_hole_does_not_matter():
    pixels = np.ones((4, 4, 1), np.float32)
    hole = np.zeros((4, 4), bool)
    hole[1, 1] = True
    pixels[1, 1] = np.nan
    intensity = find_curve(pixels, sample_context(~hole, hole))
    assert intensity == IntensityCurve(1, 1)
    assert np.isfinite(to_tensor(pixels, hole, intensity)).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_channels_there_and_back(channels):
    tensor = np.random.default_rng(0).random((channels, 4, 5), np.float32)
    image = to_rgb(tensor)
    assert (image.shape, image.dtype) == ((3, 4, 5), np.float32)
    np.testing.assert_allclose(from_rgb(image, channels), tensor, rtol=1e-6)


def beads(image, *places, height=60_000, width=2.5):
    """The image with bright beads at some places."""
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    return image + sum(
        height * np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * width**2)) for row, column in places
    )


FIELD = np.random.default_rng(0).normal(106, 8, (256, 256))
BOX = (110, 110, 150, 150)


@pytest.mark.parametrize("detail", ["network", "smooth"])
@pytest.mark.parametrize("places", [[(130, 211)], [(40, 130), (215, 130), (130, 215)]])
def test_beads_far_from_a_hole_change_its_fill_by_less_than_the_noise(inpainter, detail, places):
    fills = [
        inpainter.fill(np.rint(image).astype(np.uint16), boxes=[BOX], detail=detail)[110:150, 110:150].astype(int)
        for image in (FIELD, beads(FIELD, *places))
    ]
    assert np.abs(fills[1] - fills[0]).max() < 8
    assert abs(fills[1].mean() - 106) < 8


def test_a_sun_does_not_flatten_the_sky(inpainter):
    y, x = np.mgrid[:256, :256]
    sky = (1 + 0.2 * y / 256 + 0.05 * np.sin(x / 40)).astype(np.float32)
    image = sky + np.random.default_rng(0).normal(0, 0.005, sky.shape).astype(np.float32)
    image[30:60, 30:60] = 5000
    hole = np.s_[100:180, 100:180]
    filled = inpainter.fill(image, boxes=[(100, 100, 180, 180)])
    assert np.sqrt(np.mean((filled - sky)[hole] ** 2)) < 0.02


def test_a_bead_on_the_rim_leaves_the_background_resolved(inpainter):
    image = np.rint(beads(FIELD, (104, 130))).astype(np.uint16)
    filled = inpainter.fill(image, boxes=[BOX])
    assert inpainter.last_record["windows"][0]["curves"][0]["above"] > 1
    assert 90 < np.median(filled[120:150, 110:150]) < 125


@settings(max_examples=20)
@given(st.floats(1e-3, 1e3), st.floats(-1e3, 1e3), st.sampled_from(["network", "smooth"]), st.booleans())
def test_fills_follow_scale_and_offset(inpainter, scale, offset, detail, bright):
    image = beads(FIELD, (60, 60), (200, 190)) if bright else FIELD
    box = [(110, 110, 150, 150), (20, 200, 26, 203)]
    expected = scale * inpainter.fill(image, boxes=box, detail=detail) + offset
    filled = inpainter.fill(scale * image + offset, boxes=box, detail=detail)
    np.testing.assert_allclose(filled, expected, atol=0.2 * scale, rtol=0)


tails = st.just(0.0) | st.floats(1, 1e3)


@given(st.floats(-1e4, 1e4), st.floats(1e-2, 1e4), tails, tails)
def test_curves_are_monotone_and_exactly_invertible(low, span, below, above):
    curve = IntensityCurve(low, low + span, below, above)
    values = np.sort(np.random.default_rng(0).uniform(low - below * span, low + (1 + above) * span, 500))
    tensor = to_tensor(values.reshape(1, -1, 1), np.zeros((1, 500), bool), curve)
    assert (np.diff(tensor) >= 0).all()
    assert tensor.min() >= -1e-9 and tensor.max() <= 1 + 1e-9
    back = from_tensor(tensor, np.dtype(np.float64), curve)
    np.testing.assert_allclose(back.ravel(), values, atol=1e-9 * (1 + below + above) * (span + abs(low)))


@given(hnp.arrays(np.uint8, (40, 40, 3)))
def test_eight_bits_are_always_linear(pixels):
    hole = np.zeros((40, 40), bool)
    hole[12:28, 12:28] = True
    context = sample_context(~hole, hole)
    assert find_curve(pixels, context) == find_curve(pixels, context, linear=True)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_a_constant_rim_amid_extremes_is_filled(inpainter, dtype):
    image = np.full((200, 200), 100, dtype)
    image[np.random.default_rng(0).random(image.shape) < 0.01] = 60_000
    image[80:124, 80:124] = 100
    filled = inpainter.fill(image, boxes=[(86, 86, 118, 118)])
    # nothing can be lost where floats have no contrast at all
    np.testing.assert_allclose(filled[86:118, 86:118], 100, atol=1 if dtype == np.uint16 else 600)


@pytest.mark.parametrize("dtype", ["<f4", "<f8", ">f8"])
@pytest.mark.parametrize("end", ["min", "max"])
def test_a_value_that_stands_for_none_in_the_rim_does_no_harm(inpainter, dtype, end):
    """Nobody declared it: GDAL's lowest float, for example."""
    image = np.random.default_rng(0).normal(0, 1e-3, (200, 200)).astype(dtype)
    image[85, 90:92] = getattr(np.finfo(dtype), end)
    filled = inpainter.fill(image, boxes=[(86, 86, 118, 118)])
    assert np.isfinite(filled).all()
    assert np.abs(np.median(filled[95:118, 86:118])) < 0.1
