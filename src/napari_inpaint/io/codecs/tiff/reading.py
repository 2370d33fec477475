"""Read a TIFF: an image or a stack, what it says of its values, and where all of that lies in the file."""

from __future__ import annotations

import contextlib
import json
import math
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import tifffile
from tifffile import EXTRASAMPLE, PHOTOMETRIC

from napari_inpaint.io.codecs.tiff.fresh import read_metadata
from napari_inpaint.io.codecs.tiff.layout import (
    LOSSLESS,
    ORIENTATION_TAG,
    RECORD_TAG,
    choose_series,
    describe_series,
    find_channels,
    find_mask,
    from_stored,
    list_series,
    read_palette,
)
from napari_inpaint.io.formats import FileError, ImageFile
from napari_inpaint.io.orientation import known_orientation

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

NODATA_TAG = 42113
"""GDAL's: the value that stands for none, as a text."""
LARGE = 1 << 28
"""Bytes of pixels above which a file's claim is doubted."""
BOMB = 1100
"""How many times smaller DEFLATE makes what is all zero."""
UNKNOWN = (PHOTOMETRIC.LOGL, PHOTOMETRIC.LOGLUV, PHOTOMETRIC.DEPTH_MAP)
"""Codes of colours that are not proportional to anything, and other things than intensities."""


def read_tiff(path: Path, file: BinaryIO, series: int | None = None) -> ImageFile:
    """Read one image or stack of a TIFF, and its reduced versions.

    Parameters
    ----------
    path
        For messages.
    file
        What is read.
    series
        Which of several images; the first by default.
    """
    data = file.read()
    with tifffile.TiffFile(BytesIO(data)) as tiff:
        try:
            number = choose_series(tiff, series)
        except FileError as error:
            raise FileError(f"{path}: {error}") from None
        found = list_series(tiff)
        image = found[number]
        page = image.keyframe
        _check(path, image, len(data))
        pixels: NDArray[Any] = from_stored(image, image.asarray())
        axis = find_channels(image)
        palette = read_palette(page)
        rewriting = _describe_others(path, found, number) if series is None else ()
        if palette is not None:
            rewriting += (f"{path}: the fill has only the {len(palette)} colours of its palette",)
        compression = tifffile.COMPRESSION(page.compression).name
        if compression not in LOSSLESS:
            rewriting += (f"{path}: {compression} compression becomes DEFLATE, which loses nothing",)
        notes: tuple[str, ...] = ()
        alpha = axis is not None and bool(page.extrasamples) and page.extrasamples[-1] in (1, 2)
        try:
            nodata = _read_nodata(page)
        except ValueError:
            nodata = None
            notes += (f"{path}: its nodata tag, {page.tags[NODATA_TAG].value!r}, is no number, and does not count",)
        if page.photometric == PHOTOMETRIC.CFA:
            notes += (f"{path}: its pixels lie behind colour filters: add --mosaic 2x2, or what its pattern is",)
        mask = find_mask(tiff, image)
        if mask is not None:
            hidden = mask.asarray() == 0
            hidden = hidden if axis is None else np.expand_dims(hidden, axis)
            pixels = np.ma.MaskedArray(pixels, np.broadcast_to(hidden, pixels.shape))
        levels = tuple(from_stored(level, level.asarray()) for level in image.levels[1:])
        tag = page.tags.get(ORIENTATION_TAG)
        raw = compression in LOSSLESS or page.photometric != PHOTOMETRIC.YCBCR  # else decoders give RGB
        options = {
            "data": data, "photometric": page.photometric if raw else PHOTOMETRIC.RGB, "bits": page.bitspersample,
            "premultiplied": alpha and page.extrasamples[-1] == EXTRASAMPLE.ASSOCALPHA,
        } | ({"series": number} if len(found) > 1 else {})  # fmt: skip
        return ImageFile(path, pixels, axis, "TIFF", options, alpha, notes, nodata,
                         known_orientation(None if tag is None else tag.value),
                         image.axes.index("C") if "C" in image.axes else None, levels, read_metadata(page),
                         rewriting, _parse_record(tiff))  # fmt: skip


def _check(path: Path, image: tifffile.TiffPageSeries, size: int) -> None:
    """Refuse an image that cannot be read, or written back."""
    page: tifffile.TiffPage = image.keyframe
    if image.nbytes > LARGE and image.nbytes > BOMB * size:
        raise FileError(f"{path} claims {image.nbytes / 2**30:.0f} GiB of pixels in {size} bytes, more than "
                        "compression explains; save it again uncompressed")  # fmt: skip
    if image.is_multifile:
        raise FileError(f"{path} is one of several files of an OME-TIFF: save them as one file")
    if page.photometric in UNKNOWN:
        raise FileError(f"{path} has {PHOTOMETRIC(page.photometric).name} pixels: convert it to floats")
    if image.dtype is None or image.dtype.kind not in "buif":
        raise FileError(f"{path} holds {image.dtype} pixels: only bool, integers and floats can be filled")
    if (
        page.parent.is_ndpi
        or image.transform is not None
        or (image.dataoffset is None and _count_pixels(image) != image.size)
    ):
        raise FileError(f"{path} is stored in an order that cannot be written back; save it as a plain TIFF")
    if image.dataoffset is None and max(page.imagedepth, page.tiledepth) > 1:
        raise FileError(f"{path} is a volume in pieces of several planes: save it as a stack of planes")
    if page.photometric == PHOTOMETRIC.PALETTE and page.samplesperpixel > 1:
        raise FileError(f"{path} has a palette and {page.samplesperpixel} samples a pixel: convert it to RGB")
    if image.dtype.kind in "if" and page.bitspersample not in (8, 16, 32, 64):
        raise FileError(f"{path} has {page.bitspersample} bits a pixel: convert it to 16 or 32")


def _count_pixels(image: tifffile.TiffPageSeries) -> int:
    return sum(image.keyframe.size for _ in image.pages)


def _describe_others(path: Path, found: list[tifffile.TiffPageSeries], number: int) -> tuple[str, ...]:
    """Say which of several images is filled, and what becomes of the others."""
    if len(found) == 1:
        return ()
    others = describe_series(found, number)
    shown = any(each.keyframe.is_reduced for index, each in enumerate(found) if index != number)
    previews = "; a preview still shows what was there" if shown else ""
    return (f"{path}: image {number} of {len(found)} is filled, the others stay as they are: {others}{previews}; "
            "choose another with --series N",)  # fmt: skip


def _read_nodata(page: tifffile.TiffPage) -> float | None:
    """Return what GDAL's tag declares to stand for no value; None for what is not finite: it never counts as known."""
    tag = page.tags.get(NODATA_TAG)
    if tag is None:
        return None
    if isinstance(tag.value, str):
        with contextlib.suppress(ValueError):
            return int(tag.value)  # exact, where a float is not
    number = float(tag.value)
    return None if not math.isfinite(number) else int(number) if number.is_integer() else number


def _parse_record(tiff: tifffile.TiffFile) -> dict[str, Any] | None:
    """Return the record of an earlier fill; other programs may use the same tag."""
    try:
        record = json.loads(_read_record(tiff) or "null")
    except ValueError:
        return None
    return record if isinstance(record, dict) and "mask_sha256" in record else None


def read_record_tag(file: BinaryIO) -> str | None:
    """Return the record in a filled TIFF; None when there is none."""
    with tifffile.TiffFile(file) as tiff:
        return _read_record(tiff)


def _read_record(tiff: tifffile.TiffFile) -> str | None:
    tag = tiff.pages[0].aspage().tags.get(RECORD_TAG)
    return None if tag is None else str(tag.value)
