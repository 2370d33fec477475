"""Lists of arrays: the channels of one image, each with its own values."""

import itertools

import dask.array as da
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_inpaint.inference.inputs.boxes import Box
from napari_inpaint.inference.inputs.panel import Panel
from napari_inpaint.inference.record import unpack

BOX = (50, 60, 110, 120)
EXACT = ["?", "u1", "i1", "<u2", ">u2", "<i2", "<u4", ">i4", "<f2", "<f4", ">f4", "<f8"]


@pytest.fixture(scope="module")
def channels(photo):
    """Three of (200, 220), uint16, uint8 and float32."""
    parts = np.moveaxis(photo[100:300, 100:320], -1, 0)
    return [parts[0].astype(np.uint16) * 201, parts[1].copy(), (parts[2] / np.float32(7)).astype(np.float32)]


def known(shape):
    outside = np.ones(shape, bool)
    outside[Box(*BOX).slices] = False
    return outside


@given(st.lists(st.sampled_from([*EXACT, "<u8", ">i8"]), min_size=1, max_size=4), st.integers(0, 2**32 - 1))
def test_what_is_read_has_the_values_of_all_channels(dtypes, seed):
    rng = np.random.default_rng(seed)
    arrays = [np.frombuffer(rng.bytes(12 * np.dtype(dtype).itemsize), dtype).reshape(3, 4) for dtype in dtypes]
    arrays = [array if array.dtype != bool else array.view("u1") > 99 for array in arrays]
    try:
        panel = Panel(arrays)
    except ValueError as error:
        assert "no dtype holds" in str(error)
        kinds = [np.dtype(dtype) for dtype in dtypes]
        assert any(dtype.kind in "iu" and dtype.itemsize == 8 for dtype in kinds)
        assert len({dtype.kind for dtype in kinds}) > 1
        return
    read = panel[:, 1:, :]
    assert read.shape == (3, 3, len(arrays))
    for channel, array in enumerate(arrays):
        np.testing.assert_array_equal(read[..., channel].astype(array.dtype), array[:, 1:])


@settings(max_examples=25)
@given(st.lists(st.sampled_from(EXACT), min_size=1, max_size=4), st.booleans(), st.integers(0, 2**32 - 1))
def test_known_pixels_are_bit_identical_in_channels_of_all_dtypes(inpainter, dtypes, seam, seed):
    rng = np.random.default_rng(seed)
    images = []
    for dtype in dtypes:
        bits = np.frombuffer(rng.bytes(40 * 50 * np.dtype(dtype).itemsize), dtype).reshape(40, 50)  # NaN too
        images.append(bits if np.dtype(dtype) != bool else bits.view("u1") > 99)
    before = [image.tobytes() for image in images]
    box, outside = Box(8, 8, 30, 34), np.ones((40, 50), bool)
    outside[box.slices] = False
    filled = inpainter.fill(images, boxes=[box], seam=seam)
    for image, each, bits in zip(images, filled, before, strict=True):
        assert (each.dtype, each.shape) == (image.dtype, image.shape)
        assert image.tobytes() == bits
        assert each[outside].tobytes() == image[outside].tobytes()
        assert np.isfinite(each[box.slices]).all()


def test_all_channels_are_copied_from_one_place(inpainter, channels):
    filled = inpainter.fill(channels, boxes=[BOX], seam=False)
    record = inpainter.last_record
    (copies,) = record["copies"]
    assert (record["shape"], copies["shares"]) == ((200, 220, 3), "")
    offsets = np.frombuffer(unpack(copies["offsets"], 8 * 60 * 60), "<i4").reshape(2, 60, 60)
    y, x = np.mgrid[50:110, 60:120] + offsets
    for image, each in zip(channels, filled, strict=True):
        np.testing.assert_array_equal(each[Box(*BOX).slices], image[y, x])


def test_channels_of_one_dtype_are_filled_as_their_stack(inpainter, photo):
    images = [photo[:200, :220, 0], photo[:200, :220, 1]]
    filled = inpainter.fill(images, boxes=[BOX])
    record = inpainter.last_record
    expected = inpainter.fill(np.stack(images), boxes=[BOX], channel_axis=0)
    np.testing.assert_array_equal(filled, expected)
    assert record["result_sha256"] == inpainter.last_record["result_sha256"]


