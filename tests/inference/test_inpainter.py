import concurrent.futures
import functools
import multiprocessing
import os
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_inpaint import Box, Inpainter, fill

DTYPES = ["?", "u1", "i1", "<u2", ">u2", "<i2", "<u4", ">i4", "<u8", ">i8", "<f2", ">f2", "<f4", ">f4", "<f8", ">f8"]
LAYOUTS = {
    "grey": lambda a: a[..., 0],
    "rgb": lambda a: a,
    "rgba": lambda a: np.concatenate([a, np.ones_like(a[..., :1])], -1),
    "four channels": lambda a: np.concatenate([a, a[..., :1]], -1),
    "stack": lambda a: np.stack([a[..., 0], a[..., 1]]),
    "stack of rgb": lambda a: np.stack([a, a[::-1]]),
    "two channels": lambda a: a[..., :2],
    "channels first": lambda a: a.transpose(2, 0, 1),
    "not contiguous": lambda a: a[::-1, ::2, 1],
    "a field of records": lambda a: np.rec.fromarrays([a[..., 0], a[..., 1]], names="x,y")["y"],
    "no planes": lambda a: a[None, ..., 0][:0],
}
CHANNELS = {"rgb": -1, "rgba": -1, "four channels": -1, "stack of rgb": -1, "two channels": -1, "channels first": 0}


def masks_of(rng, height, width, kind):
    """Holes of a kind, and one known pixel."""
    mask = np.zeros((height, width), bool)
    if kind == "noise":
        mask = rng.random((height, width)) < rng.random()
    elif kind == "boxes":
        for _ in range(rng.integers(1, 5)):
            y, x = rng.integers(height), rng.integers(width)
            mask[y : y + rng.integers(1, height + 1), x : x + rng.integers(1, width + 1)] = True
    elif kind == "frame":
        mask[[0, -1]] = mask[:, [0, -1]] = True
    elif kind == "everything":
        mask[:] = True
    mask[rng.integers(height), rng.integers(width)] = False
    return mask


def check_promises(inpainter, dtype, layout, height, width, kind, seed):
    """Same shape and dtype; the image is not touched; known pixels are bit-identical; what is filled is a number."""
    rng = np.random.default_rng(seed)
    low, high = (
        sorted(rng.integers(-(2**9), 2**9, 2)) if np.dtype(dtype).kind in "if" else sorted(rng.integers(0, 256, 2))
    )
    pixels = rng.integers(low, high + 1, (height, width, 3)) * (0.37 if np.dtype(dtype).kind == "f" else 1)
    image = LAYOUTS[layout](pixels.astype(dtype))
    image.setflags(write=False)
    before, axis = image.tobytes(), CHANNELS.get(layout)
    planes = image if axis is None else np.moveaxis(image, axis, -1)[..., 0]
    mask = masks_of(rng, *planes.shape[-2:], kind)
    result = inpainter.fill(image, mask, channel_axis=axis, alpha=layout == "rgba")
    assert (result.dtype, result.shape) == (image.dtype, image.shape)
    assert image.tobytes() == before
    known = np.broadcast_to(~mask, planes.shape)
    of_known, filled = (np.moveaxis(array, axis, -1) if axis is not None else array for array in (image, result))
    assert filled[known].tobytes() == of_known[known].tobytes()
    if image.dtype.kind == "f":
        assert np.isfinite(result).all()
    if layout == "rgba":
        np.testing.assert_array_equal(result[..., 3], image[..., 3])
    if layout == "no planes" or not mask.any():
        return
    colours = filled[..., :3] if layout == "rgba" else filled
    limits = of_known[known][..., :3].astype(float) if axis is not None else of_known[known].astype(float)
    span = np.ptp(limits)  # a slope may lead out of the known range
    assert limits.min() - span <= colours[~known].astype(float).min()
    assert colours[~known].astype(float).max() <= limits.max() + span


cases = (
    st.sampled_from(DTYPES), st.sampled_from(list(LAYOUTS)), st.integers(1, 80), st.integers(2, 80),
    st.sampled_from(["noise", "boxes", "frame", "everything", "nothing"]), st.integers(0, 2**32 - 1),
)  # fmt: skip


@settings(max_examples=150)
@given(*cases)
def test_known_pixels_are_bit_identical_and_fills_are_among_them(inpainter, dtype, layout, height, width, kind, seed):
    check_promises(inpainter, dtype, layout, height, width, kind, seed)


@pytest.mark.slow
@settings(max_examples=10_000)
@given(*cases)
def test_in_ten_thousand_cases_too(inpainter, dtype, layout, height, width, kind, seed):
    check_promises(inpainter, dtype, layout, height, width, kind, seed)


