"""PNG, JPEG, WebP, TIFF and NPY: pixels and everything else that a file holds, there and back."""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import tifffile
from PIL import ExifTags, Image, JpegImagePlugin

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
LOSSLESS_TIFF = {"NONE", "LZW", "ADOBE_DEFLATE", "DEFLATE", "PACKBITS", "LZMA", "ZSTD"}
STRUCTURAL_TIFF_TAGS = {
    254, 255, 256, 257, 258, 259, 262, 266, 270, 273, 277, 278, 279, 282, 283, 284, 288, 289, 290, 291, 292, 293, 296,
    297, 305, 317, 320, 322, 323, 324, 325, 330, 338, 339, 347, 512, 513, 514, 530, 531, 532, 32997, 32998, 34675,
    50838, 50839,
}  # fmt: skip
"""Tags that describe the storage, or that are written on their own; all others are carried over."""


THUMBNAIL = 0x0201
"""Exif's tag for where a thumbnail lies."""
LOST_TIFF_TAGS = {34665: "Exif", 34853: "GPS", 50839: "ImageJ's overlays, labels and lookup tables"}
RECORD_TAG = 65260
"""Of a filled TIFF: the record as JSON; in the range that TIFF leaves to everybody."""
NODATA_TAG = 42113
"""GDAL's: the value that stands for none, as a text."""
MANY_PAGES = 1000
"""Pages that are looked at for what cannot be kept."""
LARGE_TIFF = 1 << 28
"""Bytes of pixels above which a TIFF's claim is doubted."""
BOMB = 1100
"""How many times smaller DEFLATE makes what is all zero."""
LOSSY_WEBP = 90
"""WebP does not say with what quality it was encoded."""


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
    """PNG, JPEG, WEBP, TIFF, NPY or ZARR."""
    options: dict[str, Any] = field(default_factory=dict)
    """What the writer needs to write the file as it was."""
    alpha: bool = False
    """Whether the last channel is transparency."""
    notes: tuple[str, ...] = ()
    """What the user should know, for example that JPEG is encoded again."""
    nodata: float | None = None
    """A value that stands for none, where the file says so."""


def read_png(path: Path, file: BinaryIO) -> ImageFile:
    """Read a PNG; 16-bit colours stay 16-bit."""
    data = file.read()
    chunks = list(_png_chunks(data))
    depth, colour = chunks[0][1][8:10]
    kinds = {kind for kind, _ in chunks}
    if b"acTL" in kinds:
        raise FileError(f"{path} is an animation, only still images can be filled")
    options = {"chunks": [chunk for chunk in chunks if chunk[0] not in PNG_PIXEL_CHUNKS]}
    if depth == 16:  # Pillow narrows colours of 16 bits to 8
        import imagecodecs

        width, height = struct.unpack(">II", chunks[0][1][:8])
        if Image.MAX_IMAGE_PIXELS and width * height > 2 * Image.MAX_IMAGE_PIXELS:
            raise Image.DecompressionBombError
        pixels = imagecodecs.png_decode(data)
        notes = (f"{path}: keyed transparency becomes an alpha channel",) if b"tRNS" in kinds else ()
        return _to_file(path, pixels, "PNG", options, notes)
    with Image.open(BytesIO(data)) as image:
        notes = (f"{path}: {depth} bits a pixel become 8",) if depth in (2, 4) and colour == 0 else ()
        if image.mode not in PILLOW_MODES or "transparency" in image.info:
            mode = "RGBA" if "transparency" in image.info else "RGB"
            notes = (f"{path}: palette or keyed colours become {mode}",)
            pixels = np.array(image.convert(mode))
        else:
            pixels = np.array(image)
    return _to_file(path, pixels, "PNG", options, notes)


def _to_file(
    path: Path, pixels: NDArray[Any], kind: str, options: dict[str, Any], notes: tuple[str, ...] = ()
) -> ImageFile:
    """Describe pixels of shape (H, W) or (H, W, C) with 2 (grey and alpha), 3 or 4 (colours and alpha) channels."""
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    return ImageFile(path, pixels, 2 if channels > 1 else None, kind, options, channels in (2, 4), notes)


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
    return _to_file(path, pixels, "JPEG", options, notes)


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
    kinds = set()
    position = len(b"RIFFsizeWEBP")
    while position + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, position)
        kinds.add(kind)
        position += 8 + length + length % 2
    if b"VP8L" in kinds:
        return _to_file(path, pixels, "WEBP", {**options, "lossless": True, "exact": True})
    note = f"{path}: lossy WebP loses a little with every encoding, also outside the holes; use PNG to avoid it"
    return _to_file(path, pixels, "WEBP", {**options, "quality": LOSSY_WEBP}, (note,))


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


def read_tiff(path: Path, file: BinaryIO) -> ImageFile:
    """Read a TIFF with one image or stack."""
    with tifffile.TiffFile(file) as tiff:
        if len(tiff.series) != 1 or len(tiff.series[0].levels) != 1:
            raise FileError(
                f"{path} holds {len(tiff.series)} images or a pyramid, only plain images and stacks are read"
            )
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
        if any(_own_tags(each.aspage()) != _own_tags(page) for each in tiff.pages[1:MANY_PAGES]):
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
        nodata = _read_nodata(page)
    return ImageFile(path, pixels, axis, "TIFF", options, alpha, notes, nodata)


def _read_nodata(page: tifffile.TiffPage) -> float | None:
    """Return what GDAL's tag declares to stand for no value."""
    tag = page.tags.get(NODATA_TAG)
    try:
        number = float(tag.value) if tag is not None else math.nan
    except ValueError:
        return None
    return None if math.isnan(number) else int(number) if number.is_integer() else number


def _own_tags(page: tifffile.TiffPage) -> dict[int, str]:
    """Return what a page says of itself, beside how it is stored; a description counts where there is one."""
    said = {tag.code: str(tag.value) for tag in page.tags if tag.code not in STRUCTURAL_TIFF_TAGS - {282, 283}}
    return {code: text for code, text in said.items() if code != RECORD_TAG}


def write_tiff(buffer: BytesIO, source: ImageFile, pixels: NDArray[Any]) -> None:
    """Write a TIFF in the layout and with the tags of its source."""
    options = {key: value for key, value in source.options.items() if value is not None}
    tifffile.imwrite(buffer, pixels, metadata=None, **options)


def read_record_tag(path: Path) -> str | None:
    """Return the record in a filled TIFF; None when there is none."""
    with tifffile.TiffFile(path) as tiff:
        tag = tiff.pages[0].aspage().tags.get(RECORD_TAG)
        return None if tag is None else str(tag.value)


READERS = {"PNG": read_png, "JPEG": read_jpeg, "WEBP": read_webp, "TIFF": read_tiff, "NPY": read_npy}
WRITERS = {"PNG": write_png, "JPEG": write_jpeg, "WEBP": write_webp, "TIFF": write_tiff, "NPY": write_npy}
