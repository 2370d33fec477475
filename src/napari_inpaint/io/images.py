"""Read and write image files without changing what is not filled: dtype, format, metadata."""

from __future__ import annotations

import contextlib
import json
import sys
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import Image

from napari_inpaint.io.atomic import stage
from napari_inpaint.io.codecs import avif, bmp, gif, jpeg, jpeg2000, jpegxl, npy, png, webp
from napari_inpaint.io.codecs.tiff.reading import read_record_tag, read_tiff
from napari_inpaint.io.codecs.tiff.writing import write_tiff
from napari_inpaint.io.convert import arrange, convert, describe
from napari_inpaint.io.formats import FileError, ImageFile
from napari_inpaint.io.zarr import ATTRIBUTE, ZarrImage, is_zarr, open_zarr, read_zarr_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

FORMATS = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF", ".npy": "NPY",
    ".zarr": "ZARR", ".jpe": "JPEG", ".jfif": "JPEG", ".jp2": "JPEG 2000", ".j2k": "JPEG 2000", ".j2c": "JPEG 2000",
    ".jpx": "JPEG 2000", ".jpf": "JPEG 2000", ".jxl": "JPEG XL", ".avif": "AVIF", ".gif": "GIF", ".bmp": "BMP",
}  # fmt: skip
READERS = {
    "PNG": png.read_png, "JPEG": jpeg.read_jpeg, "WEBP": webp.read_webp,
    "NPY": npy.read_npy, "JPEG 2000": jpeg2000.read_jpeg2000, "JPEG XL": jpegxl.read_jpegxl, "AVIF": avif.read_avif,
    "GIF": gif.read_gif, "BMP": bmp.read_bmp, "HEIC": avif.read_avif,
}  # fmt: skip
WRITERS = {
    "PNG": png.write_png, "JPEG": jpeg.write_jpeg, "WEBP": webp.write_webp,
    "NPY": npy.write_npy, "JPEG 2000": jpeg2000.write_jpeg2000, "JPEG XL": jpegxl.write_jpegxl,
    "AVIF": avif.write_avif, "BMP": bmp.write_bmp,
}  # fmt: skip
STREAM = Path("-")
"""Standard input, and standard output."""


def read_image(path: Path, series: int | None = None) -> ImageFile:
    """Read an image file.

    Parameters
    ----------
    path
        Of one of `FORMATS`; what it is is decided by its content. ``-`` is standard input.
    series
        Which image of a TIFF that holds several; the first by default.

    Raises
    ------
    FileError
        When the file does not exist, is broken, has no such image, or cannot be written back without loss.
    """
    try:
        with open_seekable(path) as file:
            kind = find_format(file.read(12))
            file.seek(0)
            if kind == "TIFF":
                return read_tiff(path, file, series)
            if series:
                raise FileError(f"{path} has no image {series}: only TIFFs and zarr stores hold several")
            if kind is not None:
                return READERS[kind](path, file)
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}") from error
    except MemoryError:
        raise
    except Image.DecompressionBombError as error:
        raise FileError(f"{path} has too many pixels to be read safely in this format; convert it to TIFF") from error
    except Exception as error:  # five decoders raise many kinds about broken files
        raise FileError(f"{path} is broken: {error or type(error).__name__}") from error
    raise FileError(f"{path} is no image that is read here: {', '.join(dict.fromkeys(FORMATS.values()))}")


@contextlib.contextmanager
def open_seekable(path: Path) -> Iterator[BinaryIO]:
    """Open a file to read it from anywhere; of a pipe, or standard input, that is all that comes."""
    with contextlib.nullcontext(sys.stdin.buffer) if path == STREAM else path.open("rb") as file:
        yield file if path != STREAM and file.seekable() else BytesIO(file.read())


def open_image(path: Path, series: int | None = None) -> ImageFile:
    """Read an image, or open a zarr store without reading it.

    Parameters
    ----------
    path
        Of the file or the store.
    series
        Which image of several; None for the first.

    Raises
    ------
    FileError
        As `read_image` and `open_zarr`.
    """
    if is_zarr(path):
        return as_file(open_zarr(path, series))
    return read_image(path, series)


def as_file(image: ZarrImage) -> ImageFile:
    """Describe a store like a file."""
    options = {} if image.series is None else {"series": image.series}
    return ImageFile(image.path, image.levels[0], image.channel_axis, "ZARR", options,
                     notes=(image.note,) if image.note else (), named_channels=image.named_channels,
                     record=image.node.attrs.get(ATTRIBUTE))  # fmt: skip


