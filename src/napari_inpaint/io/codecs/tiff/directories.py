"""The directories (IFDs) of a TIFF: what they say of a page is changed, and nothing else in the file moves."""

from __future__ import annotations

import bisect
import struct
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from napari_inpaint.io.formats import FileError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SUB_DIRECTORIES = 330
POINTERS = (273, 324, 513, 34665, 34853, 40965)
"""Tags for where pieces, JPEG files, and the directories of Exif, of a place and of its interoperability begin."""
SHORT, LONG, SUB, LONG8, SUB8 = 3, 4, 13, 16, 18
SIZES = {1: 1, 2: 1, SHORT: 2, LONG: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, SUB: 4, LONG8: 8, 17: 8,
         SUB8: 8}  # fmt: skip
"""Bytes of a value of each type."""
CODES = {SHORT: "H", LONG: "I", SUB: "I", LONG8: "Q", SUB8: "Q"}
"""Types of whole numbers that count or point to something, as `struct` calls them."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How numbers are stored: TIFF, or BigTIFF for more than 4 GiB."""

    order: Literal["<", ">"]
    """Of bytes."""
    big: bool

    @property
    def offset(self) -> str:
        """Return the code of `struct` for a place in the file."""
        return self.order + ("Q" if self.big else "I")

    @property
    def count(self) -> str:
        """Return that for how many tags a directory has."""
        return self.order + ("Q" if self.big else "H")

    @property
    def entry(self) -> str:
        """Return that for a tag: code, type, count, and the value or where it is."""
        return self.order + ("HHQ8s" if self.big else "HHI4s")


class Tag(NamedTuple):
    """Something that a TIFF says of a page."""

    code: int
    kind: int
    length: int
    """Of its values."""
    value: bytes
    """Or where it is, when it does not fit."""


@dataclass(slots=True)
class Directory:
    """What a TIFF says of one page."""

    place: int
    tags: list[Tag]
    """In their order; some programs write one twice."""
    end: int
    """Where what points to the next one is."""
    following: int
    """Where the next one is; 0 after the last."""
    children: list[list[Directory]] = field(default_factory=list)
    """Chains of its own, for example of its reduced versions."""
    changed: bool = False

    def find(self, code: int) -> Tag | None:
        """Return a tag, the first of this code."""
        return next((tag for tag in self.tags if tag.code == code), None)


