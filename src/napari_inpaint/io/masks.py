"""Files of masks: which of their pixels are holes, and where these lie in the image as it is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import tifffile

from napari_inpaint.io.formats import FileError
from napari_inpaint.io.images import read_image
from napari_inpaint.io.orientation import UPRIGHT, display, store
from napari_inpaint.io.zarr import open_zarr

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_inpaint.io.formats import ImageFile

Layout = Literal["displayed", "stored"]
"""How the pixels of a turned photo are counted: as it is seen, or as its file holds them."""
LOSSY_THRESHOLD = 127.5
"""Of images that are encoded with loss: half of what they can hold, since black and white are a few shades there."""
WHITES = (255, 65535)
"""The brightest that images of 8 and 16 bits can be; no labels, as a rule."""


class MaskFile(NamedTuple):
    """A mask that was read."""

    holes: Any
    """Of the shape (H, W) or that of all planes: bool; or a zarr array that is not read yet, not 0 inside holes."""
    notes: tuple[str, ...] = ()
    """What the user should know: how the file was understood."""


def read_mask(
    path: Path,
    planes: tuple[int, ...],
    orientation: int = UPRIGHT,
    threshold: float | None = None,
    layout: Layout | None = None,
) -> MaskFile:
    """Read a mask.

    Holes are what is not 0 in a mask of two values or in a label image; in others what is above half of the range, or
    above ``threshold``. Where the alpha channel varies, the strokes are in it, and colours do not count.

    Parameters
    ----------
    path
        Of one of `napari_inpaint.io.images.FORMATS`; of zarr, stacks of integers are not read yet, and are not 0
        inside holes.
    planes
        The image's leading axes, height and width, as it is stored: the mask must have its height and width, or all of
        it, as it is stored or displayed.
    orientation
        The image's, as in Exif.
    threshold
        Holes are where the mask is brighter.
    layout
        Of the mask, where its size does not tell; displayed by default, with a note.

    Raises
    ------
    FileError
        When the file cannot be read, has another size, or holds NaN.
    """
    if path.is_dir():
        image = open_zarr(path)
        array = image.levels[0]
        if image.series is not None:
            raise FileError(f"{path} holds several images: name the one that is the mask, such as {path / array.path}")
        lazy = array.ndim > 2 and array.dtype.kind in "bui" and threshold is None and orientation == UPRIGHT
        if lazy and array.shape in (planes[-2:], planes):
            return MaskFile(array)
        file, values, what = None, np.asarray(array[...]), str(path)
    else:
        file = read_image(path)
        values, what = _read_values(file, planes)
    if values.dtype.kind not in "buif":
        raise FileError(f"{path} holds {values.dtype}: a mask is of numbers")
    if values.dtype.kind == "f" and np.isnan(values).any():
        raise FileError(f"{path} holds NaN: a mask is 0 where pixels are known and anything else inside holes")
    values, turned = _to_stored(
        path, values, planes, (UPRIGHT if file is None else file.orientation, orientation), layout
    )
    alpha = what != str(path)
    notes: tuple[str, ...] = (f"{path}: the holes are where it is not transparent",) if alpha else ()
    if threshold is not None:
        shown = values * np.uint8(255) if values.dtype == bool else values  # as programs show it
        above = shown > threshold
        if values.any() and not above.any():
            notes += (f"{what} has values up to {shown.max():g}, and none above --mask-threshold {threshold:g}",)
        return MaskFile(above, notes + turned)
    lossy = file is not None and file.lossy and not alpha
    half = find_threshold(values, lossy)
    if half is None:
        return MaskFile(values if values.dtype == bool else values != 0, notes + turned)
    if lossy and set(np.unique(values).tolist()) <= {0, 255}:
        return MaskFile(values > half, turned)
    said = f"{what} has values from {values.min():g} to {values.max():g}: holes are where it is above {half:g}"
    return MaskFile(values > half, (f"{said}, or above --mask-threshold V", *turned))


def _read_values(file: ImageFile, planes: tuple[int, ...]) -> tuple[NDArray[Any], str]:
    """Return what decides about holes, without an axis of channels; and what it is called."""
    values, what = np.asarray(file.pixels), str(file.path)
    if file.format == "TIFF" and file.options["photometric"] == tifffile.PHOTOMETRIC.MINISWHITE:
        values = values.max(initial=0) - values if values.dtype != bool else ~values
    if file.channel_axis is None or values.shape in (planes[-2:], planes):
        return values, what
    values = np.moveaxis(values, file.channel_axis, -1)
    if not file.alpha and values.shape[-1] not in (2, 4):
        return values.max(-1), what
    colours, alpha = values[..., :-1].max(-1), values[..., -1]
    if alpha.size and (alpha.min() != alpha.max() or not alpha.max()):
        return alpha, f"the alpha of {file.path}"
    return colours, what


def find_threshold(values: NDArray[Any], lossy: bool = False) -> float | None:
    """Return above which value holes are; None when they are what is not 0.

    Parameters
    ----------
    values
        Of any real dtype and shape (..., H, W), without NaN.
    lossy
        Whether black and white may have become a few shades.
    """
    if values.dtype == bool or not values.size:
        return None
    if lossy:
        return LOSSY_THRESHOLD
    low, high = values.min().item(), values.max().item()
    if low == high or not np.isfinite([low, high]).all():
        return None
    between = (values != low) & (values != high)
    if bool((values == 0).any()) and (not between.any() or _are_labels(values, between, high)):
        return None
    if values.dtype.kind == "f" and low >= 0 and high <= 1:  # probabilities, however high the highest is
        return 0.5
    return float(low + (high - low) / 2)


def _are_labels(values: NDArray[Any], between: NDArray[np.bool_], high: float) -> bool:
    """Return whether numbers are names of regions: wide, without gaps, or that fill areas; a soft edge is a slope."""
    shades = values[between]
    if shades.dtype.kind == "f" and (shades != np.rint(shades)).any():
        return False
    ids, which = np.unique(shades, return_inverse=True)
    wide, narrow_without_gaps = values.dtype.itemsize > 1, high < LOSSY_THRESHOLD and len(ids) + 2 > high / 2
    if high not in WHITES and (wide or narrow_without_gaps):
        return True
    corner = values[..., :-1, :-1]
    same = (corner == values[..., 1:, :-1]) & (corner == values[..., :-1, 1:]) & (corner == values[..., 1:, 1:])
    flat = np.zeros(values.shape, bool)
    for rows in (slice(None, -1), slice(1, None)):
        for columns in (slice(None, -1), slice(1, None)):
            flat[..., rows, columns] |= same
    share = np.bincount(which.ravel(), flat[between]) / np.bincount(which.ravel())
    return float(np.mean(share >= 0.5)) >= 0.5


def _to_stored(
    path: Path, values: NDArray[Any], planes: tuple[int, ...], orientations: tuple[int, int], layout: Layout | None
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Return a mask in the layout of an image as it is stored; ``orientations`` are the mask's and the image's."""

    def turn(mask: NDArray[Any]) -> NDArray[Any]:
        return store(display(mask, orientations[0]), orientations[1])

    probe = np.arange(6).reshape(2, 3)
    turned = values if np.array_equal(turn(probe), probe) or values.ndim < 2 else turn(values)
    fitting = [mask for mask in (turned, values) if mask.shape in (planes[-2:], planes)]
    if not fitting:
        size = planes[-2:] if values.ndim < 3 else planes
        also = "" if orientations[1] == UPRIGHT else f" as it is stored, with orientation {orientations[1]}"
        raise FileError(f"{path} has {values.shape} pixels, the image has {size}{also}: the mask must have the same "
                        "size")  # fmt: skip
    if len(fitting) == 1 or np.array_equal(turned, values):
        return fitting[0], ()
    if layout is not None:
        return (turned if layout == "displayed" else values), ()
    return turned, (f"{path} is taken as a mask of the image as displayed, which is turned; as one of the image "
                    "as stored with --orientation stored",)  # fmt: skip
