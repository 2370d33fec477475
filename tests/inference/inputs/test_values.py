"""Dtypes, and which axis holds the channels."""

import dask.array as da
import numpy as np
import pytest

from napari_inpaint.inference.inputs.values import channel_groups, resolve_channel_axis
from napari_inpaint.inference.replay import find_differences, read_holes


def test_channels_that_are_no_colours_have_their_own_ranges(inpainter, photo):
    two = np.stack([photo[..., 0] / 255, photo[..., 1] * 300.0], -1)
    boxes = [(100, 100, 140, 150)]
    result = inpainter.fill(two, boxes=boxes, channel_axis=-1, detail="network")
    for channel in range(2):
        alone = inpainter.fill(two[..., channel], boxes=boxes, detail="network")
        np.testing.assert_array_equal(result[..., channel], alone)


@pytest.mark.parametrize("dtype", [complex, object, "U3", "M8[s]"])
def test_dtypes_without_intensity_are_refused(inpainter, dtype):
    with pytest.raises(ValueError, match="cannot be filled"):
        inpainter.fill(np.zeros((60, 70), dtype), boxes=[(0, 0, 5, 5)])


@pytest.mark.parametrize(
    ("shape", "mask_shape", "expected"),
    [
        ((60, 70), None, None), ((60, 70, 3), None, 2), ((60, 70, 4), (60, 70), 2), ((9, 60, 70, 3), (60, 70), 3),
        ((60, 70, 3), (70, 3), None), ((9, 60, 4), (9, 60, 4), None), ((60, 70, 5), None, None),
        ((60, 4, 3), None, None),
    ],
)  # fmt: skip
def test_automatic_channel_axis(shape, mask_shape, expected):
    assert resolve_channel_axis(shape, mask_shape, "auto") == expected


def test_channels_first(inpainter, photo):
    mask = np.zeros(photo.shape[:2], bool)
    mask[100:140, 100:150] = True
    first = inpainter.fill(photo.transpose(2, 0, 1), mask, channel_axis=0)
    np.testing.assert_array_equal(first.transpose(1, 2, 0), inpainter.fill(photo, mask))


def test_a_mask_with_the_images_last_axis_is_warned_about(inpainter, photo):
    mask = np.zeros(photo.shape, bool)
    mask[100:110, 100:110] = True
    with pytest.warns(UserWarning, match="the last axis, of 3, is taken for columns"):
        inpainter.fill(photo, mask)


@pytest.mark.parametrize(
    ("channels", "alpha", "groups"),
    [
        (1, False, [[0]]), (2, False, [[0], [1]]), (3, False, [[0, 1, 2]]), (4, False, [[0, 1, 2], [3]]),
        (5, False, [[0], [1], [2], [3], [4]]), (2, True, [[0]]), (4, True, [[0, 1, 2]]),
        (6, True, [[0], [1], [2], [3], [4]]),
    ],
)  # fmt: skip
def test_colours_go_together_alpha_stays_and_others_go_alone(channels, alpha, groups):
    assert [list(range(channels))[group] for group in channel_groups(channels, alpha)] == groups


HOLE = np.s_[30:60, 40:80]
BOX = (30, 40, 60, 80)


def damaged(photo, value):
    """A photo in grey whose lower half is missing, and the same without anything to hide."""
    image = photo[:120, :130, 1].astype(np.float32)
    spoilt = image.copy()
    spoilt[70:] = value
    return image, spoilt


@pytest.mark.parametrize("detail", ["network", "smooth"])
def test_pixels_without_a_value_are_no_context(inpainter, photo, detail):
    """NaN, a value that stands for none, and what is masked or transparent: the fill is the same."""
    _, with_nan = damaged(photo, np.nan)
    expected = inpainter.fill(with_nan, boxes=[BOX], detail=detail)
    assert np.isnan(expected[70:]).all()
    _, with_nodata = damaged(photo, -9999)
    filled = inpainter.fill(with_nodata, boxes=[BOX], nodata=-9999, detail=detail)
    np.testing.assert_array_equal(filled[HOLE], expected[HOLE])
    assert (filled[70:] == -9999).all()
    _, junk = damaged(photo, 1e6)
    masked = np.ma.MaskedArray(junk, junk == 1e6, fill_value=7)
    filled = inpainter.fill(masked, boxes=[BOX], detail=detail)
    np.testing.assert_array_equal(filled.data[HOLE], expected[HOLE])
    np.testing.assert_array_equal(filled.mask, masked.mask)
    assert filled.fill_value == 7
    transparent = np.stack([junk, (junk != 1e6).astype(np.float32)], -1)
    filled = inpainter.fill(transparent, boxes=[BOX], alpha=True, channel_axis=-1, detail=detail)
    np.testing.assert_array_equal(filled[..., 0][HOLE], expected[HOLE])
    np.testing.assert_array_equal(filled[..., 1], transparent[..., 1])


