"""JPEG: pixels, and the tables that they were encoded with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import ExifTags, Image, JpegImagePlugin

from napari_inpaint.io.formats import FileError, ImageFile, to_file
from napari_inpaint.io.orientation import read_orientation

if TYPE_CHECKING:
    from io import BytesIO
    from pathlib import Path

    from numpy.typing import NDArray

THUMBNAIL = 0x0201
"""Exif's tag for where a thumbnail lies."""


def read_jpeg(path: Path, file: BinaryIO) -> ImageFile:
    """Read a JPEG and the tables that it was encoded with."""
    with Image.open(file, formats=["JPEG", "MPO"]) as image:
        if image.mode not in ("L", "RGB"):
            raise FileError(f"{path} is a JPEG of mode {image.mode}, only grey and RGB can be written back")
        pixels = np.array(image)
        if getattr(image, "n_frames", 1) > 1:
            raise FileError(f"{path} holds {image.n_frames} pictures, only one can be written back")  # type: ignore[attr-defined]
        kept = ("exif", "icc_profile", "dpi", "comment", "xmp", "progressive")
        options: dict[str, Any] = {key: image.info[key] for key in kept if key in image.info}
        options["qtables"] = image.quantization  # type: ignore[attr-defined]
        notes: tuple[str, ...] = (
            f"{path}: JPEG loses a little with every encoding, also outside the holes; use PNG or TIFF to avoid it",
        )
        if THUMBNAIL in image.getexif().get_ifd(ExifTags.IFD.IFD1):  # it shows what is filled
            options["exif"] = image.getexif().tobytes()
            notes += (f"{path}: its thumbnail shows what was there, and is left out",)
        sampling = JpegImagePlugin.get_sampling(image)
        if sampling >= 0:  # -1: one that Pillow has no name for
            options["subsampling"] = sampling
        orientation = read_orientation(image.getexif())
    return to_file(path, pixels, "JPEG", options, notes, orientation)


def write_jpeg(buffer: BytesIO, source: ImageFile, pixels: NDArray[Any]) -> None:
    """Encode a JPEG with the tables of its source."""
    Image.fromarray(pixels).save(buffer, "JPEG", **source.options)
