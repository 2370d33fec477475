"""Read and write image files without changing what is not filled: dtype, format, metadata."""

from __future__ import annotations

import os
import struct
import tempfile
import zlib
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile
from PIL import Image, JpegImagePlugin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_PIXEL_CHUNKS = {b"IHDR", b"PLTE", b"tRNS", b"sBIT", b"hIST", b"IDAT", b"IEND"}
"""Chunks that belong to one encoding of the pixels; all others are carried over."""
PILLOW_MODES = {"1", "L", "LA", "RGB", "RGBA", "I;16"}
"""Modes that arrays and back do not change."""
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF"}


class FileError(ValueError):
    """A file that cannot be read or written, and why."""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A read image and what is needed to write it back the same way."""

    path: Path
    pixels: NDArray[Any]
    """(H, W), (H, W, C), or with leading axes for a stack."""
    channel_axis: int | None
    format: str
    """PNG, JPEG or TIFF."""
    options: dict[str, Any] = field(default_factory=dict)
    """What the writer needs to write the file as it was."""
    notes: tuple[str, ...] = ()
    """What the user should know, for example that JPEG is encoded again."""


def read_image(path: Path) -> ImageFile:
    """Read an image file.

    Parameters
    ----------
    path
        PNG, JPEG or TIFF; what it is is decided by its content.

    Raises
    ------
    FileError
        When the file does not exist, is broken, or cannot be written back without loss.
    """
    try:
        with path.open("rb") as file:
            head = file.read(8)
        if head == PNG_SIGNATURE:
            return _read_png(path)
        if head[:2] == b"\xff\xd8":
            return _read_jpeg(path)
        if head[:2] in (b"II", b"MM"):
            return _read_tiff(path)
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, SyntaxError, RuntimeError, TypeError, KeyError, IndexError, ArithmeticError, struct.error,
            zlib.error, Image.DecompressionBombError, tifffile.TiffFileError) as error:  # fmt: skip
        raise FileError(f"{path} is broken: {error}") from error
    raise FileError(f"{path} is no PNG, JPEG or TIFF image")


def write_image(path: Path, source: ImageFile, pixels: NDArray[Any]) -> None:
    """Write pixels in the format and with the metadata of the file that they came from.

    The file appears whole or not at all.

    Parameters
    ----------
    path
        Its suffix must be one of the source's format.
    source
        The file that was read.
    pixels
        Same shape and dtype as the source's.

    Raises
    ------
    FileError
        As `check_output`, or when writing fails, for example because the disk is full.
    """
    check_output(path, source)
    buffer = BytesIO()
    WRITERS[source.format](buffer, source, pixels)
    write_atomically(path, buffer.getvalue())


def check_output(path: Path, source: ImageFile) -> None:
    """Refuse an output path that `write_image` could not write.

    Raises
    ------
    FileError
        When the suffix is of another format than the source's, or the folder does not exist.
    """
    if FORMATS.get(path.suffix.lower()) != source.format:
        suffixes = " or ".join(suffix for suffix, kind in FORMATS.items() if kind == source.format)
        raise FileError(f"{path}: the input is {source.format}, so the output must end in {suffixes}")
    if not path.parent.is_dir():
        raise FileError(f"{path} cannot be written: {path.parent} is no folder")


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that it appears whole or not at all.

    Raises
    ------
    FileError
        When writing fails; nothing is left behind, and an existing file stays as it was.
    """
    partial = None
    try:
        descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        Path(partial).chmod(0o666 & ~mask)
        Path(partial).replace(path)
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        if partial is not None:
            Path(partial).unlink(missing_ok=True)


def _read_png(path: Path) -> ImageFile:
    data = path.read_bytes()
    chunks = list(_png_chunks(data))
    depth, _colour = chunks[0][1][8:10]
    options = {"chunks": [chunk for chunk in chunks if chunk[0] not in PNG_PIXEL_CHUNKS]}
    if depth == 16:  # Pillow narrows colours of 16 bits to 8
        import imagecodecs

        pixels = imagecodecs.png_decode(data)
        return ImageFile(path, pixels, 2 if pixels.ndim == 3 else None, "PNG", options)
    with Image.open(BytesIO(data)) as image:
        notes: tuple[str, ...] = ()
        if image.mode not in PILLOW_MODES or "transparency" in image.info:
            mode = "RGBA" if "transparency" in image.info else "RGB"
            notes = (f"{path}: palette or keyed colours become {mode}",)
            pixels = np.array(image.convert(mode))
        else:
            pixels = np.array(image)
    return ImageFile(path, pixels, 2 if pixels.ndim == 3 else None, "PNG", options, notes)