def test_three_arrays_are_no_colours(inpainter, photo):
    images = [photo[:200, :220, channel] for channel in range(3)]
    filled = inpainter.fill(images, boxes=[BOX], detail="network")
    assert {len(window["curves"]) for window in inpainter.last_record["windows"]} == {3}
    for image, each in zip(images, filled, strict=True):
        np.testing.assert_array_equal(each, inpainter.fill(image, boxes=[BOX], detail="network"))
    assert inpainter.plan(images, boxes=[BOX]).channel_groups == 3
    assert inpainter.plan(np.stack(images, -1), boxes=[BOX]).channel_groups == 1
    grey = inpainter.self_check(images[:1] * 3, boxes=[BOX], places=1, detail="network").scores["fill"]
    alone = inpainter.self_check(images[0], boxes=[BOX], places=1, detail="network").scores["fill"]
    assert grey.l1 == pytest.approx(alone.l1, rel=1e-6)


def test_the_last_of_three_may_be_transparency(inpainter, photo):
    images = [photo[:200, :220, 0], photo[:200, :220, 1], np.full((200, 220), 255, np.uint8)]
    filled = inpainter.fill(images, boxes=[BOX], alpha=True)
    np.testing.assert_array_equal(filled[2], images[2])
    with pytest.raises(ValueError, match="no channel that could be alpha"):
        inpainter.fill(images[:1], boxes=[BOX], alpha=True)


def test_the_correction_of_integers_beside_floats_is_whole_and_in_range(inpainter, channels):
    filled = inpainter.fill(channels, boxes=[BOX])
    for image, each in zip(channels, filled, strict=True):
        assert image.min() <= each.min()
        assert each.max() <= image.max()
    apart = inpainter.fill([channel.astype(np.float64) for channel in channels], boxes=[BOX])
    for each, exact in zip(filled, apart, strict=True):
        np.testing.assert_allclose(each, exact, atol=0.5001 if each.dtype.kind == "u" else 1e-4)


def as_zarr(array):
    store = zarr.create_array(zarr.storage.MemoryStore(), shape=array.shape, chunks=(50, 60), dtype=array.dtype)
    store[:] = array
    return store


def as_torch(array):
    return pytest.importorskip("torch").from_numpy(array.copy())


def as_xarray(array):
    return pytest.importorskip("xarray").DataArray(array, dims=("y", "x"), name="name")


@pytest.mark.parametrize("kind", [list, tuple])
@pytest.mark.parametrize("make", [np.asarray, da.from_array, as_zarr, as_torch, as_xarray])
def test_every_channel_comes_back_as_it_came(inpainter, channels, kind, make):
    expected = inpainter.fill(channels, boxes=[BOX], detail="smooth")
    images = kind([channels[0], make(channels[1]), make(channels[2])])
    filled = inpainter.fill(images, boxes=[BOX], detail="smooth")
    assert type(filled) is kind
    assert inpainter.last_record["filled_pixels"] == 60 * 60  # at once, also in lazy arrays
    for image, each, wanted in zip(images, filled, expected, strict=True):
        assert isinstance(each, da.Array if make is as_zarr and image is not images[0] else type(image))
        assert each.dtype == image.dtype
        np.testing.assert_array_equal(np.asarray(each), wanted)


def test_planes_and_masks_of_them(inpainter, channels):
    images = [np.stack([channel, channel[::-1]]) for channel in channels]
    mask = np.zeros((2, 200, 220), bool)
    mask[1, 30:60, 40:90] = True
    filled = inpainter.fill(images, mask, detail="smooth")
    for index in range(2):
        apart = inpainter.fill([image[index] for image in images], mask[index], detail="smooth")
        for each, wanted in zip(filled, apart, strict=True):
            np.testing.assert_array_equal(each[index], wanted)
    named = inpainter.fill(images, {(1,): mask[1]}, detail="smooth")
    assert all(itertools.starmap(np.array_equal, zip(filled, named, strict=True)))


