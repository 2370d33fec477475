"""Results, records and masks as files: all that napari's own TIFFs leave out."""

from __future__ import annotations

import json
import re
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from qtpy.QtWidgets import QFileDialog

from napari_inpaint.io.atomic import write_atomically
from napari_inpaint.plugin.layers.results import RECORD, to_synthetic

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Layer


class Kind(NamedTuple):
    """Something that can be saved of a filled layer."""

    title: str
    name: str
    """Behind that of the layer, what the file is called at first."""
    types: str
    """For the file dialog."""
    save: Callable[[Any, Path], None]


def save_result(layer: Layer, path: Path) -> None:
    """Write a layer with its scale, units and record."""
    from napari_inpaint.plugin.writer import write_image  # loads codecs, which opening the widget does not wait for

    data, attributes, _ = layer.as_layer_data_tuple()
    write_image(str(path), data, attributes)


def save_record(layer: Layer, path: Path) -> None:
    """Write the last record of a layer, with those before it, for ``inpaint-fill --replay``."""
    text = json.dumps(layer.metadata[RECORD], indent=1, default=lambda value: value.item())
    _write(path, text.encode())


def save_mask(layer: Any, path: Path) -> None:
    """Write which pixels were made up, white on black: a PNG, where there is one plane, or a TIFF."""
    import tifffile
    from PIL import Image

    data, _ = to_synthetic(layer)
    mask = np.asarray(data[0] if isinstance(data, list) else data) != 0
    buffer = BytesIO()
    if path.suffix.lower() == ".png":
        Image.fromarray(mask).save(buffer, "PNG")
    else:
        tifffile.imwrite(buffer, mask * np.uint8(255), compression="zlib", photometric="minisblack")
    _write(path, buffer.getvalue())


def _write(path: Path, data: bytes) -> None:
    try:
        write_atomically(path, data)
    except OSError as error:
        raise OSError(f"{path} cannot be written: {error.strerror or error}") from error


SUFFIX = re.compile(r"\*(\.\w+)")
TIFFS, MASKS = "TIFF (*.tif *.tiff)", "PNG (*.png);;TIFF (*.tif *.tiff)"
KINDS = (
    Kind("Result, with scale, units and record ...", ".tif", TIFFS, save_result),
    Kind("Record ...", ".json", "JSON (*.json)", save_record),
    Kind("Mask of synthetic pixels ...", " synthetic.png", MASKS, save_mask),
)


def save(kind: Kind, layer: Any, parent: Any) -> str:
    """Ask where to, and save; return a sentence, or an empty string when the user changed their mind.

    Raises
    ------
    ValueError
        When the suffix is none of this kind, or a name that got one is that of another file.
    OSError
        When it cannot be written.
    """
    name = "".join(letter if letter.isalnum() or letter in " -_." else "_" for letter in layer.name) + kind.name
    types = kind.types
    if kind.save is save_mask and layer.ndim > 2:  # a PNG holds one plane
        name, types = name.removesuffix(".png") + ".tif", TIFFS
    chosen, selected = QFileDialog.getSaveFileName(parent, kind.title.removesuffix(" ..."), name, types)
    if not chosen:
        return ""
    path, suffixes = Path(chosen), SUFFIX.findall(types)
    if not path.suffix:
        path = path.with_suffix(SUFFIX.findall(selected or types)[0])
        if path.exists():  # the dialog asked about the name without the suffix
            raise ValueError(f"{path} exists: name another file, or this one with its suffix to replace it")
    if path.suffix.lower() not in suffixes:
        raise ValueError(f"this is saved as {' or '.join(suffixes)}: name it {path.name}{suffixes[0]}")
    kind.save(layer, path)
    return f"saved to {path}"