class Directories:
    """All directories of a file whose bytes are changed in place and at the end.

    Parameters
    ----------
    data
        The file.

    Raises
    ------
    ValueError, struct.error
        When it is broken.
    """

    def __init__(self, data: bytearray) -> None:
        self._data = data
        order: Literal["<", ">"] = "<" if data[:2] == b"II" else ">"
        version = struct.unpack_from(order + "H", data, 2)[0]
        if version not in (42, 43):
            raise ValueError(f"it has the version {version}, a TIFF has 42 or 43")
        self.layout = Layout(order, version == 43)
        self._first = 8 if self.layout.big else 4
        self.pages = self._read_chain(self._read_offset(self._first))
        self.by_place = {each.place: each for each in _walk(self.pages)}
        self._named = Counter(start for each in self.by_place.values() for start in self._list_starts(each))
        self._starts = sorted({len(data), *self._named})

    def _list_starts(self, directory: Directory) -> Iterator[int]:
        """Yield where things begin that a directory points to, and where it begins itself."""
        yield directory.place
        for tag in directory.tags:
            if tag.length * SIZES.get(tag.kind, 1) > len(tag.value):
                yield struct.unpack(self.layout.offset, tag.value)[0]
            if tag.code in POINTERS and tag.kind in CODES:
                yield from self.read(directory, tag.code)

    def is_named_twice(self, place: int) -> bool:
        """Return whether two tags point to one place, as where pages share a piece."""
        return self._named[place] > 1

    def room_at(self, place: int, count: int) -> int:
        """Return how many bytes belong to what begins somewhere and has ``count`` of them, as far as its tag tells."""
        index = bisect.bisect_right(self._starts, place)
        return max(0, min(count, (self._starts[index] if index < len(self._starts) else place) - place))

    def _read_offset(self, position: int) -> int:
        return int(struct.unpack_from(self.layout.offset, self._data, position)[0])

    def _read_chain(self, place: int) -> list[Directory]:
        chain: list[Directory] = []
        seen = set()
        while place:
            if place in seen:
                raise ValueError("its directories form a loop")
            seen.add(place)
            (count,) = struct.unpack_from(self.layout.count, self._data, place)
            start, size = place + struct.calcsize(self.layout.count), struct.calcsize(self.layout.entry)
            end = start + count * size
            tags = [Tag(*struct.unpack_from(self.layout.entry, self._data, each)) for each in range(start, end, size)]
            directory = Directory(place, tags, end, self._read_offset(end))
            if directory.find(SUB_DIRECTORIES) is not None:
                directory.children = [self._read_chain(each) for each in self.read(directory, SUB_DIRECTORIES)]
            chain.append(directory)
            place = directory.following
        return chain

    def read(self, directory: Directory, code: int) -> tuple[int, ...]:
        """Return the whole numbers of a tag, which must be there."""
        tag = directory.find(code)
        assert tag is not None
        _, kind, count, value = tag
        form = f"{self.layout.order}{count}{CODES[kind]}"
        if struct.calcsize(form) <= len(value):
            return struct.unpack_from(form, value)
        return struct.unpack_from(form, self._data, struct.unpack(self.layout.offset, value)[0])

    def set(self, directory: Directory, code: int, kind: int, value: Sequence[int] | bytes) -> None:
        """Change a tag, or add it: a text or bytes, or whole numbers of a type that is enlarged when they need it."""
        if isinstance(value, bytes):
            count, packed = len(value), value
        else:
            if kind == SHORT and max(value, default=0) >= 1 << 16:
                kind = LONG
            if kind == LONG and max(value, default=0) >= 1 << 32:
                kind = LONG8
            count, packed = len(value), struct.pack(f"{self.layout.order}{len(value)}{CODES[kind]}", *value)
        room = struct.calcsize(self.layout.offset)
        if len(packed) > room:
            packed = struct.pack(self.layout.offset, self.append(packed))
        tag, old = Tag(code, kind, count, packed.ljust(room, b"\0")), directory.find(code)
        if old is None:
            bisect.insort(directory.tags, tag, key=lambda each: each.code)
        else:
            directory.tags[directory.tags.index(old)] = tag
        directory.changed = True

    def remove(self, directory: Directory, code: int) -> None:
        """Remove a tag, if it is there."""
        kept = [tag for tag in directory.tags if tag.code != code]
        directory.changed |= len(kept) < len(directory.tags)
        directory.tags = kept

    def append(self, data: bytes) -> int:
        """Put bytes at the end of the file, and return where.

        Raises
        ------
        FileError
            When a TIFF cannot be so long.
        """
        self._data += b"\0" * (len(self._data) % 2)  # what is pointed to begins at an even place
        place = len(self._data)
        if not self.layout.big and place + len(data) >= 1 << 32:
            raise FileError("a TIFF holds 4 GiB, and this would be larger: convert the input to BigTIFF")
        self._data += data
        return place

    def write(self) -> None:
        """Write the directories that changed, at the end of the file, and point to them."""
        first = self._write_chain(self.pages)
        struct.pack_into(self.layout.offset, self._data, self._first, first)

    def _write_chain(self, chain: Sequence[Directory]) -> int:
        """Write directories that follow one another, from the last to the first; return where the first one is."""
        following = chain[-1].following if chain else 0
        for directory in reversed(chain):
            if directory.children:
                places = [self._write_chain(child) for child in directory.children]
                tag = directory.find(SUB_DIRECTORIES)
                if tag is not None and places != list(self.read(directory, SUB_DIRECTORIES)):
                    self.set(directory, SUB_DIRECTORIES, tag.kind, places)
            if directory.changed:
                head = struct.pack(self.layout.count, len(directory.tags))
                tags = (struct.pack(self.layout.entry, *tag) for tag in directory.tags)
                following = self.append(b"".join((head, *tags, struct.pack(self.layout.offset, following))))
                continue
            if following != directory.following:
                struct.pack_into(self.layout.offset, self._data, directory.end, following)
            following = directory.place
        return following


def _walk(chain: Sequence[Directory]) -> Iterator[Directory]:
    for directory in chain:
        yield directory
        for child in directory.children:
            yield from _walk(child)
