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
SAMPLINGS: dict[tuple[float, float], int] = {(1, 1): 0, (2, 1): 1, (2, 2): 2}
"""Pillow's numbers for how many pixels, across and down, share a colour."""
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
        options: dict[str, Any] = {"qtables": _order_tables(image, segments), "segments": _say_transform(kept, pixels)}
        if image.info.get("progressive"):
            options["progressive"] = True
        sampling = None
        if image.mode == "RGB":
            sampling = _find_sampling(image.layer)
            options["subsampling"] = FRESH["subsampling"] if sampling is None else sampling
    rewriting: tuple[str, ...] = (f"{path}: {LOSS}",)
    if frame is not None and frame.marker in ARITHMETIC:
        rewriting += (f"{path}: its arithmetic coding becomes Huffman's",)
    if image.mode == "RGB" and sampling is None:
        rewriting += (f"{path}: its chroma subsampling cannot be written, and becomes 4:4:4",)
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


def _order_tables(image: JpegImagePlugin.JpegImageFile, segments: Sequence[Segment]) -> list[list[int]]:
    """Return the quantization tables in the order of the components; the last one holds for all that follow, too."""
    tables = [image.quantization[each[3]] for each in image.layer if each[3] in image.quantization]
    adobe = next((each.content for each in segments if each.marker == APP14 and each.content.startswith(ADOBE)), b"")
    transform = adobe[11:12]
    if image.mode == "CMYK":
        is_recoded = transform == b"\2"  # from YCCK
    else:
        is_recoded = image.mode == "RGB" and (transform == b"\0" or bytes(each[0] for each in image.layer) == b"RGB")
    if is_recoded:
        return tables[:1]  # what the other components hold now was not encoded more coarsely
    while len(tables) > 1 and tables[-1] == tables[-2]:
        tables.pop()
    return tables


def _find_sampling(layer: Sequence[tuple[int, int, int, int]]) -> int | None:
    """Return Pillow's number for how much coarser colours are than luminance; none when it has none."""
    (_, across, down, _), *colours = layer
    ratios = {(across / width, down / height) for _, width, height, _ in colours}
    return SAMPLINGS.get(ratios.pop()) if len(ratios) == 1 else None


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
