"""PNG: pixels of 1 to 16 bits, palettes, and all chunks."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import Image

from napari_inpaint.io.exif import without_thumbnail
from napari_inpaint.io.formats import FileError, ImageFile, Metadata, name_lost, refuse_bombs, to_file
from napari_inpaint.io.orientation import read_orientation
from napari_inpaint.io.palette import pack_rows, to_colours, to_indices

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Chunk = tuple[bytes, bytes]
    """Its name, and what it holds."""

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
COUNTED = {b"hIST"}
"""Chunks that tell how often colours occur, which fills change."""
OF_ONE_KIND = {b"tRNS", b"sBIT", b"bKGD"}
"""Chunks that depend on the kind of pixels."""
GREY, INDEXED = 0, 3
"""Kinds of pixels, as the header says them."""
PNG_LEVEL = 1
"""Of compression; with the filter that suits photos it takes half of the usual time, in 10 % more bytes."""
PILLOW_MODES = {"1", "L", "LA", "RGB", "RGBA", "I;16"}
"""Modes that arrays and back do not change."""
STRUCTURE = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"hIST", b"sRGB", b"iCCP", b"pHYs", b"eXIf"}
"""Chunks that other formats have in another form, or need not."""
TEXTS = {b"tEXt", b"zTXt", b"iTXt"}
XMP_KEYWORD = b"XML:com.adobe.xmp\0"
INCH = 0.0254


def read_png(path: Path, file: BinaryIO) -> ImageFile:
    """Read a PNG; 16-bit colours stay 16-bit, and palettes stay palettes."""
    data = file.read()
    chunks, said = _without_thumbnail(split_png(data))
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[0][1])
    content = dict(chunks)
    if b"acTL" in content:
        raise FileError(f"{path} is an animation, only still images can be filled: take its frames apart, for example "
                        "with ffmpeg, and fill the folder that holds them")  # fmt: skip
    orientation, metadata = read_orientation(content.get(b"eXIf")), _read_metadata(chunks)
    behind = len(data) - len(PNG_SIGNATURE) - sum(len(each) + 12 for _, each in chunks)
    lost = [f"{behind} bytes behind the image"] if behind else []
    changed = ["its interlacing"] if interlaced else []
    changed += [f"{kind.decode()}, the count of colours" for kind in COUNTED & content.keys()]
    options: dict[str, Any] = {"header": chunks[0][1], "chunks": _without_pixels(chunks)}
    rewriting = name_lost(path, changed)
    if depth == 16:  # Pillow narrows colours of 16 bits to 8
        import imagecodecs

        refuse_bombs(height, width)
        pixels, keyed = imagecodecs.png_decode(data), "keyed transparency becomes an alpha channel"
    else:
        with Image.open(BytesIO(data)) as image:
            keyed = "keyed transparency becomes an alpha channel, in RGBA of 8 bits"
            if colour == INDEXED:
                options["indices"] = np.array(image)
                options["palette"] = _read_palette(content)
                pixels = to_colours(options["indices"], options["palette"])
                rewriting += (f"{path}: the fill has only the {len(options['palette'])} colours of its palette",)
            elif b"tRNS" in content:
                pixels = np.array(image.convert("RGBA"))
            else:
                pixels = np.array(image if image.mode in PILLOW_MODES else image.convert("RGB"))
                if colour == GREY and depth in (2, 4):
                    step = 255 // (2**depth - 1)
                    options["indices"] = pixels // step
                    options["palette"] = np.arange(0, 256, step, dtype=np.uint8)[:, None]
                    rewriting += (f"{path}: the fill has only the {2**depth} greys of {depth} bits",)
    if b"tRNS" in content and colour != INDEXED:
        said += (keyed,)
        lost += sorted(kind.decode() for kind in (OF_ONE_KIND - {b"tRNS"}) & content.keys())
        options["chunks"] = [each for each in options["chunks"] if each[0] not in OF_ONE_KIND]
    return to_file(path, pixels, "PNG", options, name_lost(path, lost, said), orientation, metadata, rewriting)


def to_png(source: ImageFile) -> dict[str, Any]:
    """Return the options to write a picture of another format."""
    metadata = source.metadata
    chunks: list[Chunk] = []
    if metadata.icc is not None:
        chunks.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc)))
    if metadata.dpi is not None:
        chunks.append((b"pHYs", struct.pack(">IIB", *(round(each / INCH) for each in metadata.dpi), 1)))
    if metadata.xmp is not None:
        chunks.append((b"iTXt", XMP_KEYWORD + bytes(4) + metadata.xmp))
    if metadata.exif is not None:
        chunks.append((b"eXIf", metadata.exif))
    return {"chunks": [*chunks, (b"IDAT", b"")]}


def write_png(buffer: BytesIO, source: ImageFile, pixels: NDArray[Any]) -> None:
    """Write a PNG with the chunks of its source around the pixels."""
    options = source.options
    if "palette" in options:
        header, compressed = _encode_indices(options, source.pixels, pixels)
    else:
        header, compressed = _encode(pixels)
    buffer.write(PNG_SIGNATURE)
    chunks = [(kind, compressed if kind == b"IDAT" else content) for kind, content in options["chunks"]]
    for kind, content in ((b"IHDR", header), *chunks, (b"IEND", b"")):
        buffer.write(struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content)))


def _without_thumbnail(chunks: Iterable[Chunk]) -> tuple[list[Chunk], tuple[str, ...]]:
    kept: list[Chunk] = []
    said: tuple[str, ...] = ()
    for kind, content in chunks:
        if kind == b"eXIf":
            content, said = without_thumbnail(content)
        kept.append((kind, content))
    return kept, said


def _without_pixels(chunks: Sequence[Chunk]) -> list[Chunk]:
    """Return what stands around the pixels, and an empty chunk in their place."""
    kinds = [kind for kind, _ in chunks]
    before = chunks[1 : kinds.index(b"IDAT")]
    after = [each for each in chunks[len(before) + 1 : -1] if each[0] != b"IDAT"]
    return [*(each for each in before if each[0] not in COUNTED), (b"IDAT", b""), *after]


def _encode(pixels: NDArray[Any]) -> tuple[bytes, bytes]:
    """Return the header and the data of pixels that are no numbers of colours."""
    if pixels.dtype == bool:
        encoded = BytesIO()
        Image.fromarray(pixels).save(encoded, "PNG")
        data = encoded.getvalue()
    else:
        import imagecodecs

        average = imagecodecs.PNG.FILTER.AVG
        data = bytes(imagecodecs.png_encode(np.ascontiguousarray(pixels), level=PNG_LEVEL, filter=average))
    chunks = list(split_png(data))
    return chunks[0][1], b"".join(content for kind, content in chunks if kind == b"IDAT")


def _encode_indices(options: dict[str, Any], before: NDArray[Any], after: NDArray[Any]) -> tuple[bytes, bytes]:
    """Return the header and the data of pixels of few bits, which are numbers of colours or greys."""
    if before.ndim == 2:
        before, after = before[..., None], after[..., None]
    indices = to_indices(options["indices"], before, after, options["palette"])
    header = bytearray(options["header"])
    header[12] = 0  # not interlaced
    rows = pack_rows(indices, header[8])
    return bytes(header), zlib.compress(np.pad(rows, ((0, 0), (1, 0))).tobytes())  # 0 before every row: no filter


def _read_palette(content: dict[bytes, bytes]) -> NDArray[np.uint8]:
    """Return (N, 3 or 4) colours, with transparency where there is some."""
    palette = np.frombuffer(content[b"PLTE"], np.uint8).reshape(-1, 3)
    if b"tRNS" not in content:
        return palette
    alpha = np.full((len(palette), 1), 255, np.uint8)
    transparency = np.frombuffer(content[b"tRNS"], np.uint8)[: len(palette)]
    alpha[: len(transparency), 0] = transparency
    return np.hstack([palette, alpha])


def _read_metadata(chunks: Sequence[Chunk]) -> Metadata:
    content = dict(chunks)
    icc = xmp = dpi = None
    if b"iCCP" in content:
        try:
            profile = zlib.decompressobj().decompress(content[b"iCCP"].partition(b"\0")[2][1:], 1 << 26)
            icc = profile
        except zlib.error:
            pass
    for kind, text in chunks:
        if kind == b"iTXt" and text.startswith(XMP_KEYWORD + b"\0"):  # not compressed
            xmp = text[len(XMP_KEYWORD) + 2 :].split(b"\0", 2)[-1]
    if len(content.get(b"pHYs", b"")) == 9:
        across, down, unit = struct.unpack(">IIB", content[b"pHYs"])
        dpi = (across * INCH, down * INCH) if unit == 1 and across and down else None
    others = dict.fromkeys(
        f"{kind.decode('latin1')} {text.partition(bytes(1))[0].decode('latin1') if kind in TEXTS else ''}".strip()
        for kind, text in chunks
        if kind not in STRUCTURE and not text.startswith(XMP_KEYWORD + b"\0")  # that one is not compressed
    )
    return Metadata(content.get(b"eXIf"), icc, xmp, dpi, others=tuple(others))


def split_png(data: bytes | bytearray) -> Iterator[Chunk]:
    """Yield the chunks of a PNG, to its end mark."""
    position = len(PNG_SIGNATURE)
    while position < len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        yield kind, bytes(data[position + 8 : position + 8 + length])
        position += length + 12
        if kind == b"IEND":
            return
    raise ValueError("the file ends before its end mark")
