"""Whatever holds pixels: read as numpy or lazy arrays, and given back as it came.

No library is imported for it: an array can only be of one that its owner has imported.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_inpaint.inference.inputs.values import ChannelAxis
    from napari_inpaint.inference.options import FillOptions

CHANNEL_NAMES = {"c", "channel", "channels", "band", "bands", "rgb"}
"""Of dimensions that hold channels."""
ROWS_AND_COLUMNS = {"y", "x"}


@dataclass(frozen=True, slots=True)
class Given:
    """What a caller wants to be filled, as the engine reads it."""

    array: Any
    """A numpy array, or a lazy one."""
    mask: Any
    """Likewise, its axes in the image's order; or a mapping from planes to masks."""
    options: FillOptions
    """With the channel axis that the image's dimensions name."""
    target: Any
    """What is written into: ``array`` itself where the image is filled in place; None where it is copied."""
    back: Callable[[Any], Any]
    """Gives what was filled, a numpy or a dask array, back as the image came."""


def receive(image: Any, mask: Any, options: FillOptions, out: Any = None) -> Given:
    """Open what a caller gave; parameters are those of `Inpainter.fill`.

    Raises
    ------
    ValueError
        When it cannot be read or written, or the names of its dimensions say that it is turned; with the remedy.
    """
    opened = open_array(image)
    axis = _find_channels(opened, options.channel_axis)
    if axis != options.channel_axis:
        options = replace(options, channel_axis=axis)
    if all(_is_of(each, "xarray", "DataArray", "Variable") for each in (image, mask)):
        mask = _align(mask, image, axis)
    if mask is not None and not isinstance(mask, Mapping):
        mask = open_array(mask).array
    target = opened.target if out is image and opened.target is not None else open_target(out)
    return Given(opened.array, mask, options, target, opened.back)


def is_lazy(array: object) -> bool:
    """Return whether pixels are read from an array only when it is indexed: dask, zarr, h5py, an opened TensorStore."""
    return not isinstance(array, np.ndarray) and hasattr(array, "chunks") and hasattr(array, "__getitem__")


def is_mapped(array: object) -> bool:
    """Return whether an array is a file, or a part of one: an operation on a `numpy.memmap` may give one in memory."""
    return isinstance(array, np.memmap) and array.mode is not None


@dataclass(frozen=True, slots=True)
class Opened:
    """An array of any library, as the engine reads it."""

    array: Any
    """A numpy array, or a lazy one."""
    back: Callable[[Any], Any]
    """Gives an array of the same shape and dtype back as this one came."""
    target: Any = None
    """What writes go to, where they reach the caller's array."""
    dims: tuple[str, ...] = ()
    """The names of its axes, where it has some."""


def open_array(given: Any) -> Opened:
    """Open an array of any library: nothing is copied that the engine can read where it is.

    Raises
    ------
    ValueError
        When it cannot be read, with the remedy.
    """
    return _open_known(given) or Opened(_to_numpy(given), functools.partial(_to_library, given))


def open_target(out: Any) -> Any:
    """Return what an image is written into, so that it reaches the caller's array; not checked yet.

    Raises
    ------
    ValueError
        When writing would not reach it.
    """
    opened = None if out is None else _open_known(out)
    if opened is None:
        return out
    if opened.target is None:
        what = " ".join(str(getattr(out, name)) for name in ("dtype", "device") if hasattr(out, name))
        raise ValueError(f"out is a {type(out).__name__} that cannot be written from here ({what}): leave it away, and "
                         "copy what comes back")  # fmt: skip
    return opened.target


class Store:
    """A TensorStore as numpy arrays are indexed: from 0, with values that come at once.

    Parameters
    ----------
    store : tensorstore.TensorStore
    """

    def __init__(self, store: Any) -> None:
        every = sys.modules["tensorstore"].d[:]
        self._store = store[every.translate_to[0]]
        self.shape, self.ndim, self.dtype = tuple(store.shape), store.ndim, store.dtype.numpy_dtype
        self.chunks, self.shards = (
            None if None in grid.shape else tuple(grid.shape)
            for grid in (store.chunk_layout.read_chunk, store.chunk_layout.write_chunk)
        )

    def __getitem__(self, index: Any) -> NDArray[Any]:
        return np.asarray(self._store[index].read().result())

    def __setitem__(self, index: Any, values: NDArray[Any]) -> None:
        self._store[index] = values


def _open_known(given: Any) -> Opened | None:
    """Open an array that can be read where it is; None when it is of no kind that is known here."""
    if _is_of(given, "xarray", "Dataset", "DataTree"):
        raise ValueError(f"an xarray {type(given).__name__} holds several variables: choose one, as in dataset['name']")
    if _is_of(given, "xarray", "DataArray", "Variable"):
        inner = open_array(given.data)
        dims = tuple(map(str, given.dims))
        return Opened(inner.array, lambda filled: given.copy(data=inner.back(filled)), inner.target, dims)
    if _is_of(given, "torch", "Tensor"):
        return _open_tensor(given)
    if _is_of(given, "tensorstore", "TensorStore"):
        store = Store(given)
        return Opened(store, _keep, store if given.writable else None, tuple(given.domain.labels))
    if _is_of(given, "PIL.Image", "Image"):
        if given.mode in ("P", "PA"):
            raise ValueError("an image with a palette holds numbers of colours, and no colours: give "
                             "image.convert('RGB')")  # fmt: skip
        return Opened(np.asarray(given), _keep, dims=("y", "x", "channel")[: 2 + (len(given.getbands()) > 1)])
    if is_lazy(given):
        if any(length != length for length in given.shape):  # NaN
            raise ValueError(f"the dask array has chunks of unknown sizes, its shape is {given.shape}: call its "
                             "compute_chunk_sizes() first")  # fmt: skip
        return Opened(given, _keep, given)
    if isinstance(given, np.ndarray):
        is_plain = type(given) is np.ndarray or isinstance(given, (np.memmap, np.ma.MaskedArray))
        return Opened(given, _keep, given) if is_plain else Opened(np.asarray(given), given.__array_wrap__, given)
    return None


