"""The container of AVIF: pictures and what describes them are items, each with properties."""

from __future__ import annotations

import struct
from typing import NamedTuple

from napari_inpaint.io.codecs.boxes import Box, join_boxes, split_boxes

FULL = bytes(4)
"""Version 0 and no flags, with which many boxes begin."""
OF_META = (b"hdlr", b"pitm", b"iloc", b"iinf", b"iref", b"iprp", b"idat", b"grpl")


class Item(NamedTuple):
    """A picture, or what describes one."""

    kind: bytes
    """``av01`` for a picture, ``Exif``, ``mime`` for XMP and other texts, and so on."""
    name: bytes
    """What its entry says after its kind: its name, and the type of a text; each ends with 0."""
    data: bytes
    properties: list[tuple[bool, Box]]
    """Each with whether readers must know it."""
    flags: int = 0
    """1 where it is not displayed by itself."""

    def find(self, kind: bytes, start: bytes = b"") -> bytes | None:
        """Return what a property holds."""
        return next((box.content for _, box in self.properties if box.kind == kind and box.content.startswith(start)),
                    None)  # fmt: skip


class Reference(NamedTuple):
    """What an item is to others: ``cdsc`` describes them, ``auxl`` belongs to them, ``thmb`` is a thumbnail."""

    kind: bytes
    item: int
    targets: tuple[int, ...]


class Container(NamedTuple):
    """A file, taken apart."""

    types: Box
    """What it says that it is."""
    handler: Box
    primary: int
    items: dict[int, Item]
    references: list[Reference]
    others: list[Box]
    """What lies beside the pictures."""
    more: list[Box]
    """What lies beside the items."""

    def refer(self, kind: bytes) -> list[int]:
        """Return the items that are something to the primary one."""
        return [each.item for each in self.references if each.kind == kind and self.primary in each.targets]


def read_container(data: bytes) -> Container:
    """Take a file apart.

    Raises
    ------
    ValueError, KeyError, struct.error, StopIteration
        When it is damaged.
    """
    boxes = list(split_boxes(data))
    meta = [*split_boxes(next(box.content for box in boxes if box.kind == b"meta")[4:])]
    parts = {box.kind: box.content for box in meta}
    places = _read_places(parts[b"iloc"], data, parts.get(b"idat", b""))
    properties = _read_properties(parts[b"iprp"])
    wide = parts[b"iinf"][0] > 0
    items = {}
    for box in split_boxes(parts[b"iinf"][8 if wide else 6 :]):
        start = 6 if box.content[0] < 3 else 8
        number = int.from_bytes(box.content[4:start], "big")
        kind, name = box.content[start + 2 : start + 6], box.content[start + 6 :]
        items[number] = Item(kind, name, places.get(number, b""), properties.get(number, []),
                             int.from_bytes(box.content[1:4], "big"))  # fmt: skip
    return Container(
        boxes[0], Box(b"hdlr", parts[b"hdlr"]), int.from_bytes(parts[b"pitm"][4:], "big"), items,
        _read_references(parts.get(b"iref", FULL)),
        [box for box in boxes[1:] if box.kind not in (b"meta", b"mdat", b"free", b"skip")],
        [box for box in meta if box.kind not in (*OF_META, b"free", b"skip")],
    )  # fmt: skip


def write_container(container: Container) -> bytes:
    """Put a file together."""
    shared: list[Box] = []
    associations, entries, data = b"", [], b""
    for number, item in container.items.items():
        entries.append(Box(b"infe", struct.pack(">IHH", 2 << 24 | item.flags, number, 0) + item.kind + item.name))
        data += item.data
        places = []
        for essential, box in item.properties:
            if box not in shared:
                shared.append(box)
            places.append(essential << 15 | shared.index(box) + 1)
        if places:
            associations += struct.pack(f">HB{len(places)}H", number, len(places), *places)
    count = sum(bool(item.properties) for item in container.items.values())
    properties = Box(b"ipco", join_boxes(shared)), Box(b"ipma", b"\0\0\0\1" + struct.pack(">I", count) + associations)
    references = [
        Box(each.kind, struct.pack(f">HH{len(each.targets)}H", each.item, len(each.targets), *each.targets))
        for each in container.references
    ]

    def head(start: int) -> bytes:
        places = struct.pack(">BBH", 0x44, 0, len(container.items))
        for number, item in container.items.items():
            places += struct.pack(">HHHII", number, 0, 1, start, len(item.data))
            start += len(item.data)
        meta = [
            container.handler,
            Box(b"pitm", FULL + struct.pack(">H", container.primary)),
            Box(b"iloc", FULL + places),
            Box(b"iinf", FULL + struct.pack(">H", len(entries)) + join_boxes(entries)),
            *([Box(b"iref", FULL + join_boxes(references))] if references else []),
            Box(b"iprp", join_boxes(properties)),
            *container.more,
        ]
        return container.types.encode() + Box(b"meta", FULL + join_boxes(meta)).encode()

    begin = head(len(head(0)) + 8)
    return begin + Box(b"mdat", data).encode() + join_boxes(container.others)


def _read_places(content: bytes, data: bytes, inside: bytes) -> dict[int, bytes]:
    """Return the data of all items, by their numbers."""
    version = content[0]
    sizes = [content[4] >> 4, content[4] & 15, content[5] >> 4, content[5] & 15 if version else 0]
    position = 6
    found = {}

    def take(length: int) -> int:
        nonlocal position
        position += length
        if position > len(content):
            raise ValueError("its table of places ends too early")
        return int.from_bytes(content[position - length : position], "big")

    for _ in range(take(2 if version < 2 else 4)):
        number = take(2 if version < 2 else 4)
        method = take(2) & 15 if version else 0
        take(2)
        base = take(sizes[2])
        parts = []
        for _ in range(take(2)):
            take(sizes[3])
            start, length = base + take(sizes[0]), take(sizes[1])
            source = inside if method == 1 else data
            if start + length > len(source):
                raise ValueError("the file ends before its last part")
            parts.append(source[start : start + length] if length else source[start:])
        found[number] = b"".join(parts)
    return found


def _read_properties(content: bytes) -> dict[int, list[tuple[bool, Box]]]:
    """Return the properties of all items, by their numbers."""
    boxes = list(split_boxes(content))
    shared = list(split_boxes(boxes[0].content))
    found: dict[int, list[tuple[bool, Box]]] = {}
    for box in boxes[1:]:
        wide, far = box.content[0] > 0, box.content[3] & 1
        position = 8
        for _ in range(int.from_bytes(box.content[4:8], "big")):
            start = position + (4 if wide else 2)
            number = int.from_bytes(box.content[position:start], "big")
            position = start + 1
            for _ in range(box.content[start]):
                place = int.from_bytes(box.content[position : position + 1 + far], "big")
                top = 15 if far else 7
                index = place & ((1 << top) - 1)
                if index:
                    found.setdefault(number, []).append((bool(place >> top), shared[index - 1]))
                position += 1 + far
    return found


def _read_references(content: bytes) -> list[Reference]:
    length = 4 if content[0] else 2
    found = []
    for box in split_boxes(content[4:]):
        count = int.from_bytes(box.content[length : length + 2], "big")
        starts = [0, *range(length + 2, length + 2 + count * length, length)]
        item, *targets = (int.from_bytes(box.content[start : start + length], "big") for start in starts)
        found.append(Reference(box.kind, item, tuple(targets)))
    return found
