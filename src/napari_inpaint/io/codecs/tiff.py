"""TIFF: pixels, masks, and everything else that a file holds, there and back."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import tifffile

from napari_inpaint.io.formats import FileError, ImageFile
from napari_inpaint.io.orientation import known_orientation

if TYPE_CHECKING:
    from io import BytesIO
    from pathlib import Path

    from numpy.typing import NDArray

LOSSLESS_TIFF = {"NONE", "LZW", "ADOBE_DEFLATE", "DEFLATE", "PACKBITS", "LZMA", "ZSTD"}
STRUCTURAL_TIFF_TAGS = {
    254, 255, 256, 257, 258, 259, 262, 266, 270, 273, 277, 278, 279, 282, 283, 284, 288, 289, 290, 291, 292, 293, 296,
    297, 305, 317, 320, 322, 323, 324, 325, 330, 338, 339, 347, 512, 513, 514, 530, 531, 532, 32997, 32998, 34675,
    50838, 50839,
}  # fmt: skip
"""Tags that describe the storage, or that are written on their own; all others are carried over."""
LOST_TIFF_TAGS = {34665: "Exif", 34853: "GPS", 50839: "ImageJ's overlays, labels and lookup tables"}
RECORD_TAG = 65260
"""Of a filled TIFF: the record as JSON; in the range that TIFF leaves to everybody."""
NODATA_TAG = 42113
"""GDAL's: the value that stands for none, as a text."""
ORIENTATION_TAG = 274
MANY_PAGES = 1000
"""Pages that are looked at for what cannot be kept."""
LARGE_TIFF = 1 << 28
"""Bytes of pixels above which a TIFF's claim is doubted."""
LOSSLESS_MASK = "ADOBE_DEFLATE"
BOMB = 1100
"""How many times smaller DEFLATE makes what is all zero."""


def read_tiff(path: Path, file: BinaryIO) -> ImageFile:
    """Read a TIFF with one image or stack."""
    with tifffile.TiffFile(file) as tiff:
        mask = _find_mask(tiff)
        if len(tiff.series) != (1 if mask is None else 2) or len(tiff.series[0].levels) != 1:
            raise FileError(f"{path} holds {len(tiff.series)} images or a pyramid, only plain images, with or without "
                            "a mask, and stacks are read")  # fmt: skip
        series, page = tiff.series[0], tiff.pages[0].aspage()
        if series.nbytes > LARGE_TIFF and series.nbytes > BOMB * tiff.filehandle.size:
            raise FileError(f"{path} claims {series.nbytes / 2**30:.0f} GiB of pixels in {tiff.filehandle.size} bytes, "
                            "more than compression explains; save it again uncompressed")  # fmt: skip
        pixels = series.asarray()
        photometric = tifffile.PHOTOMETRIC(page.photometric)
        if photometric.name not in ("MINISBLACK", "MINISWHITE", "RGB"):
            raise FileError(f"{path} has {photometric.name} pixels, only grey and RGB can be written back")
        if page.bitspersample not in (1, 8, 16, 32, 64):
            raise FileError(
                f"{path} has {page.bitspersample} bits a pixel, only 1, 8, 16, 32 and 64 can be written back"
            )
        axis = series.axes.index("S") if "S" in series.axes else None
        lost = [name for code, name in LOST_TIFF_TAGS.items() if code in page.tags]
        later = tiff.pages[1:MANY_PAGES] if mask is None else []
        if any(_own_tags(each.aspage()) != _own_tags(page) for each in later):
            lost.append("what tags say of later pages and not of the first")
        compression = tifffile.COMPRESSION(page.compression).name
        notes: tuple[str, ...] = (f"{path}: not kept: {', '.join(lost)}",) if lost else ()
        if compression not in LOSSLESS_TIFF:
            notes += (f"{path}: {compression} compression becomes DEFLATE, which loses nothing",)
            compression = "ADOBE_DEFLATE"
        resolution = tuple(page.tags[code].value for code in (282, 283) if code in page.tags)
        if len(resolution) < 2 or any(denominator == 0 for _, denominator in resolution):
            resolution = ()
        options: dict[str, Any] = {
            "byteorder": tiff.byteorder,
            "bigtiff": tiff.is_bigtiff,
            "photometric": page.photometric,
            "planarconfig": page.planarconfig if axis is not None else None,
            "compression": compression,
            "predictor": page.predictor if page.predictor != 1 and compression != "NONE" else None,
            "extrasamples": page.extrasamples or None,
            "description": page.description.encode() or None,
            "software": page.software.encode() or False,
            "rowsperstrip": page.rowsperstrip if not page.is_tiled else None,
            "tile": page.tile if page.is_tiled else None,
            "resolution": resolution or None,
            "resolutionunit": page.resolutionunit if resolution else None,
            "iccprofile": page.iccprofile,
            "extratags": [
                (tag.code, tag.dtype, tag.count, tag.value, True)
                for tag in page.tags
                if tag.code not in {*STRUCTURAL_TIFF_TAGS, RECORD_TAG}
                and isinstance(tag.value, (int, float, str, bytes, tuple))
            ],
        }
        alpha = axis is not None and bool(page.extrasamples) and page.extrasamples[-1] in (1, 2)
        try:
            nodata = _read_nodata(page)
        except ValueError:
            nodata = None
            notes += (f"{path}: its nodata tag, {page.tags[NODATA_TAG].value!r}, is no number, and does not count",)
        if mask is not None:
            hidden = mask.asarray() == 0
            hidden = hidden if axis is None else np.expand_dims(hidden, axis)
            pixels = np.ma.MaskedArray(pixels, np.broadcast_to(hidden, pixels.shape))
            options["mask"] = {"compression": LOSSLESS_MASK, "rowsperstrip": mask.rowsperstrip}
        tag = page.tags.get(ORIENTATION_TAG)
    return ImageFile(path, pixels, axis, "TIFF", options, alpha, notes, nodata,
                     known_orientation(None if tag is None else tag.value),
                     series.axes.index("C") if "C" in series.axes else None)  # fmt: skip