def _write_png(buffer: BytesIO, source: ImageFile, pixels: NDArray[Any]) -> None:
    if pixels.dtype == np.uint16:
        import imagecodecs

        data = imagecodecs.png_encode(np.ascontiguousarray(pixels))
    else:
        encoded = BytesIO()
        Image.fromarray(pixels).save(encoded, "PNG")
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


def _read_jpeg(path: Path) -> ImageFile:
    with Image.open(path) as image:
        if image.mode not in ("L", "RGB"):
            raise FileError(f"{path} is a JPEG of mode {image.mode}, only grey and RGB can be written back")
        pixels = np.array(image)
        kept = ("exif", "icc_profile", "dpi", "comment")
        options: dict[str, Any] = {key: image.info[key] for key in kept if key in image.info}
        options["qtables"] = image.quantization  # type: ignore[attr-defined]
        sampling = JpegImagePlugin.get_sampling(image)
        if sampling >= 0:  # -1: one that Pillow has no name for
            options["subsampling"] = sampling
    note = f"{path}: JPEG loses a little with every encoding, also outside the holes; use PNG or TIFF to avoid it"
    return ImageFile(path, pixels, 2 if pixels.ndim == 3 else None, "JPEG", options, (note,))


def _write_jpeg(buffer: BytesIO, source: ImageFile, pixels: NDArray[Any]) -> None:
    Image.fromarray(pixels).save(buffer, "JPEG", **source.options)


def _read_tiff(path: Path) -> ImageFile:
    with tifffile.TiffFile(path) as tiff:
        if len(tiff.series) != 1 or len(tiff.series[0].levels) != 1:
            raise FileError(
                f"{path} holds {len(tiff.series)} images or a pyramid, only plain images and stacks are read"
            )
        series, page = tiff.series[0], tiff.pages[0].aspage()
        pixels = series.asarray()
        photometric = tifffile.PHOTOMETRIC(page.photometric)
        if photometric.name not in ("MINISBLACK", "MINISWHITE", "RGB"):
            raise FileError(f"{path} has {photometric.name} pixels, only grey and RGB can be written back")
        axis = series.axes.index("S") if "S" in series.axes else None
        resolution = tuple(page.tags[code].value for code in (282, 283) if code in page.tags)
        options: dict[str, Any] = {
            "byteorder": tiff.byteorder,
            "bigtiff": tiff.is_bigtiff,
            "photometric": page.photometric,
            "planarconfig": page.planarconfig if axis is not None else None,
            "compression": page.compression,
            "predictor": page.predictor if page.predictor != 1 else None,
            "extrasamples": page.extrasamples or None,
            "description": page.description or None,
            "software": page.software or None,
            "rowsperstrip": page.rowsperstrip if not page.is_tiled else None,
            "tile": page.tile if page.is_tiled else None,
            "resolution": resolution if len(resolution) == 2 else None,
            "resolutionunit": page.resolutionunit if len(resolution) == 2 else None,
            "iccprofile": page.iccprofile,
        }
    return ImageFile(path, pixels, axis, "TIFF", options)


def _write_tiff(buffer: BytesIO, source: ImageFile, pixels: NDArray[Any]) -> None:
    options = {key: value for key, value in source.options.items() if value is not None}
    tifffile.imwrite(buffer, pixels, metadata=None, **options)


WRITERS = {"PNG": _write_png, "JPEG": _write_jpeg, "TIFF": _write_tiff}


def read_mask(path: Path, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Read a mask: pixels above half of the largest value are holes; the alpha channel does not count.

    Parameters
    ----------
    path
        PNG, JPEG or TIFF.
    shape
        Height and width that it must have.

    Returns
    -------
    bool array of shape ``shape``

    Raises
    ------
    FileError
        When the file cannot be read, or has another size.
    """
    file = read_image(path)
    mask = file.pixels
    if file.channel_axis is not None:
        mask = np.moveaxis(mask, file.channel_axis, -1)
        mask = mask[..., : 1 if mask.shape[-1] == 2 else 3].max(-1)
    if mask.shape != shape:
        raise FileError(f"{path} has {mask.shape} pixels, the image has {shape}: the mask must have the same size")
    largest = mask.max(initial=0)
    holes: NDArray[np.bool_] = mask * 1.0 > largest / 2
    return holes
