"""Files that are mapped: read window by window, and changed only in place."""

import sys
import tracemalloc

import dask.array as da
import numpy as np
import pytest

from napari_inpaint.inference.inputs.arrays import is_mapped
from napari_inpaint.inference.windows.patches import BAND

BOXES = [(20, 30, 60, 80)]


class TestMapped:
    """`numpy.memmap`."""

    BYTES = 1 << 28

    @pytest.fixture
    def path(self, tmp_path):
        """A file of zeros, which takes no space."""
        with (tmp_path / "zeros").open("wb") as file:
            file.truncate(self.BYTES)
        return tmp_path / "zeros"

    @pytest.mark.parametrize("way", ["lazy", "a part of it", "in place", "into another", "plan", "self_check"])
    def test_no_more_than_windows_of_a_file_come_into_memory(self, inpainter, path, tmp_path, way):
        mapped = np.memmap(path, np.uint8, "r+", shape=(1 << 13, self.BYTES >> 13))
        mapped[1000:1200, 1000:1200] = np.random.default_rng(0).integers(0, 255, (200, 200))
        arguments = {"boxes": [(1050, 1060, 1110, 1120)], "detail": "smooth"}
        inpainter.fill(np.zeros((9, 9)), boxes=[(2, 2, 3, 3)])  # what is imported then does not count
        tracemalloc.start()
        try:
            if way == "in place":
                assert inpainter.fill(mapped, **arguments, out=mapped) is mapped
            elif way == "into another":
                other = np.memmap(tmp_path / "other", np.uint8, "w+", shape=mapped.shape)
                inpainter.fill(mapped, **arguments, out=other)
            elif way == "plan":
                inpainter.plan(mapped, **arguments)
            elif way == "self_check":
                inpainter.self_check(mapped, **arguments, places=1)
            else:
                filled = inpainter.fill(mapped, **arguments)
                if way == "a part of it":
                    assert filled[1060:1070, 1070:1080].compute(scheduler="sync").any()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        bands = {"a part of it": 2, "into another": 1}.get(way, 0)  # as it is read, and as it is filled
        assert peak < self.BYTES / 4 + bands * BAND

    @pytest.mark.parametrize("mode", ["r", "r+", "c"])
    @pytest.mark.parametrize("boxes", [BOXES, []])
    def test_what_comes_back_is_lazy_and_the_file_stays_as_it_was(self, fill, grey, tmp_path, mode, boxes):
        np.save(tmp_path / "grey.npy", grey)
        mapped = np.load(tmp_path / "grey.npy", mmap_mode=mode)
        filled = fill(mapped, boxes=boxes)
        assert isinstance(filled, da.Array)
        result = filled.compute()
        np.testing.assert_array_equal(result, fill(grey, boxes=boxes))
        result[:] = 0  # it is nobody else's
        np.testing.assert_array_equal(np.load(tmp_path / "grey.npy"), grey)
        np.testing.assert_array_equal(mapped, grey)

    def test_the_record_says_at_once_what_was_filled(self, inpainter, grey, tmp_path):
        mapped = np.memmap(tmp_path / "grey", np.uint8, "w+", shape=grey.shape)
        mapped[:] = grey
        steps = []
        inpainter.fill(mapped, boxes=BOXES, on_progress=lambda *step: steps.append(step))
        assert inpainter.last_record["filled_pixels"] == 40 * 50
        assert len(steps) == 2

    def test_in_place_the_file_changes_in_holes_only(self, fill, grey, tmp_path):
        np.save(tmp_path / "grey.npy", np.stack([grey, grey]))
        mapped = np.load(tmp_path / "grey.npy", mmap_mode="r+")
        view = mapped[1].reshape(96, 128)
        assert fill(view, boxes=BOXES, out=view) is view
        mapped.flush()
        after = np.load(tmp_path / "grey.npy")
        np.testing.assert_array_equal(after[0], grey)
        np.testing.assert_array_equal(after[1], fill(grey, boxes=BOXES))

    def test_a_read_only_file_receives_nothing(self, fill, grey, tmp_path):
        np.save(tmp_path / "grey.npy", grey)
        mapped = np.load(tmp_path / "grey.npy", mmap_mode="r")
        with pytest.raises(ValueError, match="out must be an array that can be written"):
            fill(mapped, boxes=BOXES, out=mapped)

    def test_without_dask_the_remedy_is_named_before_anything_is_filled(self, inpainter, path, monkeypatch):
        monkeypatch.setitem(sys.modules, "dask.array", None)
        with pytest.raises(ImportError, match=r'pip install "napari-inpaint\[big\]", or give out='):
            inpainter.fill(np.memmap(path, np.uint8, "r", shape=(100, 100)), boxes=BOXES)

    def test_arrays_in_memory_of_that_type_are_no_files(self, fill, path):
        mapped = np.memmap(path, np.uint8, "r", shape=(100, 100))
        assert is_mapped(mapped)
        assert is_mapped(mapped[::2].T.reshape(-1, 10) if mapped.T.flags.c_contiguous else mapped[::2].T)
        for derived in (mapped.copy(), mapped + 1, np.asarray(mapped)):
            assert not is_mapped(derived)
            assert isinstance(fill(derived, boxes=BOXES), np.ndarray)