def _keep(filled: Any) -> Any:
    return filled


def _is_of(given: object, module: str, *names: str) -> bool:
    """Return whether something is of a class of a library, which is loaded then."""
    library = sys.modules.get(module)
    return any(isinstance(given, getattr(library, name, ())) for name in names)


def _open_tensor(tensor: Any) -> Opened:
    """Open a tensor; bfloat16, which numpy has not, as float32: known pixels keep their bits on the way back."""
    torch = sys.modules["torch"]
    back = functools.partial(_to_tensor, tensor)
    try:
        if tensor.dtype == torch.bfloat16:  # float32 holds all of its values
            return Opened(tensor.float().numpy(force=True), back)
        array = tensor.numpy(force=True)
    except (TypeError, RuntimeError) as error:
        raise ValueError(f"a tensor of {tensor.dtype} and layout {tensor.layout} cannot be read as a numpy array: "
                         "convert it first, as with tensor.float() or tensor.to_dense()") from error  # fmt: skip
    return Opened(array, back, array if tensor.device.type == "cpu" else None)


def _to_tensor(tensor: Any, filled: NDArray[Any]) -> Any:
    """Return what was filled as a tensor of another's dtype and device."""
    torch = sys.modules["torch"]
    made = torch.from_numpy(filled).to(tensor.device, tensor.dtype)
    if tensor.dtype != torch.bfloat16:
        return made
    tensor = tensor.detach()
    return torch.where((made == tensor) | made.isnan(), tensor, made)  # the bits of a NaN are its own


def _to_numpy(given: Any) -> NDArray[Any]:
    read = np.asarray if hasattr(given, "__array__") or not hasattr(given, "__dlpack__") else np.from_dlpack
    try:
        return read(given)
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        remedy = "make a numpy array of it first"
        if hasattr(given, "__dlpack__"):
            remedy = "if it lies on a GPU, copy it from there first, as with cupy.asnumpy(image)"
        what = f"{type(given).__module__}.{type(given).__qualname__}".removeprefix("builtins.")
        raise ValueError(f"a {what} cannot be read as a numpy array ({error}): {remedy}") from error


def _to_library(given: Any, filled: NDArray[Any]) -> Any:
    """Return what was filled as an array of another's library, on its device; numpy's when that is none."""
    if not hasattr(given, "__array_namespace__"):
        return filled
    made = given.__array_namespace__().asarray(filled)
    moves = hasattr(made, "to_device") and hasattr(given, "device") and made.device != given.device
    return made.to_device(given.device) if moves else made


def _find_channels(opened: Opened, channel_axis: ChannelAxis) -> ChannelAxis:
    """Return the axis that an image's dimensions name, if it was not given; refuse planes of other axes than y and x.

    Raises
    ------
    ValueError
        With the remedy.
    """
    names = [name.lower() for name in opened.dims]
    if channel_axis == "auto":
        named = [axis for axis, name in enumerate(names) if name in CHANNEL_NAMES]
        if len(named) > 1:
            raise ValueError(f"two of the dimensions {opened.dims} could hold the channels: say which with "
                             "channel_axis=")  # fmt: skip
        channel_axis = named[0] if named else "auto"
    last = names
    if isinstance(channel_axis, int):
        last = [name for axis, name in enumerate(names) if axis != channel_axis % len(names)]
    elif channel_axis == "auto" and opened.array.shape[-1:] in ((3,), (4,)) and set(names[-3:-1]) == ROWS_AND_COLUMNS:
        last = names[:-1]  # that axis may hold channels
    if set(last) >= ROWS_AND_COLUMNS != set(last[-2:]):
        raise ValueError(f"rows and columns must be the last dimensions of an image, not {opened.dims}: transpose it "
                         "first, or say which axis holds the channels with channel_axis=")  # fmt: skip
    return channel_axis


def _align(mask: Any, image: Any, channel_axis: ChannelAxis) -> Any:
    """Return the values of a DataArray as a mask of another: their axes in the image's order, 1 long where it has none.

    Without a name in common with the image it is a mask like numpy's.

    Raises
    ------
    ValueError
        When it has further dimensions, or other coordinates.
    """
    axis = channel_axis % image.ndim if isinstance(channel_axis, int) else None
    wanted = [name for index, name in enumerate(image.dims) if index != axis]
    shared = [name for name in wanted if name in mask.dims and not str(name).startswith("dim_")]  # xarray's own names
    if not shared:
        return mask.data
    if len(shared) < mask.ndim:
        raise ValueError(f"the mask has the dimensions {mask.dims}, the image's planes have {tuple(wanted)}: rename or "
                         "reduce the others, or give mask.data")  # fmt: skip
    for name in shared:
        ours, theirs = (getattr(each, "indexes", {}).get(name) for each in (image, mask))
        if ours is not None and theirs is not None and not ours.equals(theirs):
            raise ValueError(f"the mask has other coordinates along {name!r} than the image: give "
                             "mask.reindex_like(image), or mask.data")  # fmt: skip
    spanned = wanted[wanted.index(shared[0]) : wanted.index(shared[-1]) + 1]
    return mask.transpose(*shared).data[tuple(slice(None) if name in shared else None for name in spanned)]
