"""Exif data, without a head: they begin with their byte order, as a TIFF."""

from __future__ import annotations

import struct

from PIL import ExifTags, Image

from napari_inpaint.io.orientation import encode_orientation

HEAD = b"Exif\0\0"
"""What stands before them in some files."""
SHORT = 3
"""The number of a type of 16 bits."""
THUMBNAIL, THUMBNAIL_LENGTH = 0x0201, 0x0202
"""Tags for where a thumbnail lies."""
JPEG = b"\xff\xd8\xff"
LEFT_OUT = "its thumbnail shows what was there, and is left out"
STILL_SHOWN = "a preview within its Exif or maker notes still shows what was there"


def set_orientation(exif: bytes | None, orientation: int) -> bytes:
    """Return data that say another orientation; what else they say stays where it is."""
    if exif is None:
        return encode_orientation(orientation).tobytes().removeprefix(HEAD)
    try:
        order = {b"II": "<", b"MM": ">"}[exif[:2]]
        start = struct.unpack_from(order + "I", exif, 4)[0]
        for entry in range(start + 2, start + 2 + 12 * struct.unpack_from(order + "H", exif, start)[0], 12):
            if struct.unpack_from(order + "H", exif, entry)[0] == ExifTags.Base.Orientation:
                said = struct.pack(order + "HHIHH", ExifTags.Base.Orientation, SHORT, 1, orientation, 0)
                return exif[:entry] + said + exif[entry + 12 :]
    except (KeyError, struct.error):  # damaged data say nothing
        pass
    return exif


def without_thumbnail(exif: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Take the thumbnail out; nothing else moves, as maker notes hold places of what they point to.

    Returns
    -------
    exif : bytes
        Without it.
    words : tuple of str
        What the user should know.
    """
    start = len(HEAD) if exif.startswith(HEAD) else 0
    cut = exif
    try:
        parsed = Image.Exif()
        parsed.load(exif)
        found = parsed.get_ifd(ExifTags.IFD.IFD1)
        if THUMBNAIL in found:
            cut = _cut(bytearray(exif), start, int(found[THUMBNAIL]), int(found.get(THUMBNAIL_LENGTH, 0)))
    except Exception:  # damaged data raise many kinds; nobody finds a thumbnail in them either
        pass
    words = (LEFT_OUT,) if cut != exif else ()
    return cut, words + ((STILL_SHOWN,) if JPEG in cut else ())


def _cut(data: bytearray, start: int, place: int, size: int) -> bytes:
    order = "<" if data[start : start + 2] == b"II" else ">"
    first = start + struct.unpack_from(order + "I", data, start + 4)[0]
    link = first + 2 + 12 * struct.unpack_from(order + "H", data, first)[0]
    second = start + struct.unpack_from(order + "I", data, link)[0]
    length = 2 + 12 * struct.unpack_from(order + "H", data, second)[0] + 4
    data[link : link + 4] = bytes(4)  # no second directory
    data[second : second + length] = bytes(length)
    end = min(start + place + size, len(data))
    data[start + place : end] = bytes(end - start - place)
    if end == len(data):
        del data[start + place :]
    return bytes(data)
