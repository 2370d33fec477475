"""Whatever library holds the pixels: filled as numpy's are, and given back as they came."""

import subprocess
import sys
import tracemalloc

import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from napari_inpaint.inference.inputs.arrays import is_mapped
from napari_inpaint.inference.inputs.given import receive
from napari_inpaint.inference.options import FillOptions
from napari_inpaint.inference.windows.patches import BAND

BOX = (20, 30, 60, 80)
BOXES = [BOX]


@pytest.fixture(scope="module")
def grey(photo):
    """(96, 128), uint8."""
    return photo[:96, 100:228, 1].copy()


@pytest.fixture(scope="module")
def mask(grey):
    drawn = np.zeros(grey.shape, bool)
    drawn[20:60, 30:80] = drawn[80, 5:100] = True
    return drawn


@pytest.fixture(scope="module")
def fill(inpainter):
    """Quick: the surface of the holes does not matter here."""
    return lambda *arguments, **options: inpainter.fill(*arguments, detail="smooth", **options)


class Foreign:
    """An array of a library that is not known, as the array API standard wants it."""

    def __init__(self, array, device="here"):
        self.array, self.device, self.shape = array, device, array.shape

    def __array__(self, dtype=None, copy=None):
        return np.array(self.array)

    def __array_namespace__(self):
        return Library

    def to_device(self, device):
        return Foreign(self.array, device)


class Library:
    asarray = Foreign


class Plain:
    """An array that numpy can read, and nothing more."""

    def __init__(self, array):
        self.__array_interface__ = array.__array_interface__
        self.array = array


class Exchanged:
    """An array that can only be exchanged; of a GPU not even that."""

    def __init__(self, array, error=None):
        self.array, self.error = array, error

    def __dlpack__(self, **_):
        if self.error:
            raise self.error
        return self.array.__dlpack__()

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def to_torch(array):
    return pytest.importorskip("torch").from_numpy(array.copy())


def to_xarray(array):
    return pytest.importorskip("xarray").DataArray(array)


def to_tensorstore(array, chunks=(16, 20)):
    """In chunks of its own, and beginning at (3, 4)."""
    ts = pytest.importorskip("tensorstore")
    dtype = {"dtype": np.dtype(array.dtype).name}
    chunks = ts.ChunkLayout(chunk_shape=chunks)
    spec = {"driver": "zarr", "kvstore": {"driver": "memory"}} | dtype
    shape = [length + 9 for length in array.shape]
    store = ts.open(spec, create=True, shape=shape, chunk_layout=chunks).result()
    store = store[tuple(slice(3 + i, 3 + i + length) for i, length in enumerate(array.shape))]
    store[...] = array
    return store


