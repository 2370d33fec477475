"""PNG: pixels of 8 and 16 bits, and all chunks."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import Image

from napari_inpaint.io.formats import FileError, ImageFile, to_file
from napari_inpaint.io.orientation import read_orientation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_PIXEL_CHUNKS = {b"IHDR", b"PLTE", b"tRNS", b"sBIT", b"hIST", b"bKGD", b"IDAT", b"IEND"}
"""Chunks that belong to one encoding of the pixels; all others are carried over."""
PNG_LEVEL = 1
"""Of compression; with the filter that suits photos it takes half of the usual time, in 10 % more bytes."""
PILLOW_MODES = {"1", "L", "LA", "RGB", "RGBA", "I;16"}
"""Modes that arrays and back do not change."""


def read_png(path: Path, file: BinaryIO) -> ImageFile:
    """Read a PNG; 16-bit colours stay 16-bit."""
    data = file.read()
    chunks = list(_png_chunks(data))
    depth, colour = chunks[0][1][8:10]
    kinds = {kind for kind, _ in chunks}
    if b"acTL" in kinds:
        raise FileError(f"{path} is an animation, only still images can be filled")
    options = {"chunks": [chunk for chunk in chunks if chunk[0] not in PNG_PIXEL_CHUNKS]}
    orientation = read_orientation(dict(chunks).get(b"eXIf"))
    if depth == 16:  # Pillow narrows colours of 16 bits to 8
        import imagecodecs

        width, height = struct.unpack(">II", chunks[0][1][:8])
        if Image.MAX_IMAGE_PIXELS and width * height > 2 * Image.MAX_IMAGE_PIXELS:
            raise Image.DecompressionBombError
        pixels = imagecodecs.png_decode(data)
        notes = (f"{path}: keyed transparency becomes an alpha channel",) if b"tRNS" in kinds else ()
        return to_file(path, pixels, "PNG", options, notes, orientation)
    with Image.open(BytesIO(data)) as image:
        notes = (f"{path}: {depth} bits a pixel become 8",) if depth in (2, 4) and colour == 0 else ()
        if image.mode not in PILLOW_MODES or "transparency" in image.info:
            mode = "RGBA" if "transparency" in image.info else "RGB"
            notes = (f"{path}: palette or keyed colours become {mode}",)
            pixels = np.array(image.convert(mode))
        else:
            pixels = np.array(image)
    return to_file(path, pixels, "PNG", options, notes, orientation)


def write_png(buffer: BytesIO, source: ImageFile, pixels: NDArray[Any]) -> None:
    """Write a PNG with the chunks of its source that do not describe the pixels."""
    if pixels.dtype == bool:
        encoded = BytesIO()
        Image.fromarray(pixels).save(encoded, "PNG")
        data = encoded.getvalue()
    else:
        import imagecodecs

        average = imagecodecs.PNG.FILTER.AVG
        data = bytes(imagecodecs.png_encode(np.ascontiguousarray(pixels), level=PNG_LEVEL, filter=average))
    buffer.write(PNG_SIGNATURE)
    for index, (kind, content) in enumerate(_png_chunks(data)):
        if kind in PNG_PIXEL_CHUNKS:
            _write_png_chunk(buffer, kind, content)
        if index == 0:
            for other_kind, other_content in source.options["chunks"]:
                _write_png_chunk(buffer, other_kind, other_content)


def _png_chunks(data: bytes | bytearray) -> Iterator[tuple[bytes, bytes]]:
    position = len(PNG_SIGNATURE)
    while position < len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        yield kind, bytes(data[position + 8 : position + 8 + length])
        position += length + 12
        if kind == b"IEND":
            return
    raise ValueError("the file ends before its end mark")


def _write_png_chunk(buffer: BytesIO, kind: bytes, content: bytes) -> None:
    buffer.write(struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content)))
