"""Whatever library holds the pixels: filled as numpy's are, and given back as they came."""

import subprocess
import sys

import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from napari_inpaint.inference.inputs.given import receive
from napari_inpaint.inference.options import FillOptions

BOXES = [(20, 30, 60, 80)]


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


def test_data_frames_are_arrays_of_their_values(fill, grey, mask):
    pd = pytest.importorskip("pandas")
    filled = fill(pd.DataFrame(grey), pd.DataFrame(mask))
    assert type(filled) is np.ndarray
    np.testing.assert_array_equal(filled, fill(grey, mask))
