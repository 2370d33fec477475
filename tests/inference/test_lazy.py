"""Lazy arrays: the same pixels as in memory, and no more of them read than needed."""

import sys
import threading

import dask
import dask.array as da
import numpy as np
import pytest
import zarr

from napari_inpaint import FillCancelledError, Inpainter

BOXES = [(20, 30, 60, 80)]


@pytest.fixture(scope="module")
def stack(photo):
    """(3, 96, 128), uint16: three windows of a photo."""
    return np.stack([photo[y : y + 96, 100:228, 1] for y in (0, 150, 300)]).astype(np.uint16) * 200


class Counting:
    """An array that says which parts were read."""

    def __init__(self, array, chunks=None):
        self.array, self.chunks, self.shape, self.dtype, self.ndim = array, chunks, array.shape, array.dtype, array.ndim
        self.read = 0

    def __getitem__(self, index):
        part = self.array[index]
        self.read += part.size
        return part

    def __setitem__(self, index, values):
        self.array[index] = values


def in_zarr(array, chunks):
    store = zarr.create_array(store=zarr.storage.MemoryStore(), shape=array.shape, chunks=chunks, dtype=array.dtype)
    store[:] = array
    return store


def spots(image):
    """Some pixels here and there, and a block."""
    mask = image % 1800 == 0
    mask[..., 30:60, 40:70] = True
    return mask


MASKS = {"boxes": lambda _: {"boxes": BOXES}, "one mask": lambda stack: {"mask": spots(stack[0])},
         "a mask for each": lambda stack: {"mask": spots(stack)},
         "a lazy mask": lambda stack: {"mask": da.from_array(spots(stack), (1, 50, 50))}}  # fmt: skip


@pytest.mark.parametrize("masks", MASKS)
def test_dask_in_dask_out(inpainter, stack, masks):
    arguments = MASKS[masks](stack)
    lazy = inpainter.fill(da.from_array(stack, (2, 40, 50)), **arguments, grow=1)
    assert isinstance(lazy, da.Array)
    assert (lazy.shape, lazy.dtype) == (stack.shape, stack.dtype)
    arguments = {name: np.asarray(value) for name, value in arguments.items()}
    np.testing.assert_array_equal(lazy.compute(), inpainter.fill(stack, **arguments, grow=1))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_channels_of_lazy_images(inpainter, photo, axis):
    image = np.stack([photo[:90, :100], photo[100:190, :100]])
    image = np.moveaxis(image, -1, axis)
    lazy = inpainter.fill(da.from_array(image, 40), boxes=BOXES, channel_axis=axis)
    np.testing.assert_array_equal(lazy.compute(), inpainter.fill(image, boxes=BOXES, channel_axis=axis))


def test_only_planes_that_are_looked_at_are_computed(inpainter, stack):
    computed = []

    def make(block_info=None):
        computed.append(block_info[None]["chunk-location"][0])
        return stack[computed[-1]][None]

    source = da.map_blocks(make, chunks=((1, 1, 1), 96, 128), dtype=stack.dtype, meta=stack[:0])
    computed.clear()
    lazy = inpainter.fill(source, boxes=BOXES)
    assert computed == []
    with dask.config.set(scheduler="synchronous"):
        plane = lazy[1].compute()
    assert computed == [1]
    np.testing.assert_array_equal(plane, inpainter.fill(stack[1], boxes=BOXES))


def test_zarr_without_out_becomes_dask(inpainter, stack):
    lazy = inpainter.fill(in_zarr(stack, (1, 50, 50)), boxes=BOXES)
    np.testing.assert_array_equal(lazy.compute(), inpainter.fill(stack, boxes=BOXES))


