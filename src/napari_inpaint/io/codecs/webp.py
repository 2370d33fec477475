"""WebP, with and without loss."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import Image

from napari_inpaint.io.formats import FileError, ImageFile, to_file
from napari_inpaint.io.orientation import read_orientation

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

LOSSY_WEBP = 90
"""WebP does not say with what quality it was encoded."""


def read_webp(path: Path, file: BinaryIO) -> ImageFile:
    """Read a WebP; whether it was encoded without loss decides how it is written."""
    data = file.read()
    with Image.open(BytesIO(data), formats=["WEBP"]) as image:
        if getattr(image, "n_frames", 1) > 1:
            raise FileError(f"{path} is an animation, only still images can be filled")
        pixels = np.array(image)
        options: dict[str, Any] = {
            key: image.info[key] for key in ("exif", "icc_profile", "xmp") if image.info.get(key)
        }
    orientation = read_orientation(options.get("exif"))
    kinds = set()
    position = len(b"RIFFsizeWEBP")
    while position + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, position)
        kinds.add(kind)
        position += 8 + length + length % 2
    if b"VP8L" in kinds:
        return to_file(path, pixels, "WEBP", {**options, "lossless": True, "exact": True}, (), orientation)
    note = f"{path}: lossy WebP loses a little with every encoding, also outside the holes; use PNG to avoid it"
    return to_file(path, pixels, "WEBP", {**options, "quality": LOSSY_WEBP}, (note,), orientation)


def write_webp(buffer: BytesIO, source: ImageFile, pixels: NDArray[Any]) -> None:
    """Encode a WebP, without loss when its source was."""
    Image.fromarray(pixels).save(buffer, "WEBP", **source.options)