@pytest.mark.parametrize("dtype", DTYPES[1:])
@pytest.mark.parametrize(("down", "right"), [(0, 0), (0, 1), (2, -1)])
def test_holes_in_flat_and_sloping_images_come_back(inpainter, dtype, down, right):
    y, x = np.mgrid[:100, :120]
    image = (80 + (down * (y - 50) + right * (x - 60)) // 4).astype(dtype)
    mask = (y - 50) ** 2 + (x - 55) ** 2 < 30**2
    mask[:30, :40] = mask[70:75, 100:] = mask[90, 50] = True
    result = inpainter.fill(image, mask)
    rounding = 1 if down or right else 0  # of the slope in the image itself, which is not a plane of whole numbers
    assert np.abs(result.astype(float) - image.astype(float)).max() <= rounding


def test_a_plane_of_floats_is_filled_to_within_rounding(inpainter):
    y, x = np.mgrid[:100, :120]
    for dtype, tolerance in ((np.float32, 1e-5), (np.float64, 1e-12)):
        image = (3 + y / 7 - x / 9).astype(dtype)
        result = inpainter.fill(image, boxes=[(20, 30, 70, 90), (0, 0, 30, 25), (90, 100, 92, 120)])
        np.testing.assert_allclose(result, image, rtol=0, atol=tolerance * 20)


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
    "boxes that are a number": ({"boxes": 5}, "boxes must be a sequence"),
    "no event": ({"boxes": [(1, 1, 5, 5)], "cancel": True}, "cancel must be an event.*not True"),
    "no function": ({"boxes": [(1, 1, 5, 5)], "on_progress": "x"}, "on_progress must be a function.*not 'x'"),
    "grow of many numbers": ({"boxes": [(1, 1, 5, 5)], "grow": np.array([1, 2])}, "grow must be a whole number"),
    "channel axis of no integer": ({"mask": np.eye(60, 70), "channel_axis": "last"}, "'last'"),
    "no such channel axis": ({"mask": np.eye(60, 70), "channel_axis": 5}, "channel_axis 5 does not exist"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_with_its_value(inpainter, arguments, message):
    with pytest.raises(ValueError, match=message):
        inpainter.fill(np.zeros((60, 70, 3), np.uint8), **arguments)


def test_pickles_and_runs_in_threads(inpainter, photo):
    boxes = [(100, 100, 140, 150)]
    expected = inpainter.fill(photo, boxes=boxes)
    again = pickle.loads(pickle.dumps(inpainter))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for result in pool.map(lambda _: again.fill(photo, boxes=boxes), range(4)):
            np.testing.assert_array_equal(result, expected)


def test_warming_up_opens_the_session_in_the_background():
    inpainter = Inpainter("compact.fp32", "cpu")
    inpainter.warm_up().join()
    assert inpainter._session is not None


@pytest.mark.parametrize("method", [m for m in multiprocessing.get_all_start_methods() if m != "fork"])
def test_in_processes_with_their_own_threads(photo, method):
    boxes = [(100, 100, 140, 150)]
    inpainter = Inpainter("compact.fp32", "cpu", threads=1)
    expected = inpainter.fill(photo, boxes=boxes)
    with concurrent.futures.ProcessPoolExecutor(2, multiprocessing.get_context(method)) as pool:
        results = list(pool.map(functools.partial(inpainter.fill, boxes=boxes), [photo, photo]))
    for result in results:
        np.testing.assert_array_equal(result, expected)
    assert inpainter.last_record["threads"] == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_fork_is_refused_with_the_remedy(inpainter, photo):
    inpainter.fill(photo, boxes=[(100, 100, 140, 150)])
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
        fill = pool.submit(inpainter.fill, photo, boxes=[(100, 100, 140, 150)])
        with pytest.raises(RuntimeError, match=r"forked after ONNX Runtime was loaded.*get_context\('spawn'\)"):
            fill.result(timeout=60)


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2", True, 10**5])
def test_threads_must_be_a_positive_whole_number(threads):
    with pytest.raises(ValueError, match=f"threads must be a whole number, 1 to 1024, not {threads!r}"):
        Inpainter("compact", threads=threads)
    assert repr(Inpainter("compact", threads=np.int64(2))).endswith("threads=2)")


@pytest.mark.parametrize("box", [(8, 8, 52, 52), (5, 5, 55, 55), (0, 0, 45, 45)])
def test_a_slope_is_continued_from_what_little_is_known(inpainter, box):
    y, x = np.mgrid[:60, :60]
    for image in ((y * 4).astype(np.uint8), 3 + y / 7 - x / 9):
        np.testing.assert_allclose(inpainter.fill(image, boxes=[box]).astype(float), image, atol=1e-9)


def test_one_liner(inpainter, photo):
    box = (100, 100, 140, 150)
    np.testing.assert_allclose(fill(photo, boxes=[box]), inpainter.fill(photo, boxes=[box]), atol=1)
