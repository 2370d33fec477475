"""Read and write image files without changing what is not filled: dtype, format, metadata."""

from __future__ import annotations

import os
import tempfile
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile
from PIL import Image

from napari_inpaint.codecs import (
    PNG_SIGNATURE,
    WRITERS,
    FileError,
    ImageFile,
    read_jpeg,
    read_png,
    read_tiff,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF"}


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
            return read_png(path)
        if head[:2] == b"\xff\xd8":
            return read_jpeg(path)
        if head[:2] in (b"II", b"MM"):
            return read_tiff(path)
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}") from error
    except MemoryError:
        raise
    except Image.DecompressionBombError as error:
        raise FileError(f"{path} has too many pixels to be read safely as PNG or JPEG; convert it to TIFF") from error
    except Exception as error:  # three decoders raise many kinds about broken files
        raise FileError(f"{path} is broken: {error or type(error).__name__}") from error
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
    try:
        WRITERS[source.format](buffer, source, pixels)
    except MemoryError:
        raise
    except Exception as error:  # three encoders raise many kinds
        raise FileError(f"{path} cannot be encoded like {source.path}: {error}; convert the input first") from error
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
    path = path.resolve()  # a link stays a link
    try:
        mode = path.stat().st_mode & 0o7777 if path.exists() else 0o666 & ~_umask()
        descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(partial).chmod(mode)
        Path(partial).replace(path)
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        if partial is not None:
            Path(partial).unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def read_mask(path: Path, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Read a mask: what is not black is a hole; in a JPEG, what is brighter than grey. Alpha does not count.

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
        When the file cannot be read, has another size, or holds NaN.
    """
    file = read_image(path)
    mask = file.pixels
    if file.channel_axis is not None:
        mask = np.moveaxis(mask, file.channel_axis, -1)
        mask = (mask[..., :-1] if file.alpha else mask).max(-1)
    if mask.shape != shape:
        raise FileError(f"{path} has {mask.shape} pixels, the image has {shape}: the mask must have the same size")
    if np.isnan(mask).any():
        raise FileError(f"{path} holds NaN: a mask is 0 where pixels are known and anything else inside holes")
    if file.format == "TIFF" and file.options["photometric"] == tifffile.PHOTOMETRIC.MINISWHITE:
        mask = mask.max(initial=0) - mask if mask.dtype != bool else ~mask
    holes: NDArray[np.bool_] = mask > 127 if file.format == "JPEG" else mask != 0
    return holes