def _find_mask(tiff: tifffile.TiffFile) -> tifffile.TiffPage | None:
    """Return the page that says which pixels of the only image are valid, as GDAL writes it."""
    if len(tiff.pages) != 2:
        return None
    image, mask = (page.aspage() for page in tiff.pages)
    return mask if mask.is_mask and mask.shape == (image.imagelength, image.imagewidth) else None


def _read_nodata(page: tifffile.TiffPage) -> float | None:
    """Return what GDAL's tag declares to stand for no value; None for what is not finite: it never counts as known."""
    tag = page.tags.get(NODATA_TAG)
    if tag is None:
        return None
    with contextlib.suppress(ValueError):
        return int(tag.value)  # exact, where a float is not
    number = float(tag.value)
    return None if not math.isfinite(number) else int(number) if number.is_integer() else number


def _own_tags(page: tifffile.TiffPage) -> dict[int, str]:
    """Return what a page says of itself, beside how it is stored; a description counts where there is one."""
    said = {tag.code: str(tag.value) for tag in page.tags if tag.code not in STRUCTURAL_TIFF_TAGS - {282, 283}}
    return {code: text for code, text in said.items() if code != RECORD_TAG}


def write_tiff(buffer: BytesIO, source: ImageFile, pixels: NDArray[Any]) -> None:
    """Write a TIFF in the layout and with the tags of its source."""
    options = {key: value for key, value in source.options.items() if value is not None}
    form = {key: options.pop(key) for key in ("byteorder", "bigtiff")}
    mask = options.pop("mask", None)
    with tifffile.TiffWriter(buffer, **form) as tiff:
        tiff.write(np.asarray(pixels), metadata=None, **options)
        if mask is not None:
            hidden = np.ma.getmaskarray(pixels)
            valid = ~(hidden if source.channel_axis is None else hidden.any(source.channel_axis))
            tiff.write(valid, metadata=None, subfiletype=tifffile.FILETYPE.MASK, photometric="mask", **mask)


def read_record_tag(file: BinaryIO) -> str | None:
    """Return the record in a filled TIFF; None when there is none."""
    with tifffile.TiffFile(file) as tiff:
        tag = tiff.pages[0].aspage().tags.get(RECORD_TAG)
        return None if tag is None else str(tag.value)