def find_format(head: bytes) -> str | None:
    """Return the format of a file by its first 12 bytes."""
    if head.startswith(png.PNG_SIGNATURE):
        return "PNG"
    if head.startswith(b"\xff\xd8"):
        return "JPEG"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head.startswith(np.lib.format.MAGIC_PREFIX):
        return "NPY"
    if head.startswith((jpeg2000.SIGNATURE, jpeg2000.CODESTREAM)):
        return "JPEG 2000"
    if head.startswith((jpegxl.SIGNATURE, jpegxl.CODESTREAM)):
        return "JPEG XL"
    if head[4:8] == b"ftyp" and head[8:12] in avif.HEIF_BRANDS:
        return "HEIC" if head[8:12] in avif.HEIC_BRANDS else "AVIF"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if head.startswith(b"BM") and 0 < int.from_bytes(head[10:12], "little") < 2048:  # where its pixels begin
        return "BMP"
    return "TIFF" if head[:2] in (b"II", b"MM") else None


def read_record(path: Path) -> dict[str, Any]:
    """Read the record of a fill from a JSON file, or from the filled TIFF or zarr itself.

    Raises
    ------
    FileError
        When there is none.
    """
    try:
        if path.is_dir():
            text = read_zarr_record(path)
        else:
            with open_seekable(path) as file:
                kind = find_format(file.read(12))
                file.seek(0)
                text = read_record_tag(file) if kind == "TIFF" else file.read().decode()
        record = json.loads(text or "null")
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # decoders raise many kinds
        raise FileError(f"{path} is no record: {error}") from error
    if not isinstance(record, dict):
        raise FileError(f"{path} is no record of a fill, and holds none")
    return record


def encode_image(
    path: Path, source: ImageFile, pixels: NDArray[Any], record: str | None = None,
    levels: Sequence[NDArray[Any]] = (), holes: NDArray[np.bool_] | None = None,
) -> bytes:  # fmt: skip
    """Encode pixels in the format that a path names, with the metadata of the file that they came from.

    Parameters
    ----------
    path
        Where they will be written; standard output has the source's format.
    source
        The file that was read.
    pixels
        Same shape and dtype as the source's.
    record
        JSON that goes into a TIFF as a tag; other formats have no place for it.
    levels
        Reduced versions, as many as the source has.
    holes
        Where pixels may have changed, (..., H, W): of animations, whose pictures show parts of one another.

    Raises
    ------
    FileError
        As `check_output`, or when the format cannot hold them.
    """
    check_output(path, source)
    buffer = BytesIO()
    try:
        target = convert(find_target(path, source), source)
        if target is not source:
            pixels, levels = arrange(source, pixels), ()
        if target.format == "TIFF":
            write_tiff(buffer, target, (pixels, *levels), record)
        elif target.format == "GIF":
            gif.write_gif(buffer, target, pixels, holes)
        else:
            WRITERS[target.format](buffer, target, pixels)
    except MemoryError:
        raise
    except Exception as error:  # many encoders raise many kinds
        raise FileError(
            f"{path} cannot be encoded: {error}; convert the input first, or write another format, such as .npy"
        ) from error
    return buffer.getvalue()


def check_output(path: Path, source: ImageFile) -> tuple[str, ...]:
    """Refuse an output path that an image cannot have, and return what the user should know of what is written there.

    Raises
    ------
    FileError
        When the suffix is of a format that cannot hold the image, or of none, or the folder does not exist.
    """
    notes = describe(path, find_target(path, source), source)
    if path != STREAM and not path.parent.is_dir():
        raise FileError(f"{path} cannot be written: {path.parent} is no folder")
    return notes


def find_target(path: Path, source: ImageFile) -> str:
    """Return the format of an output.

    Raises
    ------
    FileError
        When its suffix is of none.
    """
    kind = source.format if path == STREAM else FORMATS.get(path.suffix.lower())
    if kind is None:
        raise FileError(f"{path}: the output must end in one of {', '.join(FORMATS)}")
    return kind


@contextlib.contextmanager
def staged(path: Path, data: bytes) -> Iterator[Callable[[], None]]:
    """Write a file under a hidden name, and give what makes it appear: then even a full disk is no reason to fail.

    To standard output nothing is written before it is to appear.

    Raises
    ------
    FileError
        When writing fails; nothing is left behind, and an existing file stays as it was.
    """
    if path == STREAM:
        yield lambda: _write_to_stdout(data)
        return
    try:
        with stage(path) as file:
            file.write(data)
            yield file.appear
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror or error}") from error


def _write_to_stdout(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
