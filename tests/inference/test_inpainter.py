import concurrent.futures
import pickle
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_inpaint import Box, Inpainter, fill
from napari_inpaint.inference.inpainter import FillCancelledError
from napari_inpaint.inference.tensors import resolve_channel_axis

DTYPES = ["?", "u1", "i1", "<u2", ">u2", "i4", "u8", "f2", "<f4", ">f8"]
LAYOUTS = {
    "grey": lambda a: a[..., 0],
    "rgb": lambda a: a,
    "rgba": lambda a: np.concatenate([a, a[..., :1]], -1),
    "stack": lambda a: np.stack([a[..., 0], a[..., 1]]),
    "stack of rgb": lambda a: np.stack([a, a[::-1]]),
    "not contiguous": lambda a: a[::-1, ::2, 1],
}


@settings(max_examples=60)
@given(
    st.sampled_from(DTYPES), st.sampled_from(list(LAYOUTS)), st.integers(1, 80), st.integers(2, 80), st.floats(0, 0.6),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_same_shape_and_dtype_and_known_pixels_are_bit_identical(
    inpainter, dtype, layout, height, width, density, seed
):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (height, width, 3))
    image = LAYOUTS[layout]((pixels * (1 if dtype in ("u1", "?") else 0.37)).astype(dtype))
    image.setflags(write=False)
    before = image.tobytes()
    shape = image.shape[:-1] if layout in ("rgb", "rgba", "stack of rgb") else image.shape
    mask = rng.random(shape[-2:]) < density
    mask[0, 0] = False
    result = inpainter.fill(image, mask)
    assert (result.dtype, result.shape) == (image.dtype, image.shape)
    assert image.tobytes() == before
    known = np.broadcast_to(~mask, shape)
    assert result[known].tobytes() == image[known].tobytes()
    if image.dtype.kind == "f":
        assert np.isfinite(result).all()
    if layout == "rgba":
        np.testing.assert_array_equal(result[..., 3], image[..., 3])


