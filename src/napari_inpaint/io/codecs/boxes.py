"""Boxes, of which JPEG 2000, JPEG XL and AVIF files consist."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from napari_inpaint.io.formats import FileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from types import ModuleType


class Box(NamedTuple):
    """A named part of a file."""

    kind: bytes
    """Four letters."""
    content: bytes

    def encode(self) -> bytes:
        """Return it as it stands in a file."""
        length = len(self.content) + 8
        if length < 1 << 32:
            return length.to_bytes(4, "big") + self.kind + self.content
        return b"\0\0\0\1" + self.kind + (length + 8).to_bytes(8, "big") + self.content


def split_boxes(data: bytes) -> Iterator[Box]:
    """Yield the boxes that data consist of.

    Raises
    ------
    ValueError
        When they end too early.
    """
    position = 0
    while position < len(data):
        length, start = int.from_bytes(data[position : position + 4], "big"), position + 8
        if length == 1:
            length, start = int.from_bytes(data[position + 8 : position + 16], "big"), position + 16
        end = len(data) if length == 0 else position + length
        if not start <= end <= len(data):
            raise ValueError("the file ends before its last part")
        yield Box(data[position + 4 : position + 8], data[start:end])
        position = end


def join_boxes(boxes: Iterable[Box]) -> bytes:
    """Return boxes as they stand in a file."""
    return b"".join(box.encode() for box in boxes)


def load_codec(path: Path, name: str, what: str) -> ModuleType:
    """Return imagecodecs, where it has a codec.

    Raises
    ------
    FileError
        Else, with what to install.
    """
    import imagecodecs

    if not getattr(getattr(imagecodecs, name, None), "available", True):
        raise FileError(f"{path}: this imagecodecs has no {what}; install one that has: pip install -U 'imagecodecs'")
    module: ModuleType = imagecodecs
    return module
