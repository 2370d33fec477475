"""JPEG 2000: pixels, and all boxes of a file around them."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from napari_inpaint.io.codecs.boxes import Box, join_boxes, load_codec, split_boxes
from napari_inpaint.io.exif import HEAD, without_thumbnail
from napari_inpaint.io.formats import FileError, ImageFile, Metadata, name_lost, refuse_bombs, to_file

if TYPE_CHECKING:
    from io import BytesIO
    from pathlib import Path

    from numpy.typing import NDArray

SIGNATURE = b"\0\0\0\x0cjP  \r\n\x87\n"
CODESTREAM = b"\xff\x4f\xff\x51"
COD, COM, SOT = 0x52, 0x64, 0x90
"""Markers of how the picture is encoded, of comments, and of the first tile."""
ENCODER = b"Created by OpenJPEG"
STRUCTURE = (b"jP  ", b"ftyp", b"jp2h", b"jp2c")
SRGB, GREY = 16, 17
XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
EXIF = b"JpgTiffExif->JP2"
METRE = 39.3701
"""In inches."""


class Header(NamedTuple):
    """What a codestream says of itself."""

    height: int
    width: int
    components: int
    bits: int
    lossy: bool
    comments: list[bytes]
    """Its segments of comments."""


def read_jpeg2000(path: Path, file: BinaryIO) -> ImageFile:
    """Read a JP2, JPX or a plain codestream of up to 16 bits."""
    data = file.read()
    imagecodecs = load_codec(path, "JPEG2K", "JPEG 2000")
    boxes = list(split_boxes(data)) if data.startswith(SIGNATURE) else [Box(b"jp2c", data)]
    said: tuple[str, ...] = ()
    for index, box in enumerate(boxes):
        if box.kind == b"uuid" and box.content.startswith(EXIF):
            cut, said = without_thumbnail(box.content[len(EXIF) :])
            boxes[index] = Box(b"uuid", EXIF + cut)
    pictures = [box.content for box in boxes if box.kind == b"jp2c"]
    described = [*split_boxes(next((box.content for box in boxes if box.kind == b"jp2h"), b""))]
    header = _read_header(path, pictures[0])
    refuse_bombs(header.height, header.width)
    space = _read_colours(path, described)
    pixels = imagecodecs.jpeg2k_decode(data)
    channels = header.components
    if pixels.shape != (header.height, header.width, channels)[: 2 + (channels > 1)] or pixels.dtype.itemsize > 2:
        raise FileError(f"{path} holds {pixels.dtype} of shape {pixels.shape}, which cannot be written back: convert "
                        "it to TIFF")  # fmt: skip
    lost = [f"{len(pictures) - 1} more pictures"] if len(pictures) > 1 else []
    rewriting: tuple[str, ...] = ()
    if header.lossy:
        rewriting = (f"{path}: lossy JPEG 2000 is written without loss, which takes more bytes",)
    first = next(index for index, box in enumerate(boxes) if box.kind == b"jp2c")
    options: dict[str, Any] = {
        "boxes": boxes[:first],
        "after": [box for box in boxes[first:] if box.kind != b"jp2c"],
        "bits": header.bits,
        "comments": header.comments,
    }
    metadata = _read_metadata(boxes, described, space, header.comments)
    source = to_file(path, pixels, "JPEG 2000", options, name_lost(path, lost, said), metadata=metadata,
                     rewriting=rewriting, lossy=header.lossy)  # fmt: skip
    types = next((box.content for box in described if box.kind == b"cdef"), b"\0\0")
    kinds = [struct.unpack_from(">HHH", types, place)[1] for place in range(2, len(types), 6)]
    return replace(source, alpha=source.alpha and kinds[-1:] in ([1], [2]))


def to_jpeg2000(source: ImageFile) -> dict[str, Any]:
    """Return the options to write a picture of another format."""
    pixels, metadata = source.pixels, source.metadata
    height, width, channels = (*pixels.shape, 1)[:3]
    bits = pixels.dtype.itemsize * 8
    boxes = [Box(b"ihdr", struct.pack(">IIHBBBB", height, width, channels, bits - 1, 7, 0, 0))]
    boxes.append(Box(b"colr", struct.pack(">BBBI", 1, 0, 0, GREY if channels < 3 else SRGB)))
    if metadata.icc is not None:
        boxes[-1] = Box(b"colr", b"\2\0\0" + metadata.icc)
    if source.alpha:
        last = channels - 1
        entries = [struct.pack(">HHH", each, 0, each + 1) for each in range(last)] + [struct.pack(">HHH", last, 1, 0)]
        boxes.append(Box(b"cdef", struct.pack(">H", channels) + b"".join(entries)))
    if metadata.dpi is not None:
        across, down = (min(round(each * METRE), 65535) for each in metadata.dpi)
        boxes.append(Box(b"res ", Box(b"resc", struct.pack(">HHHHbb", down, 1, across, 1, 0, 0)).encode()))
    said = ((EXIF, metadata.exif), (XMP, metadata.xmp))
    return {
        "boxes": [Box(b"jP  ", b"\r\n\x87\n"), Box(b"ftyp", b"jp2 \0\0\0\0jp2 "), Box(b"jp2h", join_boxes(boxes))],
        "after": [Box(b"uuid", name + content) for name, content in said if content is not None],
        "bits": bits,
        "comments": [],
    }


def write_jpeg2000(buffer: BytesIO, source: ImageFile, pixels: NDArray[Any]) -> None:
    """Encode JPEG 2000 without loss, with the boxes of its source around the codestream."""
    import imagecodecs

    options, bits = source.options, source.options["bits"]
    pixels = np.ascontiguousarray(np.minimum(pixels, 2**bits - 1))
    data = bytes(imagecodecs.jpeg2k_encode(pixels, level=0, reversible=True, codecformat="j2k", bitspersample=bits))
    if options["comments"]:
        data = _with_comments(data, options["comments"])
    if not np.array_equal(imagecodecs.jpeg2k_decode(data), pixels):
        raise ValueError("this imagecodecs does not encode it without loss")
    if not options["boxes"]:
        buffer.write(data)
        return
    buffer.write(join_boxes([*options["boxes"], Box(b"jp2c", data), *options["after"]]))


def split_header(data: bytes) -> list[bytes]:
    """Return the segments of a codestream before its first tile; marker and length included."""
    segments, position = [], 2
    while data[position + 1] != SOT:
        length = struct.unpack_from(">H", data, position + 2)[0]
        segments.append(data[position : position + 2 + length])
        position += 2 + length
    return segments


def _read_header(path: Path, data: bytes) -> Header:
    segments = split_header(data)
    width, height, x, y, *_, components = struct.unpack_from(">IIIIIIIIH", segments[0], 6)
    kinds = {tuple(segments[0][place : place + 3]) for place in range(40, 40 + 3 * components, 3)}
    (precision, *steps) = next(iter(kinds))
    if len(kinds) > 1 or steps != [1, 1] or precision > 15 or components > 4:
        raise FileError(f"{path} has components of several sizes, of signed numbers, of more than 16 bits, or more "
                        "than 4 of them: convert it to TIFF")  # fmt: skip
    lossy = any(each[1] == COD and each[13] == 0 for each in segments)
    comments = [each for each in segments if each[1] == COM and ENCODER not in each]
    return Header(height - y, width - x, components, precision + 1, lossy, comments)


def _read_colours(path: Path, described: list[Box]) -> bytes | None:
    """Return the profile; refuse colours that decoding converts."""
    colours = [box.content for box in described if box.kind == b"colr"]
    spaces = [int.from_bytes(each[3:7], "big") for each in colours if each[:1] == b"\1"]
    if any(box.kind in (b"pclr", b"cmap") for box in described) or any(each not in (SRGB, GREY) for each in spaces):
        raise FileError(f"{path} has a palette or colours other than RGB and grey: convert it to TIFF or PNG")
    return next((each[3:] for each in colours if each[:1] in (b"\2", b"\3")), None)


def _read_metadata(boxes: list[Box], described: list[Box], icc: bytes | None, comments: list[bytes]) -> Metadata:
    named = {box.content[:16]: box.content[16:] for box in boxes if box.kind == b"uuid"}
    dpi = None
    for box in described:
        if box.kind == b"res " and len(box.content) >= 18:
            down, low, across, flat, *powers = struct.unpack_from(">HHHHbb", box.content, 8)
            if down and low and across and flat:
                dpi = across / flat * 10.0 ** powers[1] / METRE, down / low * 10.0 ** powers[0] / METRE
    exif = named.get(EXIF)
    others = [f"box {box.kind.decode('latin1')}" for box in boxes if box.kind not in (*STRUCTURE, b"uuid")]
    others += [f"box uuid {name.hex()}" for name in named if name not in (EXIF, XMP)]
    others += ["a comment"] if comments else []
    return Metadata(exif and exif.removeprefix(HEAD), icc, named.get(XMP), dpi, others=tuple(others))


def _with_comments(data: bytes, comments: list[bytes]) -> bytes:
    """Return a codestream with other comments."""
    segments = split_header(data)
    start = 2 + sum(map(len, segments))
    return data[:2] + b"".join([*(each for each in segments if each[1] != COM), *comments]) + data[start:]
