"""The header of a JPEG XL codestream: what it says of the picture, in bits; and how these go into another one."""

from __future__ import annotations

from typing import NamedTuple

FRACTIONS = ((1, 1), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
"""Width by height, where a header says only this."""
SIZE = ((1, 9), (1, 13), (1, 18), (1, 30))
BITS = ((8, 0), (10, 0), (12, 0), (1, 6))
FLOAT_BITS = ((32, 0), (16, 0), (24, 0), (1, 6))
COUNT = ((0, 0), (1, 0), (2, 4), (1, 12))
ENUM = ((0, 0), (1, 0), (2, 4), (18, 6))
NAME = ((0, 0), (0, 4), (16, 5), (48, 10))
SHIFT = ((0, 0), (3, 0), (4, 0), (1, 3))
ALPHA, SPOT, CFA = 0, 2, 5
"""Kinds of channels beyond colours."""
GREY, OTHER_COLOURS = 1, 2
"""Kinds of colours; 0 is RGB, and from 2 on they are others."""
SRGB, SRGB_GREY = "1", "001010001110110"
"""Bits: colours of sRGB, which are the default, and greys with its tones."""
CUSTOM, GAMMA_BITS = 2, 24


class Header(NamedTuple):
    """What a codestream says of itself."""

    height: int
    width: int
    animated: bool = False
    preview: bool = False
    bits: int = 8
    is_float: bool = False
    extra: tuple[int, ...] = ()
    """Kinds of the channels beyond colours."""
    lossy: bool = True
    """Whether its colours are those of lossy coding, XYB."""
    profile: bool = False
    """Whether it holds an ICC profile."""
    depth: str = ""
    """Bits: how samples and channels are stored, to whether they are XYB."""
    colours: str = "1"
    """Bits: what the colours are."""
    tones: str = "1"
    """Bits: how bright they are displayed."""
    end: int = 0
    """Where the headers end, in bits, when all that follows of them has its default."""


class _Reader:
    """Reads fields from bits; the lowest of a byte comes first."""

    def __init__(self, data: bytes) -> None:
        self.bits = "".join(f"{byte:08b}"[::-1] for byte in data)
        self.place = 0

    def take(self, count: int) -> int:
        if self.place + count > len(self.bits):
            raise ValueError("the file ends within its header")
        text = self.bits[self.place : self.place + count]
        self.place += count
        return int(text[::-1] or "0", 2)

    def choose(self, choices: tuple[tuple[int, int], ...]) -> int:
        base, count = choices[self.take(2)]
        return base + self.take(count)


def read_header(data: bytes) -> Header:
    """Read the header of a codestream.

    Raises
    ------
    ValueError
        When it ends too early.
    """
    reader = _Reader(data[:4096])
    reader.take(16)
    height, width = _read_size(reader)
    if reader.take(1):
        return Header(height, width)
    further = reader.take(1)
    if further:
        reader.take(3)  # the orientation, which decoding applies
        if reader.take(1):
            _read_size(reader)  # which decoding does not apply
        preview = bool(reader.take(1))
        animated = not preview and bool(reader.take(1))
        if preview or animated:
            return Header(height, width, animated, preview)
    start = reader.place
    is_float, bits = _read_depth(reader)
    reader.take(1)
    extra = tuple(_read_extra(reader) for _ in range(reader.choose(COUNT)))
    lossy = bool(reader.take(1))
    depth, start = reader.bits[start : reader.place], reader.place
    profile = _read_colours(reader)
    colours, start = reader.bits[start : reader.place], reader.place
    if further and not reader.take(1):  # of tones
        reader.take(16 + 16)
        reader.take(1)
        reader.take(16)
    tones = reader.bits[start : reader.place] or "1"
    return Header(height, width, False, False, bits, is_float, extra, lossy, profile, depth, colours, tones,
                  reader.place + 3)  # fmt: skip


def with_colours(data: bytes, said: Header, orientation: int = 1) -> bytes:
    """Return a codestream, as the encoder wrote it, with the colours and tones of another one, and turned so."""
    own = read_header(data)
    if own.profile or said.profile or not own.end:
        return data
    size = _Reader(data[:64])
    size.take(16)
    _read_size(size)
    # not all defaults; further fields: turned, no other size, preview or animation; no extensions, default transform
    turned = f"{orientation - 1:03b}"[::-1]
    text = size.bits[: size.place] + "0" + "1" + turned + "000" + own.depth + said.colours + said.tones + "00" + "1"
    text += "0" * (-len(text) % 8)
    head = bytes(int(text[place : place + 8][::-1], 2) for place in range(0, len(text), 8))
    return head + data[(own.end + 7) // 8 :]


def _read_size(reader: _Reader) -> tuple[int, int]:
    small = reader.take(1)

    def length() -> int:
        return (reader.take(5) + 1) * 8 if small else reader.choose(SIZE)

    height = length()
    ratio = reader.take(3)
    across, down = FRACTIONS[ratio]
    return height, height * across // down if ratio else length()


def _read_depth(reader: _Reader) -> tuple[bool, int]:
    is_float = bool(reader.take(1))
    bits = reader.choose(FLOAT_BITS if is_float else BITS)
    if is_float:
        reader.take(4)
    return is_float, bits


def _read_extra(reader: _Reader) -> int:
    if reader.take(1):
        return ALPHA
    kind = reader.choose(ENUM)
    _read_depth(reader)
    reader.choose(SHIFT)
    for _ in range(reader.choose(NAME)):
        reader.take(8)
    if kind == ALPHA:
        reader.take(1)
    elif kind == SPOT:
        reader.take(4 * 16)
    elif kind == CFA:
        reader.choose(((1, 0), (0, 2), (3, 4), (19, 8)))
    return kind


def _read_colours(reader: _Reader) -> bool:
    """Pass what the colours are; return whether an ICC profile says it."""
    if reader.take(1):
        return False
    profile = bool(reader.take(1))
    space = reader.choose(ENUM)
    if profile:
        return True

    def point() -> None:
        for _ in range(2):
            reader.choose(((0, 19), (524288, 19), (1048576, 20), (2097152, 21)))

    if space != OTHER_COLOURS and reader.choose(ENUM) == CUSTOM:  # the white point
        point()
    if space not in (GREY, OTHER_COLOURS) and reader.choose(ENUM) == CUSTOM:  # primaries
        for _ in range(3):
            point()
    if space != OTHER_COLOURS:
        if reader.take(1):
            reader.take(GAMMA_BITS)
        else:
            reader.choose(ENUM)
    reader.choose(ENUM)  # the rendering intent
    return False
