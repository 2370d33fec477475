"""JPEG XL: pixels of integers and floats, and all boxes of a file around them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from napari_inpaint.io.codecs.boxes import Box, join_boxes, load_codec, split_boxes
from napari_inpaint.io.codecs.jxlheader import ALPHA, SRGB, SRGB_GREY, Header, read_header, with_colours
from napari_inpaint.io.exif import without_thumbnail
from napari_inpaint.io.formats import FileError, ImageFile, Metadata, name_lost, refuse_bombs, to_file
from napari_inpaint.io.orientation import UPRIGHT, display

if TYPE_CHECKING:
    from io import BytesIO
    from pathlib import Path

    from numpy.typing import NDArray

SIGNATURE = b"\0\0\0\x0cJXL \r\n\x87\n"
HEAD = [Box(b"JXL ", b"\r\n\x87\n"), Box(b"ftyp", b"jxl \0\0\0\0jxl ")]
CODESTREAM = b"\xff\x0a"
PIXELS = (b"jxlc", b"jxlp")
LEVEL = b"jxll"
LARGE = 1 << 24
"""Bytes that what is compressed can have."""
LOST = {b"jbrd": "the JPEG file that it was made of", b"jhgm": "its gain map", b"jxli": "its index of frames"}
STRUCTURE = (b"JXL ", b"ftyp", *PIXELS, LEVEL, *LOST, b"Exif", b"xml ", b"brob")


def read_jpegxl(path: Path, file: BinaryIO) -> ImageFile:
    """Read a still JPEG XL, upright: its orientation is one of the encoding."""
    data = file.read()
    imagecodecs = load_codec(path, "JPEGXL", "JPEG XL")
    boxes = list(split_boxes(data)) if data.startswith(SIGNATURE) else [Box(PIXELS[0], data)]
    said: tuple[str, ...] = ()
    for index, box in enumerate(boxes):
        if box.kind == b"Exif":
            cut, said = without_thumbnail(box.content[4:])
            boxes[index] = Box(b"Exif", box.content[:4] + cut)
    codestream = _join_codestream(boxes)
    header = read_header(codestream)
    refuse_bombs(header.height, header.width)
    if header.preview:
        raise FileError(f"{path} has a preview, which shows what was there: save it again without one")
    if header.animated:
        raise FileError(f"{path} is an animation, only still images can be filled: take its frames apart, for example "
                        "with ffmpeg, and fill the folder that holds them")  # fmt: skip
    if header.extra not in ((), (ALPHA,)):
        raise FileError(f"{path} has other channels than colours and transparency: convert it to TIFF")
    pixels = imagecodecs.jpegxl_decode(data)
    kinds = [box.kind for box in boxes]
    lossy = header.lossy or b"jbrd" in kinds
    lost = [words for kind, words in LOST.items() if kind in kinds]
    rewriting = (f"{path}: lossy JPEG XL is written without loss, which takes more bytes",) if lossy else ()
    if header.profile:
        lost.append("its ICC colour profile (colours may look different)")
        header = header._replace(profile=False, colours=_say_srgb(pixels))
    place = next(index for index, kind in enumerate(kinds) if kind in PIXELS)
    options: dict[str, Any] = {
        "before": _kept(boxes[:place]),
        "after": _kept(boxes[place:]),
        "header": header,
    }
    return to_file(path, pixels, "JPEG XL", options, name_lost(path, lost, said),
                   metadata=_read_metadata(imagecodecs, boxes), rewriting=rewriting, lossy=lossy)  # fmt: skip


def to_jpegxl(source: ImageFile) -> dict[str, Any]:
    """Return the options to write a picture of another format."""
    metadata = source.metadata
    after = [Box(b"Exif", bytes(4) + metadata.exif)] if metadata.exif is not None else []
    after += [Box(b"xml ", metadata.xmp)] if metadata.xmp is not None else []
    height, width = source.pixels.shape[:2]
    header = Header(height, width, colours=_say_srgb(source.pixels), bits=source.pixels.dtype.itemsize * 8,
                    is_float=source.pixels.dtype.kind == "f")  # fmt: skip
    return {"before": HEAD if after else [], "after": after, "header": header, "orientation": source.orientation}


def write_jpegxl(buffer: BytesIO, source: ImageFile, pixels: NDArray[Any]) -> None:
    """Encode JPEG XL without loss, with the boxes of its source around the codestream."""
    import imagecodecs

    options = source.options
    header: Header = options["header"]
    orientation = options.get("orientation", UPRIGHT)
    bits = None if header.is_float else header.bits
    pixels = np.ascontiguousarray(pixels if bits is None else np.minimum(pixels, 2**bits - 1))
    data = bytes(imagecodecs.jpegxl_encode(pixels, lossless=True, bitspersample=bits))
    boxes = list(split_boxes(data)) if data.startswith(SIGNATURE) else [Box(PIXELS[0], data)]
    codestream = with_colours(_join_codestream(boxes), header, orientation)
    shown = display(pixels, orientation) if pixels.ndim == 2 else np.moveaxis(
        display(np.moveaxis(pixels, -1, 0), orientation), 0, -1)  # fmt: skip
    if not np.array_equal(imagecodecs.jpegxl_decode(codestream), shown, equal_nan=pixels.dtype.kind == "f"):
        raise ValueError("this imagecodecs does not encode it without loss")
    level = [box for box in boxes if box.kind == LEVEL]
    before = options["before"] or (HEAD if level else [])
    if not before:
        buffer.write(codestream)
        return
    buffer.write(join_boxes([*before[:2], *level, *before[2:], Box(PIXELS[0], codestream), *options["after"]]))


def _say_srgb(pixels: NDArray[Any]) -> str:
    """Return the bits that call pixels those of sRGB."""
    return SRGB_GREY if pixels.ndim == 2 or pixels.shape[2] < 3 else SRGB


def _kept(boxes: list[Box]) -> list[Box]:
    return [box for box in boxes if box.kind not in (*PIXELS, LEVEL, *LOST)]


def _join_codestream(boxes: list[Box]) -> bytes:
    """Return the codestream, which may come in parts."""
    whole = [box.content for box in boxes if box.kind == PIXELS[0]]
    parts = [box.content for box in boxes if box.kind == PIXELS[1]]
    parts.sort(key=lambda part: int.from_bytes(part[:4], "big") & 0x7FFFFFFF)  # the highest bit marks the last one
    return whole[0] if whole else b"".join(part[4:] for part in parts)


def _read_metadata(imagecodecs: Any, boxes: list[Box]) -> Metadata:
    content = dict(boxes)
    if b"brob" in content:  # compressed
        for box in boxes:
            if box.kind == b"brob" and box.content[:4] in (b"Exif", b"xml "):
                content[box.content[:4]] = imagecodecs.brotli_decode(box.content[4:], out=LARGE)
    exif = content.get(b"Exif")
    others = tuple(f"box {kind.decode('latin1')}" for kind in content if kind not in STRUCTURE)
    return Metadata(exif and exif[4 + int.from_bytes(exif[:4], "big") :], None, content.get(b"xml "), others=others)