def test_masks_of_xarray_are_turned_as_the_channels(inpainter, channels):
    xr = pytest.importorskip("xarray")
    mask = ~known((200, 220))
    filled = inpainter.fill([channels[0], as_xarray(channels[1])], xr.DataArray(mask.T, dims=("x", "y")))
    np.testing.assert_array_equal(filled[1], inpainter.fill(channels[:2], mask)[1])
    with pytest.raises(ValueError, match=r"must have the same dimensions, not \('y', 'x'\) and \('x', 'y'\)"):
        inpainter.fill([as_xarray(channels[0]), as_xarray(channels[1]).transpose("x", "y")], mask)


def test_what_one_channel_masks_is_known_in_none(inpainter, channels):
    spoilt = [channel.copy() for channel in channels]
    around = np.zeros((200, 220), bool)
    around[40:120, 50:130] = True
    around &= known((200, 220))
    spoilt[1][around] = 255
    images = [spoilt[0], np.ma.MaskedArray(spoilt[1], around), spoilt[2]]
    filled = inpainter.fill(images, boxes=[BOX])
    assert type(filled[1]) is np.ma.MaskedArray
    np.testing.assert_array_equal(filled[1].mask, around)
    assert type(filled[0]) is np.ndarray
    assert inpainter.last_record["masked_pixels"] == around.sum()
    assert filled[1].data[Box(*BOX).slices].mean() < 250


class Failing:
    """An array elsewhere whose n-th write fails."""

    def __init__(self, array, fails_at):
        self.array, self.shape, self.dtype, self.ndim, self.chunks = array, array.shape, array.dtype, array.ndim, None
        self.left = fails_at

    def __getitem__(self, index):
        return self.array[index].copy()

    def __setitem__(self, index, values):
        self.left -= 1
        if self.left == 0:
            raise OSError("no space left")
        self.array[index] = values


def test_out_receives_every_channel(inpainter, channels):
    expected = inpainter.fill(channels, boxes=[BOX])
    out = [np.zeros_like(channels[0]), as_zarr(channels[1]), np.zeros_like(channels[2])]
    assert inpainter.fill(channels, boxes=[BOX], out=out) is out
    images = [channel.copy() for channel in channels]
    assert inpainter.fill(images, boxes=[BOX], out=images) is images
    mixed = [channels[0].copy(), channels[1].copy(), channels[2]]
    other = (mixed[0], mixed[1], np.zeros_like(mixed[2]))  # two in place
    assert inpainter.fill(mixed, boxes=[BOX], out=other) is other
    for each in (out, images, other):
        assert all(np.array_equal(np.asarray(found[:]), wanted) for found, wanted in zip(each, expected, strict=True))


def test_a_channel_that_cannot_be_written_in_place_takes_back_those_before(inpainter, channels):
    images = [channels[0].copy(), as_zarr(channels[1]), Failing(channels[2].copy(), 1)]
    with pytest.raises(OSError, match="no space left"):
        inpainter.fill(images, boxes=[BOX], out=images)
    for image, channel in zip(images, channels, strict=True):
        np.testing.assert_array_equal(image[:], channel)


def test_lists_that_are_no_channels_are_images_or_refused(inpainter, channels, photo):
    def fill(image, **options):
        return inpainter.fill(image, **{"boxes": [(1, 1, 2, 2)], **options})

    numbers = channels[1][:9, :9]
    for image in (numbers.tolist(), list(numbers), [list(row) for row in numbers]):
        np.testing.assert_array_equal(fill(image), fill(numbers))
    with pytest.raises(ValueError, match=r"shapes \(200, 220\), \(200, 219\): give them one by one"):
        fill([channels[0], channels[1][:, 1:]])
    with pytest.raises(ValueError, match=r"\(512, 640, 3\) have channels themselves: stack them"):
        fill([photo, photo])
    with pytest.raises(ValueError, match="channel_axis is 0, but a list of arrays"):
        fill(channels, channel_axis=0)
    with pytest.raises(ValueError, match=r"no dtype holds the values of float32, int64 exactly: convert the channels"):
        fill([channels[2], channels[1].astype(np.int64)])
    with pytest.raises(ValueError, match="images of dtype complex64 cannot be filled"):
        fill([channels[0], channels[2].astype(np.complex64)])
    for out in (channels[:2], channels[0]):
        with pytest.raises(ValueError, match="out must be a list of 3 arrays, as the image is"):
            fill(channels, out=out)
    with pytest.raises(ValueError, match=r"out has shape \(200, 220\) and dtype float32, the image has .*uint16"):
        fill(channels, out=channels[::-1])
