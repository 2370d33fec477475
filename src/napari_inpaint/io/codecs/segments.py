"""The segments of a JPEG: which describe the picture and stay, and which show what was there and go."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, NamedTuple

from napari_inpaint.io.exif import HEAD as EXIF
from napari_inpaint.io.exif import JPEG, LEFT_OUT, without_thumbnail
from napari_inpaint.io.formats import Metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SOI, EOI, SOS, DHT, JPG, DAC, COM = 0xD8, 0xD9, 0xDA, 0xC4, 0xC8, 0xCC, 0xFE
FRAMES = set(range(0xC0, 0xD0)) - {DHT, JPG, DAC}
"""Markers of segments that hold the size, each with its kind of coding."""
APP0, APP1, APP2, APP11, APP13, APP14 = 0xE0, 0xE1, 0xE2, 0xEB, 0xED, 0xEE
XMP, MORE_XMP = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
ICC, PHOTOSHOP, ADOBE = b"ICC_PROFILE\0", b"Photoshop 3.0\0", b"Adobe"
GAIN_MAP = b"urn:iso:std:iso:ts:21496:-1\0"
PART = 65000
"""Bytes of a profile that go into one segment."""
NEXT_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")
"""After pixels: zeros escape what is none, and restarts belong to them."""
PHOTOSHOP_THUMBNAILS = (1033, 1036)
POINTERS = re.compile(
    rb"\s(?:(?:hdrgm|HDRGainMap|GDepth|GImage|GAudio):|GCamera:(?:Motion|Micro))\w+=(?:\"[^\"]*\"|'[^']*')"
    rb"|<((?:hdrgm|HDRGainMap|GDepth|GImage|GAudio|Container):\w+|GCamera:(?:Motion|Micro)\w+|xmp:Thumbnails)\b"
    rb"[^>]*(?:/>|>.*?</\1>)",
    re.DOTALL,
)
"""What XMP says of pictures, depth maps and videos that lie behind the image, or in the XMP itself."""
EXTENDED = re.compile(rb"\sxmpNote:HasExtendedXMP=(?:\"[^\"]*\"|'[^']*')|<xmpNote:HasExtendedXMP>.*?</[^>]*>")
PICTURES_INSIDE = {b"GImage:Data": "the picture inside its XMP", b"GDepth:Data": "its depth map",
                   b"GDepth:Depth": "its depth map", b"GAudio:Data": "its sound"}  # fmt: skip


class Segment(NamedTuple):
    """A marker, and what follows its length."""

    marker: int
    content: bytes

    def encode(self) -> bytes:
        """Return it as it stands in a file."""
        return struct.pack(">BBH", 0xFF, self.marker, len(self.content) + 2) + self.content


class Parts(NamedTuple):
    """A JPEG, taken apart."""

    segments: list[Segment]
    """All before the first scan."""
    scans: bytes
    """From there to the end mark."""
    behind: bytes
    """What follows the end mark."""


def split(data: bytes) -> Parts:
    """Take a JPEG apart.

    Raises
    ------
    ValueError
        When it ends too early.
    """
    segments, position = [], 2
    while True:
        match = NEXT_MARKER.search(data, position)  # some files have bytes between
        if match is None or match.end() + 2 > len(data):
            raise ValueError("the file ends before its pixels")
        position = match.start()
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4], "big")
        if marker == SOS:
            break
        segments.append(Segment(marker, data[position + 4 : position + 2 + length]))
        position += 2 + length
    stop = start = position
    while stop < len(data):
        match = NEXT_MARKER.search(data, stop)
        stop = len(data) if match is None else match.end()
        if match is None or match[1] == b"\xd9":
            break
        stop += int.from_bytes(data[stop : stop + 2], "big")
    return Parts(segments, data[start:stop], data[stop:])  # decoders say whether that is too early


CARRIED = ("APP0 JFIF", "APP1 Exif", "APP1 http://ns.adobe.com/xap", "APP2 ICC_PROFILE", "APP14 Adobe")
"""What other formats have in another form."""


def describes(segment: Segment) -> bool:
    """Return whether a segment tells about the picture, and is not part of one encoding of the pixels."""
    return APP0 <= segment.marker <= 0xEF or segment.marker == COM


def read_metadata(segments: Sequence[Segment]) -> Metadata:
    """Return what other formats can hold too."""
    exif = next((each.content[len(EXIF) :] for each in segments if _is(each, APP1, EXIF)), None)
    xmp = next((each.content[len(XMP) :] for each in segments if _is(each, APP1, XMP)), None)
    profile = sorted(each.content[len(ICC) :] for each in segments if _is(each, APP2, ICC))
    jfif = next((each.content for each in segments if _is(each, APP0, b"JFIF\0") and len(each.content) >= 12), None)
    dpi = None
    if jfif is not None:
        unit, across, down = struct.unpack_from(">BHH", jfif, 7)
        if unit and across and down:
            scale = {1: 1.0, 2: 2.54}.get(unit, 1.0)
            dpi = across * scale, down * scale
    others = [f"APP{each.marker - APP0} {_name(each.content)}" for each in segments if each.marker in range(0xE0, 0xF0)]
    others = [each for each in dict.fromkeys(others) if not each.startswith(CARRIED)]
    others += ["its comment"] if any(each.marker == COM for each in segments) else []
    return Metadata(exif, b"".join(part[2:] for part in profile) or None, xmp, dpi, others=tuple(others))


def _name(content: bytes) -> str:
    return re.split(rb"[^ -~]", content[:40])[0].decode()


def write_metadata(metadata: Metadata) -> list[Segment]:
    """Return segments that hold what another format said."""
    across, down = (min(max(round(each), 1), 65535) for each in metadata.dpi or (1, 1))
    segments = [Segment(APP0, b"JFIF\0" + struct.pack(">HBHHBB", 0x0101, metadata.dpi is not None, across, down, 0, 0))]
    if metadata.exif is not None:
        segments.append(Segment(APP1, EXIF + metadata.exif))
    if metadata.xmp is not None:
        segments.append(Segment(APP1, XMP + metadata.xmp))
    profile = metadata.icc or b""
    parts = [profile[start : start + PART] for start in range(0, len(profile), PART)]
    segments += [Segment(APP2, ICC + bytes((i, len(parts))) + part) for i, part in enumerate(parts, 1)]
    return segments


def keep(segments: Sequence[Segment], behind: bytes) -> tuple[list[Segment], list[str], list[str]]:
    """Return the segments that stay, what does not stay, in words, and what the user should know of pictures inside."""
    multi = next((each for each in segments if _is(each, APP2, b"MPF\0")), None)
    claims = b"".join(each.content for each in segments if each.marker == APP11)
    xmp = b"".join(each.content for each in segments if _is(each, APP1, XMP))
    extended = b"".join(each.content[75:] for each in segments if _is(each, APP1, MORE_XMP))
    shown = dict.fromkeys(words for name, words in PICTURES_INSIDE.items() if name in extended + xmp)
    is_gain_map = any(_is(each, APP2, GAIN_MAP) for each in segments) or b"hdrgm:" in xmp or b"HDRGainMap" in xmp
    kept, said = [], []
    for segment in filter(describes, segments):
        content: bytes | None = segment.content
        for marker, start, change in CHANGES:
            if content is not None and segment.marker == marker and content.startswith(start):
                content = change(content)
        if segment.marker == APP11 and b"c2pa.thumbnail" in claims:
            content = None
        if content != segment.content or (_is(segment, APP1, XMP) and b"xmp:Thumbnails" in xmp):
            said.append(LEFT_OUT)
        if _is(segment, APP1, EXIF):
            content, words = without_thumbnail(segment.content)
            said += words
        if _is(segment, APP1, XMP):
            content = POINTERS.sub(b"", segment.content)
            content = EXTENDED.sub(b"", content) if shown else content
        if segment is multi or _is(segment, APP2, GAIN_MAP) or (shown and _is(segment, APP1, MORE_XMP)):
            continue
        if content is not None:
            kept.append(Segment(segment.marker, content))
    lost = [*_name_behind(behind, is_gain_map), *shown]
    if any(each.marker == APP11 and b"c2pa" in each.content for each in kept):
        lost.append("that its content credentials can be verified, as they are of the pixels before")
    return kept, lost, list(dict.fromkeys(said))


def _is(segment: Segment, marker: int, start: bytes) -> bool:
    return segment.marker == marker and segment.content.startswith(start)


def _name_behind(behind: bytes, is_gain_map: bool) -> Iterator[str]:
    """Name what phones and cameras put behind an image."""
    rest, pictures = behind, 0
    while (picture := rest.lstrip(b"\0")).startswith(JPEG):
        pictures += 1
        try:
            rest = split(picture).behind
        except ValueError:  # it is cut off
            rest = b""
    if pictures and is_gain_map:
        yield "its gain map"
        pictures -= 1
    if pictures:
        yield "its second picture" if pictures == 1 else f"{pictures} more pictures"
    video = re.search(rb"\0\0\0[\x10-\x40]ftyp", rest)
    if video is not None:
        yield f"its motion video, {_size(len(rest) - video.start())}"
    elif rest.strip(b"\0"):
        yield f"{_size(len(rest))} behind the image"


def _size(count: int) -> str:
    for unit, length in (("MB", 10**6), ("kB", 10**3)):
        if count >= length:
            return f"{count / length:.1f} {unit}"
    return f"{count} bytes"


def _without_jfif_thumbnail(content: bytes) -> bytes:
    return content[:12] + b"\0\0" if len(content) > 14 else content


def _without_photoshop_thumbnail(content: bytes) -> bytes:
    kept, position = PHOTOSHOP, len(PHOTOSHOP)
    while position + 12 <= len(content) and content[position : position + 4] == b"8BIM":
        number, name = struct.unpack_from(">HB", content, position + 4)
        start = position + 6 + (name + 2) // 2 * 2
        if start + 4 > len(content):
            break
        stop = start + 4 + (struct.unpack_from(">I", content, start)[0] + 1) // 2 * 2
        kept += b"" if number in PHOTOSHOP_THUMBNAILS else content[position:stop]
        position = stop
    return kept + content[position:]


CHANGES: tuple[tuple[int, bytes, Callable[[bytes], bytes | None]], ...] = (
    (APP0, b"JFIF\0", _without_jfif_thumbnail),
    (APP0, b"JFXX\0", lambda _: None),
    (APP13, PHOTOSHOP, _without_photoshop_thumbnail),
)
"""What takes thumbnails out of segments."""
