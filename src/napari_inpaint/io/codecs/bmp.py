"""BMP without compression: its pixels are changed in place, and all else stays as it is."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from napari_inpaint.io.formats import FileError, ImageFile, Metadata, refuse_bombs, to_file
from napari_inpaint.io.palette import pack_rows, to_colours, to_indices, unpack_rows

if TYPE_CHECKING:
    from io import BytesIO
    from pathlib import Path

    from numpy.typing import NDArray

HEAD = 14
"""Bytes before the header that says the size."""
SHORTEST = 40
"""Bytes of the first header that has all fields which are read here."""
PLAIN, FIELDS = 0, 3
"""Kinds of compression: none, and masks of where colours lie in a pixel."""
WITH_ALPHA = 56
"""Bytes of a header that has a mask of transparency too."""
BYTES = {0xFF << shift: shift // 8 for shift in (0, 8, 16, 24)}
"""Masks of whole bytes, and which they are."""
GREYS = b"".join(bytes((grey, grey, grey, 0)) for grey in range(256))
"""A palette of all greys, in their order."""
METRE = 39.3701
"""In inches."""


def read_bmp(path: Path, file: BinaryIO) -> ImageFile:
    """Read a BMP of 1, 4, 8, 24 or 32 bits a pixel."""
    data = file.read()
    start, length = struct.unpack_from("<II", data, 10)
    if length < SHORTEST:
        raise FileError(f"{path} is a BMP with a header of {length} bytes, as of OS/2, which is not written back: "
                        "convert it to PNG")  # fmt: skip
    width, signed, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    across, down, used = struct.unpack_from("<iiI", data, 38)
    height = abs(signed)
    if bits not in (1, 4, 8, 24, 32) or compression not in ((PLAIN, FIELDS) if bits == 32 else (PLAIN,)):
        raise FileError(f"{path} is a BMP with {bits} bits a pixel and compression {compression}, which is not written "
                        "back: convert it to PNG")  # fmt: skip
    refuse_bombs(height, width)
    stride = (width * bits + 31) // 32 * 4
    if width < 1 or start + stride * height > len(data):
        raise FileError(f"{path} is broken: the file ends before its last pixel")
    stored = np.frombuffer(data, np.uint8, stride * height, start).reshape(height, stride)
    rows = stored if signed < 0 else stored[::-1]
    metadata = Metadata(dpi=(across / METRE, down / METRE) if across > 0 and down > 0 else None)
    options: dict[str, Any] = {"data": data, "start": start, "upward": signed > 0, "bits": bits}
    rewriting: tuple[str, ...] = ()
    if bits <= 8:
        place = HEAD + length
        count = min(used or 1 << bits, 1 << bits)
        colours = np.frombuffer(data, np.uint8, 4 * count, place).reshape(-1, 4)
        plain = dict(options)
        options["palette"] = np.ascontiguousarray(colours[:, 2::-1])
        options["indices"] = unpack_rows(rows, width, bits)
        if count == 256 and (colours[:, :3] == np.arange(256)[:, None]).all():
            return to_file(path, rows[:, :width].copy(), "BMP", {**plain, "order": [0]}, (), metadata=metadata)
        pixels = to_colours(options["indices"], options["palette"])
        rewriting = (f"{path}: the fill has only the {count} colours of its palette",)
    else:
        order = [2, 1, 0]
        if compression == FIELDS:
            masks = struct.unpack_from("<IIII", data, HEAD + 40)
            masks = masks if length >= WITH_ALPHA and masks[3] else masks[:3]
            if not set(masks) <= BYTES.keys():
                raise FileError(f"{path} is a BMP whose colours are not of 8 bits, which is not written back: convert "
                                "it to PNG")  # fmt: skip
            order = [BYTES[mask] for mask in masks]
        options["order"] = order
        pixels = rows[:, : width * bits // 8].reshape(height, width, bits // 8)[..., order]
    return to_file(path, pixels, "BMP", options, (), metadata=metadata, rewriting=rewriting)


def to_bmp(source: ImageFile) -> dict[str, Any]:
    """Return the options to write a picture of another format: 8 bits of grey, 24 of colours, 32 with transparency."""
    height, width, channels = (*source.pixels.shape, 1)[:3]
    bits = channels * 8
    fields = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + b"BGRs" + bytes(48) if channels == 4 else b""
    after = GREYS if channels == 1 else fields
    stride = (width * bits + 31) // 32 * 4
    across, down = (round(each * METRE) for each in source.metadata.dpi or (0, 0))
    start = HEAD + 40 + len(after)
    size = start + stride * height
    head = struct.pack("<2sIII", b"BM", size, 0, start)
    head += struct.pack("<IiiHHIIiiII", 40 + len(fields), width, height, 1, bits, FIELDS if fields else PLAIN,
                        stride * height, across, down, 0, 0)  # fmt: skip
    order = [2, 1, 0, 3][:channels] if channels > 1 else [0]
    return {"data": head + after + bytes(stride * height), "start": start, "upward": True, "bits": bits, "order": order}


def write_bmp(buffer: BytesIO, source: ImageFile, pixels: NDArray[Any]) -> None:
    """Write a BMP: its source, with other pixels."""
    options, bits = source.options, source.options["bits"]
    data, start = bytearray(options["data"]), options["start"]
    height, width = pixels.shape[:2]
    stride = (width * bits + 31) // 32 * 4
    stored = np.frombuffer(data, np.uint8, stride * height, start).reshape(height, stride)
    rows = stored[::-1] if options["upward"] else stored
    if "palette" in options:
        indices = to_indices(options["indices"], source.pixels, pixels, options["palette"])
        packed = pack_rows(indices, bits)
        rows[:, : packed.shape[1]] = packed
    else:
        places = rows[:, : width * bits // 8].reshape(height, width, bits // 8)
        places[..., options["order"]] = pixels.reshape(height, width, -1)
    buffer.write(data)