PLACES = {
    "inside": (200, 300, 290, 400), "top": (0, 300, 60, 400), "bottom right": (420, 560, 512, 640),
    "band": (200, 0, 230, 640), "one pixel": (100, 100, 101, 101), "larger than trained": (100, 100, 400, 420),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:a hole is:UserWarning")
@pytest.mark.parametrize("box", PLACES.values(), ids=PLACES)
def test_holes_anywhere_on_a_photo_change_only_the_hole(inpainter, photo, box):
    y0, x0, y1, x1 = box
    spoilt = photo.copy()
    spoilt[y0:y1, x0:x1] = (255, 0, 255)
    result = inpainter.fill(spoilt, boxes=[box])
    outside = np.ones(photo.shape[:2], bool)
    outside[y0:y1, x0:x1] = False
    np.testing.assert_array_equal(result[outside], photo[outside])
    assert (result[~outside] != spoilt[~outside]).any(-1).all()


def test_a_photo_is_filled_much_better_than_with_its_mean(inpainter, photo):
    errors = {"network": 0.0, "mean": 0.0}
    for y0 in range(0, 480, 96):
        for x0 in range(0, 600, 120):
            hole = photo[y0 : y0 + 60, x0 : x0 + 60].astype(float)
            filled = inpainter.fill(photo, boxes=[(y0, x0, y0 + 60, x0 + 60)])[y0 : y0 + 60, x0 : x0 + 60]
            errors["network"] += np.abs(filled - hole).mean()
            errors["mean"] += np.abs(photo.mean((0, 1)) - hole).mean()
    assert errors["network"] < 0.4 * errors["mean"]


def test_what_is_under_the_hole_does_not_matter(inpainter, photo):
    box = (200, 300, 290, 400)
    other = photo.copy()
    other[200:290, 300:400] = np.random.default_rng(0).integers(0, 255, (90, 100, 3))
    np.testing.assert_array_equal(inpainter.fill(photo, boxes=[box]), inpainter.fill(other, boxes=[box]))


def test_a_constant_image_stays_constant(inpainter):
    for value, dtype in ((7, np.uint8), (2**64 - 7, np.uint64), (-2.5, np.float32), (1e308, np.float64)):
        image = np.full((90, 80), value, dtype)
        np.testing.assert_array_equal(inpainter.fill(image, boxes=np.array([(20, 10, 50, 60)])), image)


def test_the_whole_range_of_float64_is_filled(inpainter):
    largest = np.finfo(np.float64).max
    image = np.where(np.random.default_rng(0).random((40, 50)) < 0.5, largest, -largest)
    assert np.isfinite(inpainter.fill(image, boxes=[(10, 10, 22, 22)])).all()


def test_images_without_pixels_come_back(inpainter):
    empty = np.zeros((0, 40, 50), np.uint8)
    assert inpainter.fill(empty, boxes=[(1, 1, 5, 5)]).shape == empty.shape


def test_boxes_and_mask_unite_and_grow(inpainter, photo):
    mask = np.zeros(photo.shape[:2], bool)
    mask[10:20, 10:20] = True
    result = inpainter.fill(photo, mask, [Box(100, 100, 110, 110)], grow=3)
    changed = (result != photo).any(-1)
    grown = np.zeros_like(mask)
    grown[7:23, 7:23] = grown[97:113, 97:113] = True
    assert not (changed & ~grown).any()
    assert changed[8, 8]
    assert changed[111, 111]


def test_masks_that_differ_per_plane(inpainter):
    rng = np.random.default_rng(0)
    stack = rng.integers(0, 60_000, (3, 40, 50), np.uint16)
    masks = np.zeros(stack.shape, bool)
    masks[0, 5:9, 5:9] = masks[2, 20:30, 20:30] = True
    result = inpainter.fill(stack, masks)
    np.testing.assert_array_equal(result[~masks], stack[~masks])
    assert (result[masks] != stack[masks]).mean() > 0.9
    np.testing.assert_array_equal(result[2], inpainter.fill(stack[2], masks[2]))


def test_nan_is_a_hole_when_asked(inpainter, photo):
    image = photo[..., 0].astype(np.float32)
    image[100:110, 100:120] = np.nan
    image[50, 50] = np.inf
    result = inpainter.fill(image, nan_is_hole=True)
    assert np.isfinite(result).all()
    assert abs(result[105, 110] - photo[105, 110, 0]) < 40
    kept = inpainter.fill(image, boxes=[(90, 90, 95, 95)])
    assert np.isnan(kept[105, 110])
    assert np.isfinite(kept[90:95, 90:95]).all()


def test_nan_outside_the_holes_is_kept_and_does_not_leak_into_them(inpainter, photo):
    image = photo[..., 0].astype(np.float32) + 1000
    expected = inpainter.fill(image, boxes=[(100, 100, 140, 150)])[100:140, 100:150]
    image[90:150, 97:100] = np.nan
    image[95, 120] = np.inf
    result = inpainter.fill(image, boxes=[(100, 100, 140, 150)])
    assert np.isnan(result[90:150, 97:100]).all()
    assert np.isposinf(result[95, 120])
    assert np.abs(result[100:140, 100:150] - expected).mean() < 10
    with pytest.raises(ValueError, match="no pixel is known"):
        inpainter.fill(np.full((50, 50), np.nan), boxes=[(0, 0, 9, 9)])


def test_channels_that_are_no_colours_have_their_own_ranges(inpainter, photo):
    two = np.stack([photo[..., 0] / 255, photo[..., 1] * 300.0], -1)
    boxes = [(100, 100, 140, 150)]
    result = inpainter.fill(two, boxes=boxes, channel_axis=-1)
    for channel in range(2):
        np.testing.assert_array_equal(result[..., channel], inpainter.fill(two[..., channel], boxes=boxes))


def test_a_long_scratch_and_a_frame_are_filled(inpainter, photo):
    mask = np.zeros(photo.shape[:2], bool)
    mask[np.arange(500), np.arange(500) + 50] = True
    mask[:2] = mask[-2:] = mask[:, :2] = mask[:, -2:] = True
    result = inpainter.fill(photo, mask, grow=1)
    assert len(inpainter.last_record["windows"]) > 4
    assert np.abs(result.astype(int) - photo).mean() < 2


def test_an_empty_mask_returns_an_equal_copy_without_a_session(photo):
    inpainter = Inpainter("compact")
    result = inpainter.fill(photo, np.zeros(photo.shape[:2], bool))
    np.testing.assert_array_equal(result, photo)
    assert result is not photo
    assert inpainter._session is None


def test_a_large_hole_warns_with_its_size_and_the_trained_range(inpainter, photo):
    with pytest.warns(UserWarning, match=r"a hole is 300 pixels wide.*24 to 144"):
        inpainter.fill(photo, boxes=[(100, 100, 400, 420)])


BAD = {
    "mask of another size": ({"mask": np.ones((5, 5))}, r"\(5, 5\)"),
    "everything a hole": ({"mask": np.ones((60, 70))}, "no pixel is known"),
    "box outside": ({"boxes": [(0, 0, 61, 5)]}, r"\(0, 0, 61, 5\) is not wholly inside the image of 60 x 70"),
    "negative box": ({"boxes": [(-1, 0, 6, 5)]}, "not wholly inside"),
    "empty box": ({"boxes": [(4, 4, 4, 9)]}, "is empty"),
    "nothing to fill": ({}, "nothing to fill"),
    "negative grow": ({"mask": np.eye(60, 70), "grow": -1}, "not -1"),
    "grow of no integer": ({"mask": np.eye(60, 70), "grow": 1.5}, "not 1.5"),
    "boxes that are one box": ({"boxes": (1, 1, 5, 5)}, "four whole numbers"),
    "channel axis of no integer": ({"mask": np.eye(60, 70), "channel_axis": "last"}, "'last'"),
    "no such channel axis": ({"mask": np.eye(60, 70), "channel_axis": 5}, "channel_axis 5 does not exist"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_with_its_value(inpainter, arguments, message):
    with pytest.raises(ValueError, match=message):
        inpainter.fill(np.zeros((60, 70, 3), np.uint8), **arguments)


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


def test_a_failed_fill_leaves_no_record(inpainter, photo):
    inpainter.fill(photo, boxes=[(100, 100, 140, 150)])
    with pytest.raises(ValueError, match="not wholly inside"):
        inpainter.fill(photo, boxes=[(100, 100, 140, 1500)])
    assert inpainter.last_record is None


def test_record_says_what_was_done(inpainter, photo):
    inpainter.fill(photo, boxes=[(100, 100, 140, 150)], grow=1)
    record = inpainter.last_record
    assert (record["model"], record["provider"], record["grow"]) == ("compact", "CPUExecutionProvider", 1)
    assert record["filled_pixels"] == 42 * 52
    assert record["windows"][0]["holes"] == ((99, 99, 141, 151),)
    assert len(record["model_sha256"]) == len(record["mask_sha256"]) == 64


def test_progress_and_cancel(inpainter, photo):
    boxes = [(0, 0, 20, 20), (400, 500, 420, 520), (0, 600, 30, 630)]
    seen = []
    inpainter.fill(photo, boxes=boxes, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    cancel = threading.Event()
    with pytest.raises(FillCancelledError):
        inpainter.fill(photo, boxes=boxes, on_progress=lambda *_: cancel.set(), cancel=cancel)


def test_pickles_and_runs_in_threads(inpainter, photo):
    boxes = [(100, 100, 140, 150)]
    expected = inpainter.fill(photo, boxes=boxes)
    again = pickle.loads(pickle.dumps(inpainter))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for result in pool.map(lambda _: again.fill(photo, boxes=boxes), range(4)):
            np.testing.assert_array_equal(result, expected)


def test_one_liner(inpainter, photo):
    box = (100, 100, 140, 150)
    np.testing.assert_allclose(fill(photo, boxes=[box]), inpainter.fill(photo, boxes=[box]), atol=1)
