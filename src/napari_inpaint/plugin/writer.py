"""A TIFF writer that keeps what napari's own leaves out: scale, units and the record of a fill."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_inpaint.codecs import RECORD_TAG, FileError
from napari_inpaint.files import claim, hidden
from napari_inpaint.plugin.results import RECORD

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

OME_DTYPES = {"bool", "int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64"}
OME_AXES = "TCZYX"
LARGEST_TIFF = 2**32 - 2**25
"""Bytes of pixels that a classic TIFF holds, beside its tables."""


def write_image(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write an image layer as OME-TIFF, or, where OME has no word for its dtype or axes, as a TIFF with JSON.

    Parameters
    ----------
    path
        Ends in .tif or .tiff; appears whole or not at all.
    data, attributes
        Of the layer, as napari gives them; of several resolutions, the largest is written.

    Returns
    -------
    list
        The path.

    Raises
    ------
    FileError
        When the pixels are of a kind that TIFF does not hold, or the file cannot be written.
    """
    array = data[0] if attributes.get("multiscale") else data
    rgb = bool(attributes.get("rgb"))
    spatial = array.ndim - rgb
    options: dict[str, Any] = {
        "photometric": "rgb" if rgb else "minisblack",
        "bigtiff": array.size * array.dtype.itemsize > LARGEST_TIFF,
        "compression": "zlib", "predictor": np.dtype(array.dtype).kind in "iu" and array.dtype.itemsize <= 4,
    }  # fmt: skip
    if rgb and array.shape[-1] == 4:
        options["extrasamples"] = ["unassalpha"]
    record = attributes.get("metadata", {}).get(RECORD)
    if record is not None:
        options["extratags"] = [(RECORD_TAG, 2, 0, json.dumps(record), True)]  # 2: text
    axes = _name_axes(attributes.get("axis_labels", ()), spatial)
    scale = [float(each) for each in np.broadcast_to(attributes.get("scale", 1.0), spatial)]
    units = [f"{unit:~}" if hasattr(unit, "dimensionality") else str(unit) for unit in attributes.get("units") or ()]
    if axes and str(array.dtype) in OME_DTYPES:
        options |= {"ome": True, "metadata": _describe(axes + "S" * rgb, scale, units)}
    else:
        options["metadata"] = {"axes": [*attributes.get("axis_labels", ())], "scale": scale, "units": units}
    target = Path(path).resolve()
    partial = hidden(target, "partial")
    try:
        with claim(partial):
            pixels = array if isinstance(array, np.ndarray) else _planes(array, spatial)
            tifffile.imwrite(partial, pixels, shape=array.shape, dtype=array.dtype, **options)
            partial.replace(target)
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise FileError(f"{path}: a TIFF does not hold {array.dtype} pixels of shape {array.shape}: {error}") from error
    return [path]


def _planes(array: Any, spatial: int) -> Iterator[np.ndarray]:
    """Yield the pages of a lazy array, so that never more than one is in memory."""
    for index in np.ndindex(*array.shape[: spatial - 2]):
        yield np.asarray(array[index])


def _name_axes(labels: Sequence[str], ndim: int) -> str:
    """Return OME's letters of the axes; an empty string when there are none."""
    if ndim > len(OME_AXES):
        return ""
    named = "".join(label.upper() for label in labels)
    is_ome = len(named) == ndim == len(set(named)) and set(named) <= set(OME_AXES) and named.endswith("YX")
    defaults = {2: "YX", 3: "ZYX", 4: "TZYX", 5: "TCZYX"}
    return named if is_ome else defaults[ndim]


def _describe(axes: str, scale: Sequence[float], units: Sequence[str]) -> Mapping[str, Any]:
    """Return OME's metadata."""
    said: dict[str, Any] = {"axes": axes}
    for axis, step, unit in zip(axes, scale, units or [""] * len(scale), strict=False):
        name = {"T": "TimeIncrement"}.get(axis, f"PhysicalSize{axis}" if axis in "XYZ" else "")
        if name and unit not in ("", "px", "pixel") and step > 0:
            said |= {name: step, f"{name}Unit": unit}
    return said
