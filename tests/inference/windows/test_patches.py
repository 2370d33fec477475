"""Where patches go, they show the same: in a copy, a lazy array, another array, and the image itself."""

import threading

import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_inpaint import FillCancelledError
from napari_inpaint.inference.inputs.boxes import Box
from napari_inpaint.inference.inputs.planes import Planes
from napari_inpaint.inference.windows import patches as module
from napari_inpaint.inference.windows.patches import Patch, copy_into, fill_in_place, to_copy, to_lazy


class Stored:
    """An array elsewhere, read and written part by part; ``fails_at`` of the writes fails."""

    def __init__(self, array, chunks, fails_at=None):
        self.array, self.chunks, self.shape, self.dtype = array, chunks, array.shape, array.dtype
        self.written, self.fails_at, self.writes = np.zeros(array.shape, int), fails_at, 0

    def __getitem__(self, index):
        return self.array[index].copy()

    def __setitem__(self, index, values):
        self.writes += 1
        if self.writes == self.fails_at:
            raise OSError("no space left")
        self.array[index] = values
        self.written[index] += 1


def draw_case(data):
    """Planes of any axes, and patches in them, no two of which fill the same pixel."""
    shape = data.draw(st.lists(st.integers(1, 7), min_size=2, max_size=4))
    axis = data.draw(st.sampled_from([None, *range(len(shape))] if len(shape) > 2 else [None]))
    source = Planes(np.arange(np.prod(shape)).reshape(shape), axis)
    *leading, height, width, channels = source.shape
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    free, patches = np.ones((*leading, height, width, channels), bool), []
    for _ in range(data.draw(st.integers(0, 4))):
        y, x = rng.integers(height), rng.integers(width)
        box = Box(int(y), int(x), int(rng.integers(y, height)) + 1, int(rng.integers(x, width)) + 1)
        group = slice(int(rng.integers(channels)), channels)
        plane = tuple(int(rng.integers(n)) for n in leading)
        here = (*plane, *box.slices, group)
        mask = free[here] & (rng.random((box.height, box.width, 1)) < 0.7)
        free[here] &= ~mask
        patches.append(Patch(plane, box, group, mask, source.read(plane, box)[..., group].copy(),
                             rng.integers(1000, 2000, mask.shape)))  # fmt: skip
    return source, patches


@given(st.data())
def test_all_ways_show_the_same(data):
    source, patches = draw_case(data)
    expected = source.array.copy()
    planes = source.like(expected)
    for patch in patches:
        np.copyto(planes.read(patch.plane, patch.box)[..., patch.channels], patch.pixels, where=patch.mask)
    np.testing.assert_array_equal(to_copy(source, patches), expected)

    chunks = tuple(data.draw(st.integers(1, 4)) for _ in expected.shape)
    lazy = source.like(da.from_array(source.array, chunks))
    assert to_lazy(lazy, patches).chunks == lazy.array.chunks
    np.testing.assert_array_equal(to_copy(lazy, patches).compute(scheduler="sync"), expected)

    for out in (Stored(np.full_like(expected, -1), chunks), Stored(np.full_like(expected, -1), None)):
        copy_into(out, source, patches)
        np.testing.assert_array_equal(out.array, expected)
        assert (out.written == 1).all()  # every chunk once

    for image in (source.array.copy(), Stored(source.array.copy(), chunks), Stored(source.array.copy(), None)):
        fill_in_place(source.like(image), patches)
        np.testing.assert_array_equal(image[:], expected)


@given(st.data())
def test_a_write_in_place_that_fails_is_taken_back(data):
    source, patches = draw_case(data)
    chunks = data.draw(st.sampled_from([None, (2,) * source.array.ndim]))
    image = Stored(source.array.copy(), chunks, fails_at=data.draw(st.integers(1, 6)))
    try:
        fill_in_place(source.like(image), patches)
    except OSError:
        np.testing.assert_array_equal(image.array, source.array)
    else:
        assert image.writes < image.fails_at


@pytest.mark.parametrize("chunks", [None, (4, 4), (3, 6)])
def test_in_place_only_what_is_filled_is_written(chunks):
    image = Stored(np.zeros((8, 8), int), chunks)
    ones = np.ones((2, 2, 1), int)
    fill_in_place(Planes(image, None), [Patch((), Box(1, 5, 3, 7), slice(0, 1), ones > 0, 0 * ones, ones)])
    assert image.written.sum() == image.array.sum() == 4


def test_an_array_without_chunks_is_copied_in_bands(monkeypatch):
    monkeypatch.setattr(module, "BAND", 64)
    source = Planes(np.arange(60).reshape(3, 4, 5), None)
    out = Stored(np.zeros((3, 4, 5), int), None)
    copy_into(out, source, [])
    np.testing.assert_array_equal(out.array, source.array)
    assert out.writes == 12


def test_a_copy_stops_when_it_is_told_to():
    cancel, out = threading.Event(), np.zeros((4, 5), int)
    cancel.set()
    with pytest.raises(FillCancelledError):
        copy_into(out, Planes(np.ones((4, 5), int), None), [], cancel)
    assert not out.any()