def test_a_hole_over_pixels_without_a_value_fills_them(inpainter, photo):
    box = (60, 40, 80, 80)  # reaches into what is missing
    _, junk = damaged(photo, 1e6)
    for image, options in (
        (np.where(junk == 1e6, np.nan, junk), {}), (np.where(junk == 1e6, -1, junk), {"nodata": -1}),
        (np.ma.MaskedArray(junk, junk == 1e6), {}),
    ):  # fmt: skip
        filled = inpainter.fill(image, boxes=[box], **options)
        inside = np.ma.getdata(filled)[60:80, 40:80]
        assert np.isfinite(inside).all() and inside.min() >= 0 and inside.max() <= 255
        assert not np.ma.getmaskarray(filled)[60:80, 40:80].any()
    masked = np.ma.MaskedArray(junk.copy(), junk == 1e6)
    assert inpainter.fill(masked, boxes=[box], out=masked) is masked
    np.testing.assert_array_equal(masked.data, filled.data)
    assert not masked.mask[60:80, 40:80].any() and masked.mask[80:].all()
    image = np.ma.MaskedArray(junk, junk == 1e6)
    for out in (np.zeros_like(junk), np.ma.zeros(junk.shape, np.float32)):
        assert inpainter.fill(image, boxes=[box], out=out) is out
        np.testing.assert_array_equal(np.ma.getdata(out), masked.data)
    np.testing.assert_array_equal(out.mask, masked.mask)


def test_what_was_erased_becomes_opaque_and_an_outline_stays(inpainter, photo):
    alpha = np.full((120, 130, 1), 255, np.uint8)
    alpha[:, 100:] = 0  # beyond the outline
    alpha[40:50, 50:60] = 0  # erased
    image = np.concatenate([photo[:120, :130], alpha], -1)
    image[..., :3][alpha[..., 0] == 0] = (255, 0, 255)
    filled = inpainter.fill(image, boxes=[(30, 40, 60, 115)], alpha=True)
    assert (filled[30:60, 40:100, 3] == 255).all()
    assert (filled[:, 100:, 3] == 0).all()
    assert not (filled[30:60, 40:100, :3] == (255, 0, 255)).all(-1).any()
    partly = inpainter.fill(image, boxes=[(42, 52, 48, 58)], alpha=True)
    assert (partly[42:48, 52:58, 3] == 255).all()


def test_of_arrays_the_fourth_channel_is_filled_like_the_others(inpainter, photo):
    infrared = photo[:120, :130, 0].astype(np.uint16) * 40
    image = np.concatenate([photo[:120, :130].astype(np.uint16) * 20, infrared[..., None]], -1)
    image[HOLE] = 0
    filled = inpainter.fill(image, boxes=[BOX])
    assert np.abs(filled[HOLE][..., 3].mean() - infrared[HOLE].mean()) < 0.3 * infrared[HOLE].mean()
    assert inpainter.last_record["alpha"] is False
    with pytest.raises(ValueError, match="has no channel that could be alpha"):
        inpainter.fill(infrared, boxes=[BOX], alpha=True)
    with pytest.raises(ValueError, match="has three channels, which are colours: leave it out"):
        inpainter.fill(photo, boxes=[BOX], alpha=True)


