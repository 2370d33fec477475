"""PNG, JPEG, WebP and NPY: pixels and everything else that a file holds, there and back."""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import ExifTags, Image, JpegImagePlugin

from napari_inpaint.io.orientation import UPRIGHT, read_orientation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_PIXEL_CHUNKS = {b"IHDR", b"PLTE", b"tRNS", b"sBIT", b"hIST", b"bKGD", b"IDAT", b"IEND"}
"""Chunks that belong to one encoding of the pixels; all others are carried over."""
PNG_STRATEGY = zlib.Z_RLE
"""Of compression: made for filtered photos, of which it takes a third to a half of the usual time, in as many bytes or
10 % more; screenshots take a third more bytes at most."""
DEEP_PNG_LEVEL = 4  # of 16 bits, whose encoder has no such choice
PILLOW_MODES = {"1", "L", "LA", "RGB", "RGBA", "I;16"}
"""Modes that arrays and back do not change."""


THUMBNAIL = 0x0201
"""Exif's tag for where a thumbnail lies."""
LOSSY_WEBP = 90
"""WebP does not say with what quality it was encoded."""


class FileError(ValueError):
    """A file that cannot be read or written, and why."""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A read image and what is needed to write it back the same way."""

    path: Path
    pixels: NDArray[Any]
    """(H, W), (H, W, C), or with leading axes for a stack; a masked array where the file says what is valid."""
    channel_axis: int | None
    format: str
    """PNG, JPEG, WEBP, TIFF, NPY or ZARR."""
    options: dict[str, Any] = field(default_factory=dict)
    """What the writer needs to write the file as it was."""
    alpha: bool = False
    """Whether the last channel is transparency."""
    notes: tuple[str, ...] = ()
    """What the user should know, for example that JPEG is encoded again."""
    nodata: float | None = None
    """A value that stands for none, where the file says so."""
    orientation: int = UPRIGHT
    """How the file says that the picture is turned when it is displayed, as in Exif; pixels are as they are stored."""
    named_channels: int | None = None
    """A leading axis that the file calls one of channels; its planes are filled one by one."""


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
        return _to_file(path, pixels, "PNG", options, notes, orientation)
    with Image.open(BytesIO(data)) as image:
        notes = (f"{path}: {depth} bits a pixel become 8",) if depth in (2, 4) and colour == 0 else ()
        if image.mode not in PILLOW_MODES or "transparency" in image.info:
            mode = "RGBA" if "transparency" in image.info else "RGB"
            notes = (f"{path}: palette or keyed colours become {mode}",)
            pixels = np.array(image.convert(mode))
        else:
            pixels = np.array(image)
    return _to_file(path, pixels, "PNG", options, notes, orientation)


def _to_file(
    path: Path, pixels: NDArray[Any], kind: str, options: dict[str, Any], notes: tuple[str, ...], orientation: int
) -> ImageFile:
    """Describe pixels of shape (H, W) or (H, W, C) with 2 (grey and alpha), 3 or 4 (colours and alpha) channels."""
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    return ImageFile(path, pixels, 2 if channels > 1 else None, kind, options, channels in (2, 4), notes,
                     orientation=orientation)  # fmt: skip


def write_png(buffer: BytesIO, source: ImageFile, pixels: NDArray[Any]) -> None:
    """Write a PNG with the chunks of its source that do not describe the pixels."""
    if pixels.dtype == np.uint16:
        import imagecodecs

        data = imagecodecs.png_encode(np.ascontiguousarray(pixels), level=DEEP_PNG_LEVEL)
    else:
        encoded = BytesIO()
        Image.fromarray(pixels).save(encoded, "PNG", compress_type=PNG_STRATEGY)
        data = encoded.getvalue()
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
    return _to_file(path, pixels, "JPEG", options, notes, orientation)


def write_jpeg(buffer: BytesIO, source: ImageFile, pixels: NDArray[Any]) -> None:
    """Encode a JPEG with the tables of its source."""
    Image.fromarray(pixels).save(buffer, "JPEG", **source.options)


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
        return _to_file(path, pixels, "WEBP", {**options, "lossless": True, "exact": True}, (), orientation)
    note = f"{path}: lossy WebP loses a little with every encoding, also outside the holes; use PNG to avoid it"
    return _to_file(path, pixels, "WEBP", {**options, "quality": LOSSY_WEBP}, (note,), orientation)


def write_webp(buffer: BytesIO, source: ImageFile, pixels: NDArray[Any]) -> None:
    """Encode a WebP, without loss when its source was."""
    Image.fromarray(pixels).save(buffer, "WEBP", **source.options)


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


def find_channels(shape: tuple[int, ...]) -> int | None:
    """Return the axis of an array that holds channels, as far as its shape tells."""
    return len(shape) - 1 if len(shape) > 2 and shape[-1] in (3, 4) and shape[-2] > 4 else None


def write_npy(buffer: BytesIO, source: ImageFile, pixels: NDArray[Any]) -> None:
    """Write an array."""
    np.lib.format.write_array(buffer, pixels, allow_pickle=False)
