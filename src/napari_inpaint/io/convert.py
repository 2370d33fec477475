"""Write an image in another format than its own: which can hold it, and what it loses there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from tifffile import PHOTOMETRIC

from napari_inpaint.io.codecs import avif, bmp, jpeg, jpeg2000, jpegxl, png, webp
from napari_inpaint.io.codecs.tiff.fresh import to_tiff
from napari_inpaint.io.exif import set_orientation
from napari_inpaint.io.formats import FileError, ImageFile, Metadata, name_lost
from napari_inpaint.io.orientation import UPRIGHT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

GREY, GREY_ALPHA, COLOURS, COLOURS_ALPHA = "grey", "grey with transparency", "colours", "colours with transparency"
LAYOUTS = {1: GREY, 2: GREY_ALPHA, 3: COLOURS, 4: COLOURS_ALPHA}
ALL = frozenset(LAYOUTS.values())
MEANINGS = {
    PHOTOMETRIC.CIELAB: "L*a*b*", PHOTOMETRIC.ICCLAB: "L*a*b*", PHOTOMETRIC.ITULAB: "L*a*b*",
    PHOTOMETRIC.YCBCR: "YCbCr", PHOTOMETRIC.CFA: "those behind colour filters",
}  # fmt: skip
"""Of the numbers in a TIFF."""
NAMES = {"exif": "Exif", "icc": "the ICC colour profile (colours may look different)", "xmp": "XMP",
         "dpi": "the resolution"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Target:
    """What a format can hold."""

    options: Callable[[ImageFile], dict[str, Any]]
    """Return what its writer needs."""
    dtypes: tuple[str, ...] = ()
    """Of pixels; all where there are none."""
    holds: str = ""
    """These, in words."""
    layouts: frozenset[str] = frozenset()
    """Of channels; all, of images of any dimension, where there are none."""
    keeps: frozenset[str] = frozenset()
    """Names of `Metadata`, and ``orientation``."""
    note: str = ""
    """What the user should know of every file."""
    most: int | None = None
    """Bytes that Exif and XMP can have."""

    def has_place(self, name: str, value: Any) -> bool:
        """Return whether a part of `Metadata` can be kept."""
        limited = self.most is not None and name in ("exif", "xmp") and len(value) > self.most
        return name in self.keeps and not limited


ALL_SAID = frozenset({"exif", "icc", "xmp", "dpi", "orientation"})
TARGETS = {
    "PNG": Target(png.to_png, ("bool", "uint8", "uint16"), "8 and 16 bits", ALL, ALL_SAID),
    "JPEG": Target(jpeg.to_jpeg, ("uint8",), "8 bits", frozenset({GREY, COLOURS}), ALL_SAID,
                   "JPEG of quality 95 loses a little, also outside the holes; use PNG or TIFF to avoid it", 65500),
    "WEBP": Target(webp.to_webp, ("uint8",), "8 bits", frozenset({COLOURS, COLOURS_ALPHA}), ALL_SAID - {"dpi"},
                   "WebP is written without loss"),
    "TIFF": Target(to_tiff, keeps=ALL_SAID - {"exif"}),
    "NPY": Target(lambda _: {}),
    "JPEG 2000": Target(jpeg2000.to_jpeg2000, ("uint8", "uint16"), "8 and 16 bits", ALL, ALL_SAID - {"orientation"}),
    "JPEG XL": Target(jpegxl.to_jpegxl, ("uint8", "uint16", "float32"), "8 and 16 bits, and floats", ALL,
                     frozenset({"exif", "xmp", "orientation"})),
    "AVIF": Target(avif.to_avif, ("uint8",), "8 bits", ALL, ALL_SAID - {"dpi"}),
    "BMP": Target(bmp.to_bmp, ("uint8",), "8 bits", ALL - {GREY_ALPHA}, frozenset({"dpi"})),
}  # fmt: skip


def describe(path: Path, kind: str, source: ImageFile) -> tuple[str, ...]:
    """Return what the user should know of an output.

    Parameters
    ----------
    path
        Where it will be written.
    kind
        The format.
    source
        The file that was read.

    Raises
    ------
    FileError
        When the format cannot hold it.
    """
    if kind == source.format:
        return source.rewriting
    if "ZARR" in (kind, source.format):
        own, other = ("zarr", "files") if source.format == "ZARR" else ("a file", "zarr")
        raise FileError(f"{path}: the input is {own}, which is not written as {other}; give the output the input's "
                        "suffix, and convert it afterwards")  # fmt: skip
    if kind not in TARGETS:
        raise FileError(f"{path}: {kind} has a palette, and is written from {kind} only: write {_name_others(source)}")
    target, metadata = TARGETS[kind], source.metadata
    _refuse(path, kind, target, source)
    said = {name: getattr(metadata, name) for name in NAMES if getattr(metadata, name) is not None}
    lost = [NAMES[name] for name, value in said.items() if not target.has_place(name, value)]
    lost += metadata.others
    if source.orientation != UPRIGHT and "orientation" not in target.keeps:
        lost.append(f"the orientation {source.orientation} (it is displayed as it is stored)")
    if kind != "TIFF" and source.nodata is not None:
        lost.append(f"that {source.nodata} stands for no value")
    if isinstance(source.pixels, np.ma.MaskedArray):
        lost.append("the mask of which pixels are valid")
    if source.levels:
        lost.append("its reduced versions")
    if "series" in source.options:
        lost.append("the other images of the file")
    return name_lost(path, lost) + ((f"{path}: {target.note}",) if target.note else ())


def convert(kind: str, source: ImageFile) -> ImageFile:
    """Return an image as the writer of a format takes it; one of this format stays as it is."""
    if kind == source.format:
        return source
    target, metadata = TARGETS[kind], source.metadata
    kept = {name: value for name in NAMES if (value := getattr(metadata, name)) is not None
            and target.has_place(name, value)}  # fmt: skip
    turned = source.orientation if "orientation" in target.keeps else UPRIGHT
    if "exif" in target.keeps and ("exif" in kept or turned != UPRIGHT):
        kept["exif"] = set_orientation(kept.get("exif"), turned)
    pixels = arrange(source, source.pixels)
    moved = replace(source, format=kind, pixels=pixels, metadata=Metadata(**kept, inks=metadata.inks), levels=(),
                    channel_axis=None if source.channel_axis is None else pixels.ndim - 1)  # fmt: skip
    return replace(moved, options=target.options(moved))


def arrange(source: ImageFile, pixels: NDArray[Any]) -> NDArray[Any]:
    """Return pixels of an image with channels last, as other formats take them."""
    pixels = np.asarray(pixels)
    if source.format == "TIFF" and source.options["photometric"] == PHOTOMETRIC.MINISWHITE:
        pixels = ~pixels  # others have white as the largest number
    return pixels if source.channel_axis is None else np.moveaxis(pixels, source.channel_axis, -1)


def _refuse(path: Path, kind: str, target: Target, source: ImageFile) -> None:
    pixels = source.pixels
    meaning = _find_meaning(source)
    if meaning:
        raise FileError(f"{path}: the pixels of {source.path} are {meaning}, as {kind} would not know: write .tif")
    channels = 1 if source.channel_axis is None else pixels.shape[source.channel_axis]
    if target.dtypes and str(pixels.dtype.newbyteorder("=")) not in target.dtypes:
        held = f"{path}: {kind} holds {target.holds}, not {pixels.dtype}"
        raise FileError(f"{held}: write {_name_others(source)}")
    if not target.layouts:
        return
    if pixels.ndim - (source.channel_axis is not None) != 2:
        raise FileError(f"{path}: {kind} holds one picture, not {pixels.shape}: write {_name_others(source)}")
    layout = LAYOUTS.get(channels) if source.alpha == (channels in (2, 4)) else None
    if layout not in target.layouts:
        what = layout or f"{channels} channels"
        raise FileError(f"{path}: {kind} does not hold {what}: write {_name_others(source)}")


def _find_meaning(source: ImageFile) -> str:
    """Return what the numbers of a TIFF are, when they are neither greys nor colours nor inks as they stand."""
    if source.format != "TIFF":
        return ""
    photometric, pixels = source.options["photometric"], source.pixels
    if photometric == PHOTOMETRIC.MINISWHITE and not (
        pixels.dtype == bool or source.options["bits"] == full_bits(pixels)
    ):
        return "greys of which 0 is white"
    if source.options["premultiplied"]:
        return "colours that are multiplied with their transparency"
    return MEANINGS.get(photometric, "")


def full_bits(pixels: NDArray[Any]) -> int:
    """Return the bits of unsigned numbers; 0 of others."""
    return 8 * pixels.dtype.itemsize if pixels.dtype.kind == "u" else 0


def _name_others(source: ImageFile) -> str:
    """Name suffixes of formats that can hold an image."""
    channels = 1 if source.channel_axis is None else source.pixels.shape[source.channel_axis]
    plain = source.pixels.ndim - (source.channel_axis is not None) == 2 and source.alpha == (channels in (2, 4))
    dtype = str(source.pixels.dtype.newbyteorder("="))
    return ".png, .tif or .npy" if plain and dtype in TARGETS["PNG"].dtypes and channels < 5 else ".tif or .npy"