KINDS = {
    "torch": to_torch, "xarray": to_xarray, "tensorstore": to_tensorstore, "foreign": Foreign, "plain": Plain,
    "exchanged": Exchanged, "dask": lambda array: da.from_array(array, 40), "list": np.ndarray.tolist,
    "pillow": Image.fromarray,
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_images_and_masks_of_all_kinds_are_filled_as_numpy_arrays_are(fill, grey, mask, kind):
    image, expected = KINDS[kind](grey), fill(grey, mask)
    filled = fill(image, KINDS[kind](mask))
    read = filled.array if kind == "foreign" else filled
    np.testing.assert_array_equal(np.asarray(read), expected)
    comes_back = {"tensorstore": da.Array, "plain": np.ndarray, "exchanged": np.ndarray, "list": np.ndarray,
                  "pillow": np.ndarray}  # fmt: skip
    assert isinstance(filled, comes_back.get(kind, type(image)))
    np.testing.assert_array_equal(fill(grey, {(): KINDS[kind](mask)}), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_plan_and_check_take_them_too(inpainter, grey, mask, kind):
    image, holes = KINDS[kind](grey), KINDS[kind](mask)
    assert len(inpainter.plan(image, holes, detail="smooth").windows) == len(inpainter.plan(grey, mask).windows)
    small = KINDS[kind](np.pad(np.ones((6, 6), bool), ((40, 50), (50, 72))))
    assert len(inpainter.self_check(image, small, places=1, detail="smooth").places) == 1


def test_libraries_are_not_imported_for_what_is_not_theirs():
    code = (
        "import sys, numpy as np, napari_inpaint\n"
        "image = np.arange(3000).reshape(50, 60)\n"
        "napari_inpaint.fill(image, boxes=[(9, 9, 20, 20)], detail='smooth')\n"
        "print({name.split('.')[0] for name in sys.modules} & {'torch', 'xarray', 'tensorstore', 'dask', 'pandas'})"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "set()"


class TestXarray:
    @pytest.fixture(scope="class")
    def xr(self):
        return pytest.importorskip("xarray")

    @pytest.mark.parametrize("lazy", [False, True])
    def test_names_coordinates_and_attributes_come_back(self, xr, fill, grey, lazy):
        pixels = da.from_array(grey, 40) if lazy else grey
        coords = {"y": np.arange(96) * 0.5, "x": np.arange(128)[::-1], "lat": (("y", "x"), grey / 2), "when": 7}
        image = xr.DataArray(pixels, coords, ("y", "x"), "dust", {"units": "K"})
        filled = fill(image, boxes=BOXES)
        expected = image.copy(data=fill(grey, boxes=BOXES))
        assert isinstance(filled.data, da.Array if lazy else np.ndarray)
        xr.testing.assert_identical(filled, expected)
        np.testing.assert_array_equal(image, grey)  # it stays what it was
        variable = fill(image.variable, boxes=BOXES)
        xr.testing.assert_identical(variable, expected.variable)

    @pytest.mark.parametrize("name", ["c", "channel", "channels", "band", "bands", "rgb", "C", "Channel"])
    @pytest.mark.parametrize("axis", [0, 1, 2])
    def test_a_dimension_that_is_called_so_holds_the_channels(self, xr, fill, photo, name, axis):
        dims = ["y", "x"]
        dims.insert(axis, name)
        pixels = np.moveaxis(photo[:96, :128, :2], -1, axis)
        filled = fill(xr.DataArray(pixels, dims=dims), boxes=BOXES)
        assert filled.dims == tuple(dims)
        np.testing.assert_array_equal(filled, fill(pixels, boxes=BOXES, channel_axis=axis))
        assert receive(xr.DataArray(pixels, dims=dims), None, FillOptions(channel_axis=2)).options.channel_axis == 2

    def test_without_such_a_name_it_is_as_with_numpy(self, xr, fill, photo):
        pixels = photo[:96, :128]
        for dims in (("y", "x", "s"), ("row", "column", "what"), None):
            filled = fill(xr.DataArray(pixels, dims=dims), boxes=BOXES)
            np.testing.assert_array_equal(filled, fill(pixels, boxes=BOXES))

    @pytest.mark.parametrize("dims", [("y", "x", "time"), ("y", "time", "x"), ("band", "y", "x", "time")])
    def test_planes_of_other_axes_than_rows_and_columns_are_refused(self, xr, fill, dims):
        with pytest.raises(ValueError, match=r"rows and columns must be the last dimensions.*'time'.*transpose"):
            fill(xr.DataArray(np.zeros((40,) * len(dims)), dims=dims), boxes=[(1, 1, 5, 5)])

    def test_three_planes_are_no_colours(self, xr, fill, photo):
        with pytest.raises(ValueError, match=r"rows and columns must be the last dimensions"):
            fill(xr.DataArray(photo[:96, :128], dims=("y", "x", "z")), boxes=BOXES)

    def test_two_dimensions_for_channels_are_refused(self, xr, fill):
        with pytest.raises(ValueError, match=r"two of the dimensions .* could hold the channels"):
            fill(xr.DataArray(np.zeros((2, 3, 40, 40)), dims=("band", "c", "y", "x")), boxes=[(1, 1, 5, 5)])

    @given(st.permutations(["t", "z", "y", "x"]), st.sets(st.sampled_from(["t", "z"])), st.integers(0, 3))
    def test_masks_are_turned_by_their_names(self, xr, order, missing, band):
        """The same as if xarray itself broadcast them to the image."""
        shape = {"t": 2, "z": 3, "y": 4, "x": 5}
        dims = ["t", "z", "y", "x"]
        dims.insert(band, "band")
        image = xr.DataArray(np.zeros([{**shape, "band": 4}[name] for name in dims]), dims=dims)
        order = [name for name in order if name not in missing]
        mask = xr.DataArray(np.random.default_rng(0).random([shape[name] for name in order]) < 0.5, dims=order)
        found = receive(image, mask, FillOptions()).mask
        _, expected = xr.broadcast(image.isel(band=0), mask)
        np.testing.assert_array_equal(np.broadcast_to(found, expected.shape), expected.transpose("t", "z", "y", "x"))

    def test_masks_of_other_dimensions_or_coordinates_are_refused(self, xr, fill, grey, mask):
        image = xr.DataArray(grey, {"y": np.arange(96)}, ("y", "x"))
        with pytest.raises(ValueError, match=r"dimensions \('y', 'x', 'band'\).*\('y', 'x'\): rename or reduce"):
            fill(image, xr.DataArray(mask[..., None], dims=("y", "x", "band")))
        with pytest.raises(ValueError, match=r"other coordinates along 'y'.*reindex_like"):
            fill(image, xr.DataArray(mask, {"y": np.arange(96)[::-1]}, ("y", "x")))
        for dims in (None, ("row", "column")):  # no names in common: as numpy's
            np.testing.assert_array_equal(fill(image, xr.DataArray(mask, dims=dims)), fill(grey, mask))

    def test_datasets_are_refused(self, xr, fill, grey):
        with pytest.raises(ValueError, match=r"Dataset holds several variables: choose one"):
            fill(xr.Dataset({"a": (("y", "x"), grey)}), boxes=BOXES)

    def test_in_place_and_into_others(self, xr, fill, grey):
        image, out, expected = xr.DataArray(grey.copy()), xr.DataArray(np.zeros_like(grey)), fill(grey, boxes=BOXES)
        assert fill(image, boxes=BOXES, out=out) is out
        assert fill(image, boxes=BOXES, out=image) is image
        np.testing.assert_array_equal(out, expected)
        np.testing.assert_array_equal(image, expected)


class TestTorch:
    @pytest.fixture(scope="class")
    def torch(self):
        return pytest.importorskip("torch")

    @pytest.mark.parametrize("name", ["bool", "uint8", "int16", "int64", "float16", "float32", "float64"])
    def test_the_dtype_comes_back(self, torch, fill, grey, name):
        tensor = torch.from_numpy(grey).to(getattr(torch, name))
        filled = fill(tensor, boxes=BOXES)
        assert (filled.dtype, filled.device) == (tensor.dtype, tensor.device)
        np.testing.assert_array_equal(filled, fill(tensor.numpy(), boxes=BOXES))

    def test_gradients_stay_behind(self, torch, fill, grey):
        tensor = torch.from_numpy(grey).float().requires_grad_()
        filled = fill(tensor, boxes=BOXES)
        assert not filled.requires_grad
        assert tensor.requires_grad
        np.testing.assert_array_equal(tensor.detach(), grey)

    @given(st.integers(0, 2**32 - 1))
    def test_known_pixels_in_bfloat16_keep_their_bits(self, torch, fill, seed):
        bits = np.random.default_rng(seed).integers(-(2**15), 2**15, (40, 50), np.int16)  # NaN and infinities too
        tensor = torch.from_numpy(bits).view(torch.bfloat16)
        filled = fill(tensor, boxes=[(10, 10, 20, 20)])
        assert filled.dtype == torch.bfloat16
        known = np.ones(bits.shape, bool)
        known[10:20, 10:20] = False
        np.testing.assert_array_equal(filled.view(torch.int16).numpy()[known], bits[known])
        assert torch.isfinite(filled[10:20, 10:20]).all()

    def test_copies_in_bfloat16_are_values_of_the_image(self, torch, inpainter, photo):
        tensor = torch.from_numpy(photo[:200, :200, 1].copy()).to(torch.bfloat16) / 7
        filled = inpainter.fill(tensor, boxes=[(50, 60, 110, 120)], seam=False)
        assert len(inpainter.last_record["copies"][0]["offsets"]) > 0
        assert set(filled.flatten().tolist()) <= set(tensor.flatten().tolist())

    def test_tensors_that_numpy_cannot_hold_are_refused(self, torch, fill):
        tensor = torch.zeros(40, 50)
        for other in (tensor.to_sparse(), tensor.to(torch.float8_e4m3fn)):
            with pytest.raises(ValueError, match=r"a tensor of torch\.float.* cannot be read"):
                fill(other, boxes=[(1, 1, 5, 5)])
        with pytest.raises(ValueError, match="complex64 cannot be filled"):
            fill(tensor.to(torch.complex64), boxes=[(1, 1, 5, 5)])

    def test_in_place_and_into_others(self, torch, fill, grey):
        image, out = torch.from_numpy(grey.copy()), torch.zeros(grey.shape, dtype=torch.uint8)
        expected = fill(grey, boxes=BOXES)
        assert fill(image, boxes=BOXES, out=out) is out
        assert fill(image, boxes=BOXES, out=image) is image
        np.testing.assert_array_equal(out, expected)
        np.testing.assert_array_equal(image, expected)
        with pytest.raises(ValueError, match=r"out is a Tensor that cannot be written .*\(torch.bfloat16 cpu\)"):
            fill(grey, boxes=BOXES, out=image.to(torch.bfloat16))

    @pytest.mark.gpu
    def test_the_device_comes_back(self, torch, fill, grey, mask):
        if not torch.cuda.is_available():
            pytest.skip("torch has no GPU")
        filled = fill(torch.from_numpy(grey).cuda(), torch.from_numpy(mask).cuda())
        assert filled.device.type == "cuda"
        np.testing.assert_array_equal(filled.cpu(), fill(grey, mask))
        with pytest.raises(ValueError, match=r"out is a Tensor .*cuda"):
            fill(grey, mask, out=filled)


class TestTensorStore:
    @pytest.fixture(scope="class")
    def ts(self):
        return pytest.importorskip("tensorstore")

    @staticmethod
    def counting(monkeypatch):
        from napari_inpaint.inference.inputs.arrays import Store

        sizes = []
        read, write = Store.__getitem__, Store.__setitem__
        monkeypatch.setattr(Store, "__getitem__", lambda *each: sizes.append((part := read(*each)).size) or part)
        monkeypatch.setattr(
            Store, "__setitem__", lambda store, index, values: sizes.append(values.size) or write(store, index, values)
        )
        return sizes

    def test_in_place_only_windows_are_read_and_only_holes_are_written(self, ts, fill, monkeypatch):
        image = np.random.default_rng(0).integers(0, 60_000, (1500, 2000), np.uint16)
        boxes = [(1000, 1000, 1010, 1010)]
        store, sizes = to_tensorstore(image, (512, 512)), self.counting(monkeypatch)
        assert fill(store, boxes=boxes, out=store) is store
        np.testing.assert_array_equal(store.read().result(), fill(image, boxes=boxes))
        assert sum(sizes) <= 300**2  # with what the image seems to be, around two corners

    def test_nothing_is_read_before_it_is_computed(self, ts, fill, grey, monkeypatch):
        stack = np.stack([grey, grey[::-1], grey[:, ::-1]])
        store, sizes = to_tensorstore(stack, (1, 40, 50)), self.counting(monkeypatch)
        lazy = fill(store, boxes=BOXES)
        assert isinstance(lazy, da.Array)
        assert sum(sizes) == 0
        np.testing.assert_array_equal(lazy[1].compute(), fill(stack[1], boxes=BOXES))
        assert sum(sizes) > 0

    @pytest.mark.parametrize("source", [np.asarray, to_tensorstore])
    def test_it_receives_images(self, ts, fill, grey, source):
        out = to_tensorstore(np.zeros_like(grey))
        assert fill(source(grey), boxes=BOXES, out=out) is out
        np.testing.assert_array_equal(out.read().result(), fill(grey, boxes=BOXES))

    def test_labels_name_the_axes(self, ts, fill, photo):
        pixels = np.ascontiguousarray(photo[:96, :128, :2].transpose(2, 0, 1))
        store = to_tensorstore(pixels, (1, 40, 50))[ts.d[:].label["channel", "y", "x"]]
        np.testing.assert_array_equal(fill(store, boxes=BOXES), fill(pixels, boxes=BOXES, channel_axis=0))
        turned = store[ts.d["x", "y", "channel"].transpose[:]]
        assert receive(turned, None, FillOptions()).options.channel_axis == 2
        with pytest.raises(ValueError, match="rows and columns must be the last dimensions"):
            fill(store[ts.d[:].label["y", "x", "time"]], boxes=BOXES)

    def test_one_that_is_read_only_receives_nothing(self, ts, fill, grey):
        store = ts.open(ts.array(grey).spec(), read=True, write=False).result()
        with pytest.raises(ValueError, match="out is a TensorStore that cannot be written"):
            fill(grey, boxes=BOXES, out=store)


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


def test_a_foreign_device_comes_back(fill, grey):
    filled = fill(Foreign(grey, "there"), boxes=BOXES)
    assert (type(filled), filled.device) == (Foreign, "there")


def test_subclasses_of_numpy_arrays_come_back(fill, grey):
    class Measured(np.ndarray):
        unit = ""

        def __array_finalize__(self, other):
            self.unit = getattr(other, "unit", "")

    image = grey.view(Measured)
    image.unit = "K"
    filled = fill(image, boxes=BOXES)
    assert (type(filled), filled.unit) == (Measured, "K")
    np.testing.assert_array_equal(filled, fill(grey, boxes=BOXES))
    assert fill(image.copy(), boxes=BOXES, out=image) is image
    np.testing.assert_array_equal(image, filled)


@pytest.mark.parametrize("error", [BufferError("unsupported device"), RuntimeError("on cuda"), TypeError("no")])
def test_arrays_on_a_gpu_that_cannot_be_read_are_refused_with_the_remedy(fill, grey, mask, error):
    gpu = Exchanged(grey, error)
    for arguments in ((gpu, mask), (grey, gpu)):
        with pytest.raises(ValueError, match=rf"Exchanged cannot be read .*{error}.*copy it from there first"):
            fill(*arguments)


def test_foreign_arrays_receive_nothing(fill, grey):
    class Immutable(Exchanged, Foreign):
        dtype = grey.dtype

        def __setitem__(self, index, values):
            raise TypeError("immutable")

    image = Immutable(grey)
    image.shape = grey.shape
    for source in (grey, image):
        with pytest.raises(ValueError, match=r"out must be an array that can be written.*not Immutable"):
            fill(source, boxes=BOXES, out=image)


@pytest.mark.parametrize("of", ["image", "mask"])
def test_chunks_of_unknown_sizes_are_refused(fill, grey, of):
    lazy = da.from_array(grey, 40)
    unknown = lazy[lazy.sum(1) > 0]
    with pytest.raises(ValueError, match=r"unknown sizes, its shape is \(nan, 128\).*compute_chunk_sizes\(\)"):
        fill(*((unknown, grey) if of == "image" else (grey, unknown)))
    known = unknown.compute_chunk_sizes()
    np.testing.assert_array_equal(fill(known, boxes=BOXES), fill(grey, boxes=BOXES))


REFUSED = {
    "ragged": ([[1, 2], [3]], "a list cannot be read as a numpy array"),
    "objects": (np.full((4, 5), None), "images of dtype object cannot be filled"),
    "nothing": (None, "images of dtype object cannot be filled"),
    "a text": ("photo.png", "open the image that it names"),
    "empty": ([], r"an image of shape \(0,\) has no rows and columns"),
    "a palette": (Image.new("P", (5, 4)), r"palette.*image.convert\('RGB'\)"),
}


@pytest.mark.parametrize(("image", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_image_is_refused_in_a_sentence(fill, image, message):
    with pytest.raises(ValueError, match=message):
        fill(image, boxes=[(1, 1, 2, 2)])


def test_channels_of_pillow_images_are_known(fill, photo):
    pixels = photo[:96, :128]
    for image in (Image.fromarray(pixels), Image.fromarray(pixels).convert("LA"), Image.fromarray(pixels[..., 0])):
        array = np.asarray(image)
        expected = fill(array, boxes=BOXES, channel_axis=-1 if array.ndim > 2 else None)
        np.testing.assert_array_equal(fill(image, boxes=BOXES), expected)


def test_data_frames_are_arrays_of_their_values(fill, grey, mask):
    pd = pytest.importorskip("pandas")
    filled = fill(pd.DataFrame(grey), pd.DataFrame(mask))
    assert type(filled) is np.ndarray
    np.testing.assert_array_equal(filled, fill(grey, mask))
