"""What is where in a TIFF: its images, their masks, and how their numbers are colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile
from tifffile import PHOTOMETRIC

from napari_inpaint.io.formats import FileError
from napari_inpaint.io.palette import to_colours, to_indices

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOSSLESS = {"NONE", "LZW", "ADOBE_DEFLATE", "DEFLATE", "PACKBITS", "LZMA", "ZSTD"}
"""Compressions that pixels are written with as they were."""
ORIENTATION_TAG = 274
RECORD_TAG = 65260
"""Of a filled TIFF: the record as JSON; in the range that TIFF leaves to everybody."""


def list_series(tiff: tifffile.TiffFile) -> list[tifffile.TiffPageSeries]:
    """Return the images of a file; masks of others are none."""
    series = [each for each in tiff.series if not each.keyframe.is_mask]
    return series or list(tiff.series)


def choose_series(tiff: tifffile.TiffFile, number: int | None) -> int:
    """Return which image of a file is filled: the first that is not a preview of another one, if none is named.

    Raises
    ------
    FileError
        When the file has no image of this number.
    """
    found = list_series(tiff)
    if not found:
        raise FileError("it holds no image")
    if number is None:
        return next((index for index, each in enumerate(found) if not each.keyframe.is_reduced), 0)
    if number >= len(found):
        raise FileError(f"it has no image {number}, it holds {describe_series(found)}")
    return number


def describe_series(found: list[tifffile.TiffPageSeries], without: int | None = None) -> str:
    """Return a list of images for users."""
    named = (
        f"{index} ({' x '.join(map(str, each.shape))} {each.dtype}{', a preview' * bool(each.keyframe.is_reduced)})"
        for index, each in enumerate(found) if index != without
    )  # fmt: skip
    return ", ".join(named)


def find_mask(tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> tifffile.TiffPageSeries | None:
    """Return what says which pixels of an image are valid, as GDAL writes it."""
    planes = tuple(length for axis, length in zip(series.axes, series.shape, strict=True) if axis != "S")
    masks = (each for each in tiff.series if each.keyframe.is_mask and each is not series and each.shape == planes)
    return next(masks, None)


def find_channels(series: tifffile.TiffPageSeries) -> int | None:
    """Return the axis of colours in what `from_stored` returns."""
    if read_palette(series.keyframe) is not None:
        return len(series.shape)
    return series.axes.index("S") if "S" in series.axes else None


def read_palette(page: tifffile.TiffPage) -> NDArray[np.uint8] | None:
    """Return the colours, (N, 3), that the numbers of a page stand for."""
    if page.photometric != PHOTOMETRIC.PALETTE or page.colormap is None:
        return None
    colours = page.colormap.T  # of 16 bits; some programs write 8
    return np.asarray(colours >> 8 if colours.max(initial=0) > 255 else colours, np.uint8)


def from_stored(series: tifffile.TiffPageSeries, stored: NDArray[Any]) -> NDArray[Any]:
    """Return intensities for the numbers of an image."""
    palette = read_palette(series.keyframe)
    return _flip_signs(series, stored) if palette is None else to_colours(stored, palette)


def to_stored(
    series: tifffile.TiffPageSeries, before: NDArray[Any], after: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the numbers for intensities before and after a fill.

    Those that are packed into fewer bits are clipped to what these hold, and of a palette the nearest colour is taken.
    """
    palette, bits = read_palette(series.keyframe), series.keyframe.bitspersample
    if palette is not None:
        stored = series.asarray()
        return stored, to_indices(stored, before, after, palette)
    if after.dtype.kind == "u" and bits < 8 * after.dtype.itemsize:
        after = np.asarray(np.minimum(after, after.dtype.type((1 << bits) - 1)))
    return _flip_signs(series, before), _flip_signs(series, after)


def _flip_signs(series: tifffile.TiffPageSeries, pixels: NDArray[Any]) -> NDArray[Any]:
    """Turn a* and b* of CIE L*a*b*, which are signed numbers in unsigned ones, to intensities, and back."""
    if series.keyframe.photometric != PHOTOMETRIC.CIELAB or pixels.dtype.kind != "u" or "S" not in series.axes:
        return pixels
    channels = np.moveaxis(pixels.copy(), series.axes.index("S"), 0)
    channels[1:3] ^= pixels.dtype.type(1 << (series.keyframe.bitspersample - 1))
    return np.moveaxis(channels, 0, series.axes.index("S"))
