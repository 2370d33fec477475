"""Changes beside an array."""

import dask.array as da
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_inpaint import Inpainter
from napari_inpaint.plugin.layers.overlay import Overlay, reverse, write

SHAPE = (3, 20, 30)
parts = st.tuples(*[
    st.tuples(st.integers(0, length - 1), st.integers(1, length)).map(lambda x: slice(x[0], max(x[0] + 1, x[1])))
    for length in SHAPE
])  # fmt: skip


@given(st.lists(parts, max_size=5), st.tuples(*[st.integers(1, length) for length in SHAPE]), st.integers(0, 9))
def test_a_copy_and_a_lazy_array_show_the_same_changes(places, chunks, seed):
    random = np.random.default_rng(seed)
    array = random.integers(0, 4, SHAPE).astype(np.float32)
    array[array == 3] = np.nan
    before = array.copy()
    expected = array.copy()
    overlay = Overlay(array)
    for part in places:
        values = random.integers(0, 4, array[part].shape).astype(np.float32)
        values = np.where(expected[part] == array[part], values, array[part])  # changes of a fill do not overlap
        overlay[part] = values
        expected[part] = np.where(values == array[part], expected[part], values)  # what stays as it was is no change
    np.testing.assert_array_equal(array, before)
    np.testing.assert_array_equal(overlay[1, :, 2:5], before[1, :, 2:5])
    copy = array.copy()
    write(overlay.changes, copy)
    np.testing.assert_array_equal(copy, expected)
    lazy = Overlay(da.from_array(array, chunks))
    lazy.changes = overlay.changes
    assert lazy.to_dask().chunks == da.from_array(array, chunks).chunks
    np.testing.assert_array_equal(lazy.to_dask().compute(), expected)
    _, left = write(reverse(overlay.changes), copy)
    np.testing.assert_array_equal(copy, before)
    assert not left


def test_pixels_that_were_changed_meanwhile_are_left_alone():
    array = np.zeros((4, 4))
    overlay = Overlay(array)
    overlay[0:2, 0:2] = np.array([[0, 5], [0, 5]])
    array[0, 0] = 7  # by someone else: not filled
    array[1, 1] = 9  # by someone else: filled, but no longer what it was filled from
    written, left = write(overlay.changes, array)
    np.testing.assert_array_equal(array[:2, :2], [[7, 5], [0, 9]])
    assert (written[0].changed.sum(), left[0].changed.sum()) == (1, 1)
    array[0, 1] = 6  # after it was filled: not taken back
    _, left = write(reverse(written), array)
    np.testing.assert_array_equal(array[:2, :2], [[7, 6], [0, 9]])
    assert left[0].changed.sum() == 1


def test_the_engine_fills_it_in_place(photo):
    image = photo[:96, :96]
    overlay = Overlay(da.from_array(image, (50, 40, 3)))
    inpainter = Inpainter("compact", device="cpu")
    inpainter.fill(overlay, boxes=[(20, 20, 60, 50)], channel_axis=-1, out=overlay)
    expected = inpainter.fill(image, boxes=[(20, 20, 60, 50)])
    np.testing.assert_array_equal(overlay.to_dask().compute(), expected)
