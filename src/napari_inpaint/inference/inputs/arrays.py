"""Whatever holds pixels: read as numpy or lazy arrays, and given back as it came.

No library is imported for it: an array can only be of one that its owner has imported.
"""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


def is_lazy(array: object) -> bool:
    """Return whether pixels are read from an array only when it is indexed: dask, zarr, h5py, an opened TensorStore."""
    return not isinstance(array, np.ndarray) and hasattr(array, "chunks") and hasattr(array, "__getitem__")


def is_mapped(array: object) -> bool:
    """Return whether an array is a file, or a part of one: an operation on a `numpy.memmap` may give one in memory."""
    return isinstance(array, np.memmap) and array.mode is not None


def is_elsewhere(array: object) -> bool:
    """Return whether an array is not in memory: its filled copy is a dask array."""
    return is_lazy(array) or is_mapped(array)


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
        raise ValueError(f"out is a {type(out).__name__} that cannot be written from here ({what}): leave it out, and "
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
    if is_of(given, "xarray", "Dataset", "DataTree"):
        raise ValueError(f"an xarray {type(given).__name__} holds several variables: choose one, as in dataset['name']")
    if is_of(given, "xarray", "DataArray", "Variable"):
        inner = open_array(given.data)
        dims = tuple(map(str, given.dims))
        return Opened(inner.array, lambda filled: given.copy(data=inner.back(filled)), inner.target, dims)
    if is_of(given, "torch", "Tensor"):
        return _open_tensor(given)
    if is_of(given, "tensorstore", "TensorStore"):
        store = Store(given)
        return Opened(store, _keep, store if given.writable else None, tuple(given.domain.labels))
    if is_of(given, "PIL.Image", "Image"):
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
        if type(given) is np.ndarray or isinstance(given, (np.memmap, np.ma.MaskedArray)):
            return Opened(given, _keep, given)
        array = np.asarray(given)
        return Opened(array, given.__array_wrap__, array)
    return None


def _keep(filled: Any) -> Any:
    return filled


def is_of(given: object, module: str, *names: str) -> bool:
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
