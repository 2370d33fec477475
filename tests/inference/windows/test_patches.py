import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_inpaint.inference.inputs.boxes import Box
from napari_inpaint.inference.inputs.planes import Planes
from napari_inpaint.inference.windows import patches as targets
from napari_inpaint.inference.windows.patches import InPlace, Kept, Patch


class Chunked:
    """An array that is written in chunks, each once."""

    def __init__(self, shape, chunks):
        self.array, self.chunks, self.shape, self.dtype = np.full(shape, -1), chunks, shape, np.dtype(int)
        self.written = np.zeros(shape, int)

    def __setitem__(self, index, values):
        self.array[index] = values
        self.written[index] += 1


@given(st.lists(st.integers(1, 7), min_size=2, max_size=4), st.data())
def test_kept_patches_end_up_where_patches_in_place_do(shape, data):
    axis = data.draw(st.sampled_from([None, *range(len(shape))] if len(shape) > 2 else [None]))
    source = Planes(np.arange(np.prod(shape)).reshape(shape), axis)
    *leading, height, width, channels = source.shape
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    direct, kept = InPlace(source.like(source.array.copy())), Kept(source)
    for _ in range(data.draw(st.integers(0, 4))):
        y, x = rng.integers(height), rng.integers(width)
        box = Box(int(y), int(x), int(rng.integers(y, height)) + 1, int(rng.integers(x, width)) + 1)
        group = slice(int(rng.integers(channels)), channels)
        size = (box.height, box.width)
        patch = Patch(tuple(int(rng.integers(n)) for n in leading), box, group,
                      rng.integers(1000, 2000, (*size, channels - group.start)), rng.random(size) < 0.7)  # fmt: skip
        direct.put(patch)
        kept.put(patch)
    out = Chunked(tuple(shape), tuple(data.draw(st.integers(1, 4)) for _ in shape))
    calls = []
    kept.copy_to(out, lambda: calls.append(1))
    np.testing.assert_array_equal(out.array, direct.result.array)
    assert (out.written == 1).all()
    assert calls
    direct.undo()
    np.testing.assert_array_equal(direct.result.array, source.array)


def test_an_array_without_chunks_is_copied_in_bands(monkeypatch):
    monkeypatch.setattr(targets, "BAND", 64)
    source, out, calls = Planes(np.arange(60).reshape(3, 4, 5), None), np.zeros((3, 4, 5), int), []
    Kept(source).copy_to(out, lambda: calls.append(1))
    np.testing.assert_array_equal(out, source.array)
    assert len(calls) == 12


def test_a_copy_stops_when_it_is_told_to():
    def stop():
        raise KeyboardInterrupt

    out = np.zeros((4, 5), int)
    with pytest.raises(KeyboardInterrupt):
        Kept(Planes(np.ones((4, 5), int), None)).copy_to(out, stop)
    assert not out.any()
