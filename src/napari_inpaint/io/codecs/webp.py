"""WebP, with and without loss, and all of its chunks."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import Image

from napari_inpaint.io.exif import HEAD as HEAD_OF_EXIF
from napari_inpaint.io.exif import without_thumbnail
from napari_inpaint.io.formats import FileError, ImageFile, Metadata, name_lost, to_file
from napari_inpaint.io.orientation import read_orientation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

LOSSY_WEBP = 90
"""WebP does not say with what quality it was encoded."""
LOSSLESS = {"lossless": True, "exact": True}
HEAD = len(b"RIFFsizeWEBP")
HEADER, PROFILE, EXIF, XMP = b"VP8X", b"ICCP", b"EXIF", b"XMP "
PIXELS = (b"ALPH", b"VP8 ", b"VP8L")
FLAGS = {PROFILE: 0x20, EXIF: 0x08, XMP: 0x04}
"""What the header says of other chunks."""
ALPHA_FLAG = 0x10


def read_webp(path: Path, file: BinaryIO) -> ImageFile:
    """Read a WebP; whether it was encoded without loss decides how it is written."""
    data = file.read()
    with Image.open(BytesIO(data), formats=["WEBP"]) as image:
        if getattr(image, "n_frames", 1) > 1:
            raise FileError(f"{path} is an animation, only still images can be filled: take its frames apart, for "
                            "example with ffmpeg, and fill the folder that holds them")  # fmt: skip
        pixels = np.array(image)
    chunks = list(split_webp(data))
    content = dict(chunks)
    cut, said = without_thumbnail(content.get(EXIF, b""))
    chunks = [(kind, cut if kind == EXIF else each) for kind, each in chunks]
    behind = len(data) - 8 - struct.unpack_from("<I", data, 4)[0]
    notes = name_lost(path, [f"{behind} bytes behind the image"] if behind > 0 else [], said)
    rewriting: tuple[str, ...] = ()
    exif = cut.removeprefix(HEAD_OF_EXIF) or None
    others = tuple(kind.decode("latin1") for kind in content if kind not in (HEADER, *FLAGS, *PIXELS))
    metadata = Metadata(exif, content.get(PROFILE), content.get(XMP), others=others)
    options: dict[str, Any] = {"chunks": [each for each in chunks if each[0] != HEADER]}
    lossy = b"VP8L" not in content
    if lossy:
        what = "lossy WebP loses a little with every encoding, also outside the holes; use PNG to avoid it"
        rewriting = (f"{path}: {what}",)
    options.update({"quality": LOSSY_WEBP} if lossy else LOSSLESS)
    return to_file(path, pixels, "WEBP", options, notes, read_orientation(exif), metadata, rewriting, lossy)


def to_webp(source: ImageFile) -> dict[str, Any]:
    """Return the options to write a picture of another format."""
    metadata = source.metadata
    said = ((PROFILE, metadata.icc), (PIXELS[2], b""), (EXIF, metadata.exif), (XMP, metadata.xmp))
    return {**LOSSLESS, "chunks": [(kind, content) for kind, content in said if content is not None]}


def write_webp(buffer: BytesIO, source: ImageFile, pixels: NDArray[Any]) -> None:
    """Encode a WebP, without loss when its source was, with the source's chunks around the pixels."""
    options = dict(source.options)
    chunks = options.pop("chunks")
    encoded = BytesIO()
    Image.fromarray(pixels).save(encoded, "WEBP", **options)
    picture = [each for each in split_webp(encoded.getvalue()) if each[0] in PIXELS]
    first = next(index for index, (kind, _) in enumerate(chunks) if kind in PIXELS)
    others = [each for each in chunks[first:] if each[0] not in PIXELS]
    chunks = [*chunks[:first], *picture, *others]
    if len(chunks) > 1:
        flags = sum(FLAGS.get(kind, 0) for kind in dict(chunks)) | ALPHA_FLAG * (pixels.shape[2] == 4)
        size = (pixels.shape[1] - 1).to_bytes(3, "little") + (pixels.shape[0] - 1).to_bytes(3, "little")
        chunks.insert(0, (HEADER, bytes([flags, 0, 0, 0]) + size))
    body = b"WEBP" + b"".join(
        kind + struct.pack("<I", len(content)) + content + bytes(len(content) % 2) for kind, content in chunks
    )
    buffer.write(b"RIFF" + struct.pack("<I", len(body)) + body)


def split_webp(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the chunks of a WebP."""
    position, end = HEAD, min(len(data), 8 + struct.unpack_from("<I", data, 4)[0])
    while position + 8 <= end:
        kind, length = struct.unpack_from("<4sI", data, position)
        yield kind, data[position + 8 : position + 8 + length]
        position += 8 + length + length % 2
