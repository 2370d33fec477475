"""JPEG: pixels, the tables that they were encoded with, and all segments that describe the picture."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import Image, JpegImagePlugin

from napari_inpaint.io.codecs.segments import (
    ADOBE,
    APP14,
    FRAMES,
    Segment,
    describes,
    keep,
    read_metadata,
    split,
    write_metadata,
)
from napari_inpaint.io.formats import FileError, ImageFile, name_lost, to_file
from napari_inpaint.io.orientation import read_orientation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

LOSSLESS = {0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF}
"""Markers of frames that are lossless or hierarchical."""
ARITHMETIC = {0xC9, 0xCA}
FRESH = {"quality": 95, "subsampling": 0}
"""How pictures from other formats are encoded."""
LOSS = "JPEG loses a little with every encoding, also outside the holes; use PNG or TIFF to avoid it"


def read_jpeg(path: Path, file: BinaryIO) -> ImageFile:
    """Read the first picture of a JPEG, the tables that it was encoded with, and its segments."""
    data = file.read()
    segments, _, behind = split(data)
    frame = next((each for each in segments if each.marker in FRAMES), None)
    if frame is not None and (frame.marker in LOSSLESS or frame.content[:1] != b"\x08"):
        kind = "lossless JPEG" if frame.marker in LOSSLESS else f"JPEG of {frame.content[0]} bits"
        raise FileError(f"{path} is a {kind}, which cannot be written back: convert it to TIFF or PNG")
    with JpegImagePlugin.JpegImageFile(BytesIO(data)) as image:
        if image.mode not in ("L", "RGB", "CMYK"):
            raise FileError(f"{path} is a JPEG of mode {image.mode}: convert it to TIFF or PNG")
        pixels = np.array(image)
        kept, lost, said = keep(segments, behind)
        tables = image.quantization
        if image.mode == "RGB" and (_says_plain(segments) or bytes(part[0] for part in image.layer) == b"RGB"):
            tables = dict.fromkeys(tables, next(iter(tables.values())))  # colours were not encoded more coarsely
        options: dict[str, Any] = {"qtables": tables, "segments": _say_transform(kept, pixels)}
        if image.info.get("progressive"):
            options["progressive"] = True
        sampling = JpegImagePlugin.get_sampling(image)
        if sampling >= 0 and pixels.ndim == 3 and pixels.shape[2] == 3:  # -1: one that Pillow has no name for
            options["subsampling"] = sampling
    rewriting: tuple[str, ...] = (f"{path}: {LOSS}",)
    if frame is not None and frame.marker in ARITHMETIC:
        rewriting += (f"{path}: its arithmetic coding becomes Huffman's",)
    metadata = replace(read_metadata(kept), inks=image.mode == "CMYK")
    source = to_file(path, pixels, "JPEG", options, name_lost(path, lost, said), read_orientation(metadata.exif),
                     metadata, rewriting, lossy=True)  # fmt: skip
    return replace(source, alpha=False)


def _say_transform(segments: Sequence[Segment], pixels: NDArray[Any]) -> list[Segment]:
    """Return segments with that of Adobe for how the colours are going to be encoded: YCbCr, or plain CMYK."""
    transform = int(pixels.ndim == 3 and pixels.shape[2] == 3)
    return [
        Segment(APP14, each.content[:11] + bytes([transform]) + each.content[12:])
        if each.marker == APP14 and each.content.startswith(ADOBE) and len(each.content) >= 12
        else each
        for each in segments
    ]


def _says_plain(segments: Sequence[Segment]) -> bool:
    """Return whether Adobe's segment says that colours are stored as they are."""
    return any(each.marker == APP14 and each.content[:5] == ADOBE and each.content[11:12] == b"\0" for each in segments)


def to_jpeg(source: ImageFile) -> dict[str, Any]:
    """Return the options to write a picture of another format."""
    return {**FRESH, "segments": write_metadata(source.metadata)}


def write_jpeg(buffer: BytesIO, source: ImageFile, pixels: NDArray[Any]) -> None:
    """Encode a JPEG with the tables and the segments of its source."""
    options = dict(source.options)
    segments = options.pop("segments")
    cmyk = pixels.ndim == 3 and pixels.shape[2] == 4
    encoded = BytesIO()
    image = Image.frombytes("CMYK", pixels.shape[1::-1], pixels.tobytes()) if cmyk else Image.fromarray(pixels)
    image.save(encoded, "JPEG", **options)
    parts = split(encoded.getvalue())
    buffer.write(b"\xff\xd8")
    for segment in (*segments, *(each for each in parts.segments if not describes(each))):
        buffer.write(segment.encode())
    buffer.write(parts.scans)