@pytest.mark.parametrize("source", ["numpy", "zarr", "dask"])
@pytest.mark.parametrize("target", ["numpy", "zarr"])
def test_out_receives_the_whole_image_and_the_fills(inpainter, stack, source, target):
    image = {"numpy": stack, "zarr": in_zarr(stack, (1, 50, 50)), "dask": da.from_array(stack, (1, 50, 50))}[source]
    empty = np.zeros_like(stack)
    out = empty if target == "numpy" else in_zarr(empty, (2, 30, 128))
    assert inpainter.fill(image, boxes=BOXES, out=out) is out
    np.testing.assert_array_equal(out[:], inpainter.fill(stack, boxes=BOXES))
    assert inpainter.last_record["filled_pixels"] == 3 * 40 * 50
    np.testing.assert_array_equal(np.asarray(image), stack)


def test_in_place_only_windows_are_read_and_only_holes_are_written(inpainter):
    image = np.random.default_rng(0).integers(0, 60_000, (3000, 4000), np.uint16)
    expected, counting = inpainter.fill(image, boxes=[(1000, 1000, 1100, 1100)]), Counting(image.copy(), (512, 512))
    assert inpainter.fill(counting, boxes=[(1000, 1000, 1100, 1100)], out=counting) is counting
    np.testing.assert_array_equal(counting.array, expected)
    kinds = 2 * 192**2  # what the image seems to be is asked around two corners
    assert counting.read <= 256**2 + (100 + 2 * 128) ** 2 + 2 * 100**2 + kinds


def test_in_place_in_memory(inpainter, stack):
    image = stack.copy()
    assert inpainter.fill(image, boxes=BOXES, out=image) is image
    np.testing.assert_array_equal(image, inpainter.fill(stack, boxes=BOXES))


@pytest.mark.parametrize("kind", ["numpy", "zarr"])
def test_a_cancelled_fill_in_place_leaves_the_image_as_it_was(inpainter, stack, kind):
    image = stack.copy() if kind == "numpy" else in_zarr(stack, (1, 50, 50))
    cancel, done = threading.Event(), []

    def stop_after_two(number, _):
        done.append(number)
        if number == 2:
            cancel.set()

    with pytest.raises(FillCancelledError):
        inpainter.fill(image, boxes=BOXES, out=image, on_progress=stop_after_two, cancel=cancel)
    assert done == [1, 2]
    np.testing.assert_array_equal(image[:], stack)


@pytest.mark.parametrize(
    "arguments", [{"boxes": [(0, 0, 97, 5)]}, {"mask": np.ones((5, 5))}, {"boxes": BOXES, "grow": -1}, {}]
)
def test_bad_arguments_are_refused_before_anything_is_computed(inpainter, stack, arguments):
    with pytest.raises(ValueError, match=r"not wholly inside|mask has shape|grow|nothing to fill"):
        inpainter.fill(da.from_array(stack, (1, 50, 50)), **arguments)


def test_without_dask_the_remedy_is_named(inpainter, stack, monkeypatch):
    monkeypatch.setitem(sys.modules, "dask.array", None)
    with pytest.raises(ImportError, match=r'pip install "napari-inpaint\[big\]"'):
        inpainter.fill(Counting(stack, (1, 50, 50)), boxes=BOXES)


@pytest.mark.slow
def test_a_cluster_of_two_processes_fills_a_stack(stack):
    from distributed import Client, LocalCluster

    inpainter = Inpainter("compact.fp32", "cpu", threads=1)
    big = np.concatenate([stack, stack[:, ::-1]])
    lazy = inpainter.fill(da.from_array(big, (1, 50, 50)), mask=spots(big[0]))
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster):
        filled = lazy.compute()
    np.testing.assert_array_equal(filled, inpainter.fill(big, spots(big[0])))


def test_a_frame_of_which_nothing_is_known_is_left_and_named(inpainter, stack):
    spoilt = stack.astype(np.float32)
    spoilt[1] = np.nan
    lazy = inpainter.fill(da.from_array(spoilt, (1, 50, 50)), boxes=BOXES)
    with pytest.warns(UserWarning, match="in plane 1 nothing is known: it is left as it is"):
        filled = lazy.compute(scheduler="sync")
    np.testing.assert_array_equal(filled[1], spoilt[1])
    np.testing.assert_array_equal(filled[[0, 2]], inpainter.fill(spoilt[[0, 2]], boxes=BOXES))
