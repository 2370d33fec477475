"""NumPy's own files of arrays."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from napari_inpaint.io.formats import FileError, ImageFile, find_channels

if TYPE_CHECKING:
    from io import BytesIO
    from pathlib import Path

    from numpy.typing import NDArray


def read_npy(path: Path, file: BinaryIO) -> ImageFile:
    """Read an array; a last axis of 3 or 4 holds channels when the axis before it is longer than 4."""
    version = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(file)
    start, end = file.tell(), file.seek(0, 2)
    if dtype.kind not in "buif":
        raise FileError(f"{path} holds {dtype}: only bool, integers and floats can be filled")
    if math.prod(shape) * dtype.itemsize != end - start:
        raise FileError(f"{path} is broken: its {end - start} bytes of pixels are no {dtype} of shape {shape}")
    file.seek(0)
    pixels = np.lib.format.read_array(file, allow_pickle=False)
    return ImageFile(path, pixels, find_channels(pixels.shape), "NPY")


def write_npy(buffer: BytesIO, source: ImageFile, pixels: NDArray[Any]) -> None:
    """Write an array."""
    np.lib.format.write_array(buffer, pixels, allow_pickle=False)
