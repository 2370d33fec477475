"""A TIFF writer that keeps what napari's own leaves out: scale, units and the record of a fill."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_inpaint.io.atomic import stage
from napari_inpaint.io.codecs.tiff.layout import RECORD_TAG
from napari_inpaint.plugin.layers.results import RECORD

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

OME_DTYPES = {"bool", "int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64"}
OME_AXES = "TCZYX"
OME_UNITS: dict[str, dict[str, str]] = {
    "XYZ": {"pixel": "pixel", "kilometer": "km", "meter": "m", "centimeter": "cm", "millimeter": "mm",
            "micrometer": "µm", "nanometer": "nm", "picometer": "pm", "angstrom": "Å", "inch": "in"},
    "T": {"second": "s", "millisecond": "ms", "microsecond": "µs", "nanosecond": "ns", "minute": "min", "hour": "h",
          "day": "d"},
    "": {},
}  # fmt: skip
"""What OME calls napari's units of axes in space and in time."""
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
    OSError
        When TIFF has no word for these pixels, or the file cannot be written; napari takes a ValueError for a writer
        that is not one.
    """
    array = data[0] if attributes.get("multiscale") else data
    rgb = bool(attributes.get("rgb"))
    if 0 in array.shape or array.dtype.kind not in "buif" or (rgb and array.dtype.kind == "b"):
        colours = "colours of " if rgb else ""
        raise OSError(
            f"{path}: a TIFF does not hold {colours}{array.dtype} pixels of shape {array.shape}: convert them"
        )
    spatial = array.ndim - rgb
    options: dict[str, Any] = {
        "photometric": "rgb" if rgb else "minisblack",
        "bigtiff": array.size * array.dtype.itemsize > LARGEST_TIFF,
        "compression": "zlib", "predictor": np.dtype(array.dtype).kind in "iu" and array.dtype.itemsize <= 4,
    }  # fmt: skip
    if rgb and array.shape[-1] == 4:
        options["extrasamples"] = ["unassalpha"]
    record = attributes.get("metadata", {}).get(RECORD)
    if isinstance(record, dict):
        options["extratags"] = [(RECORD_TAG, 2, 0, json.dumps(record, default=lambda value: value.item()), True)]
    labels = [str(label) for label in attributes.get("axis_labels") or ()]
    scale = [float(each) for each in np.broadcast_to(attributes.get("scale", 1.0), spatial)]
    units = [str(unit) for unit in attributes.get("units") or ["pixel"] * spatial]
    described = _describe(_name_axes(labels, spatial), scale, units)
    if described is not None and str(array.dtype) in OME_DTYPES:
        options |= {"ome": True, "metadata": {**described, "axes": described["axes"] + "S" * rgb}}
    else:
        options["metadata"] = {"axes": labels, "scale": scale, "units": units}
    try:
        with stage(Path(path)) as staged:
            pixels = array if isinstance(array, np.ndarray) else _planes(array, spatial)
            tifffile.imwrite(staged.partial, pixels, shape=array.shape, dtype=array.dtype, **options)
            staged.sync()
            staged.appear()
    except OSError as error:
        raise OSError(f"{path} cannot be written: {error.strerror or error}") from error
    return [path]


def _planes(array: Any, spatial: int) -> Iterator[np.ndarray]:
    """Yield the pages of a lazy array, so that never more than one is in memory."""
    for index in np.ndindex(*array.shape[: spatial - 2]):
        yield np.asarray(array[index])


def _name_axes(labels: Sequence[str], ndim: int) -> str:
    """Return OME's letters of the axes; an empty string when it has none for them, or not in this order."""
    if ndim > len(OME_AXES):
        return ""
    if all(label.startswith("axis ") or label.lstrip("-").isdigit() for label in labels):  # what napari calls them
        return {2: "YX", 3: "ZYX", 4: "TZYX", 5: "TCZYX"}[ndim]
    named = "".join(label.upper() for label in labels)
    is_ome = len(named) == ndim == len(set(named)) and set(named) <= set(OME_AXES) and named.endswith("YX")
    return named if is_ome else ""


def _describe(axes: str, scale: Sequence[float], units: Sequence[str]) -> dict[str, Any] | None:
    """Return OME's metadata; None when it has no words for them."""
    if not axes or min(scale) <= 0:
        return None
    said: dict[str, Any] = {"axes": axes}
    for axis, step, unit in zip(axes, scale, units, strict=True):
        words = OME_UNITS["T" if axis == "T" else "XYZ" if axis in "XYZ" else ""]
        if unit not in words and (unit != "pixel" or step != 1):
            return None
        if unit in words and not (unit == "pixel" and step == 1):
            name = "TimeIncrement" if axis == "T" else f"PhysicalSize{axis}"
            said |= {name: step, f"{name}Unit": words[unit]}
    return said