@pytest.mark.parametrize("kind", ["nan", "nodata", "hole"])
def test_frames_of_which_nothing_is_known_are_left_and_named(inpainter, photo, kind):
    stack = np.stack([photo[:90, :100, channel] for channel in (0, 1, 2)]).astype(np.float32)
    mask = np.zeros(stack.shape, bool)
    mask[:, 30:60, 40:70] = True
    options = {"nodata": -1} if kind == "nodata" else {}
    stack[1] = np.nan if kind == "nan" else -1 if kind == "nodata" else stack[1]
    mask[1] |= kind == "hole"
    with pytest.warns(UserWarning, match="in plane 1 nothing is known.*: it is left as it is"):
        filled = inpainter.fill(stack, mask, **options)
    np.testing.assert_array_equal(filled[1], stack[1])
    assert (filled[[0, 2]] != stack[[0, 2]]).any((1, 2)).all()
    record = inpainter.last_record
    assert [holes["planes"] for holes in record["holes"]] in ([[(0,), (2,)]], [[(0,)], [(2,)]])
    assert record["filled_pixels"] == 2 * 900
    with pytest.raises(ValueError, match="no pixel is known"):
        inpainter.fill(stack[1:2], mask[1:2], **options)


@pytest.mark.parametrize("nodata", ["x", True, [1], np.array([1, 2]), 1j, float("inf"), 10**400])
def test_nodata_must_be_a_number(inpainter, photo, nodata):
    with pytest.raises(ValueError, match="nodata must be a number"):
        inpainter.fill(photo, boxes=[BOX], nodata=nodata)


def test_a_long_erased_hole_becomes_opaque_in_all_its_windows(inpainter, photo):
    image = np.dstack([np.tile(photo[:200], (1, 2, 1))[:, :900], np.full((200, 900), 255, np.uint8)])
    image[98:101, 20:880] = 0
    mask = np.zeros((200, 900), bool)
    mask[98:103, 20:880] = True
    filled = inpainter.fill(image, mask, alpha=True)
    assert len(inpainter.last_record["windows"]) > 1
    assert (filled[..., 3] == 255).all()


@pytest.mark.parametrize(("dtype", "nodata"), [(np.uint8, 2), (np.uint8, 255), (np.int16, -7), (np.float32, 2.0)])
def test_what_is_filled_has_a_value(inpainter, dtype, nodata):
    image = np.full((60, 60), nodata, dtype)
    image[::2] = image[:, ::2] = nodata + (1 if nodata < 255 else -1)
    filled = inpainter.fill(image, boxes=[(20, 20, 40, 40)], nodata=nodata)
    assert not (filled[20:40, 20:40] == nodata).any()


def test_a_value_of_64_bits_is_found_in_floats_of_32(inpainter, photo):
    lowest = float(np.finfo(np.float64).min)
    image = photo[:120, :130, 1].astype(np.float32)
    image[70:] = np.finfo(np.float32).min
    filled = inpainter.fill(image, boxes=[BOX], nodata=lowest)
    assert filled[HOLE].min() >= 0 and filled[HOLE].max() <= 255


@pytest.mark.parametrize("kind", ["frame", "channel"])
def test_fills_with_frames_that_were_left_are_repeated(inpainter, kind):
    image = np.random.default_rng(0).random((3, 2, 120, 120)).astype(np.float32)
    image[1 if kind == "frame" else (1, 1)] = np.nan
    with pytest.warns(UserWarning, match="in plane 1 nothing is known around a hole"):
        filled = inpainter.fill(image, boxes=[BOX], channel_axis=1)
    record = inpainter.last_record
    assert [len(window["curves"]) for window in record["windows"]] == [2, 2]
    again = inpainter.fill(image, read_holes(record, (3, 120, 120)), channel_axis=1)
    np.testing.assert_array_equal(again, filled)
    assert not find_differences(record, inpainter.last_record)


def test_lazy_masked_arrays_are_refused(inpainter, photo):
    lazy = da.ma.masked_greater(da.from_array(photo[..., 0].astype(np.float32)), 250)
    with pytest.raises(ValueError, match="lazy masked arrays cannot be filled"):
        inpainter.fill(lazy, boxes=[BOX])


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("nodata", [10**30, -1e39, 10**300])
def test_a_value_that_no_pixel_can_have_changes_nothing(inpainter, photo, dtype, nodata):
    image = (photo[:120, :130, 1] > 99).astype(dtype) if dtype is bool else photo[:120, :130, 1].astype(dtype) / 4
    image = image.astype(dtype)
    expected = inpainter.fill(image, boxes=[BOX])
    np.testing.assert_array_equal(inpainter.fill(image, boxes=[BOX], nodata=nodata), expected)
