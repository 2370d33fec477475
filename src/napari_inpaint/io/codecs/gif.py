"""GIF: pictures and animations, with their palettes, and all blocks of the file."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np
from PIL import Image

from napari_inpaint.io.formats import ImageFile, Metadata, name_lost, refuse_bombs, to_file
from napari_inpaint.io.palette import to_colours, to_indices

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

EXTENSION, PICTURE, END = b"!", b",", b";"
CONTROL, TEXT = 0xF9, 0x01
"""Extensions: how a picture is displayed, and a text in place of one."""
GREYS = bytes(number for number in range(256) for _ in range(3))
"""A palette in which colours are their own numbers."""
OPAQUE = 128
"""From what transparency on a colour shows: there is nothing between."""
BACKGROUND, PREVIOUS = 2, 3
"""What takes the place of a picture when the next one comes; else it stays."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a GIF."""

    left: int
    top: int
    palette: NDArray[np.uint8]
    """(N, 3)."""
    indices: NDArray[np.uint8]
    """(H, W)."""
    interlaced: bool
    clear: int | None
    """The number of the colour that shows what is below."""
    disposal: int

    @property
    def place(self) -> tuple[slice, slice]:
        """Where on the canvas it lies."""
        height, width = self.indices.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


class Parts(NamedTuple):
    """A GIF, taken apart."""

    size: tuple[int, int]
    """Of the canvas: height and width."""
    blocks: list[bytes | Frame]
    """The header, and all that follows to the end mark; pictures are bytes to behind their palettes, then frames."""
    behind: int
    """Bytes behind the end mark; -1 without one."""


def read_gif(path: Path, file: BinaryIO) -> ImageFile:
    """Read a GIF; an animation is a stack of what is displayed, (T, H, W, C)."""
    parts = split_gif(file.read())
    frames = [block for block in parts.blocks if isinstance(block, Frame)]
    shown = compose(parts.size, frames, [to_colours(each.indices, each.palette) for each in frames])
    pixels = shown if (shown[..., 3] != 255).any() else shown[..., :3]
    colours = len(np.unique(np.concatenate([each.palette for each in frames]), axis=0))
    whose = "its palette" if len(frames) == 1 else "the palettes of its frames"
    rewriting: tuple[str, ...] = (f"{path}: the fill has only the {colours} colours of {whose}",)
    if parts.behind < 0:
        rewriting += (f"{path}: its end mark, which is missing, is added",)
    notes = name_lost(path, [f"{parts.behind} bytes behind the image"] if parts.behind > 0 else [])
    others = ["its durations"] if len(frames) > 1 else []
    if any(isinstance(block, bytes) and block[:2] == b"!\xfe" for block in parts.blocks):
        others.append("its comment")
    options, metadata = {"parts": parts}, Metadata(others=tuple(others))
    if len(frames) == 1:
        return to_file(path, pixels[0], "GIF", options, notes, metadata=metadata, rewriting=rewriting)
    return ImageFile(path, pixels, 3, "GIF", options, pixels.shape[3] == 4, notes, metadata=metadata,
                     rewriting=rewriting)  # fmt: skip


def write_gif(buffer: BytesIO, source: ImageFile, pixels: NDArray[Any], holes: NDArray[np.bool_] | None = None) -> None:
    """Write a GIF with the blocks of its source, and numbers of the nearest colours where something changed.

    Parameters
    ----------
    buffer
        Where to.
    source
        The file that was read.
    pixels
        Its pixels, filled.
    holes
        Where pixels may have changed, (..., H, W). There, what showed a picture below goes on to do so.

    Raises
    ------
    ValueError
        When a picture would show changes that were made to another one.
    """
    parts: Parts = source.options["parts"]
    frames = [block for block in parts.blocks if isinstance(block, Frame)]
    before, after = (_as_stack(each, len(frames)) for each in (source.pixels, pixels))
    if holes is None:
        holes = (before != after).any(-1)
    filled = []
    for index, frame in enumerate(frames):
        old, new = (each[(index, *frame.place)] for each in (before, after))
        is_clear = np.zeros(frame.indices.shape, bool) if frame.clear is None else frame.indices == frame.clear
        if before.shape[-1] == 4:  # what shows nothing at all is filled too
            is_clear &= ~((old[..., 3] == 0) & (new[..., 3] >= OPAQUE))
        numbers = np.flatnonzero(np.arange(len(frame.palette)) != (-1 if frame.clear is None else frame.clear))
        palette = np.insert(frame.palette[numbers], 3, 255, axis=1)[:, : before.shape[-1]]
        nearest = numbers.take(to_indices(frame.indices, old, new, palette), mode="clip")
        changed = (old != new).any(-1) & ~is_clear
        filled.append(np.where(changed, nearest, frame.indices).astype(np.uint8))
    colours = [to_colours(indices, frame.palette) for indices, frame in zip(filled, frames, strict=True)]
    shown = compose(parts.size, frames, colours)
    known = ~np.broadcast_to(holes, shown.shape[:3])
    if (shown[..., : before.shape[-1]] != before)[known].any():
        raise ValueError("pictures of an animation show parts of one another, and only some of them are filled; fill "
                         "all of them")  # fmt: skip
    left = iter(filled)
    for block in parts.blocks:
        buffer.write(_encode_frame(block, next(left)) if isinstance(block, Frame) else block)
    buffer.write(END)


def compose(size: tuple[int, int], frames: Sequence[Frame], colours: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return what is displayed, (T, H, W, 4), of pictures that hold these colours."""
    canvas = np.zeros((*size, 4), np.uint8)
    shown = np.empty((len(frames), *canvas.shape), np.uint8)
    for index, (frame, colour) in enumerate(zip(frames, colours, strict=True)):
        saved = canvas[frame.place].copy()
        drawn = np.ones(frame.indices.shape, bool) if frame.clear is None else frame.indices != frame.clear
        canvas[frame.place][drawn] = np.dstack([colour, np.full(frame.indices.shape, 255, np.uint8)])[drawn]
        shown[index] = canvas
        if frame.disposal == PREVIOUS:
            canvas[frame.place] = saved
        elif frame.disposal == BACKGROUND:
            canvas[frame.place] = 0
    return shown


def split_gif(data: bytes) -> Parts:
    """Take a GIF apart.

    Raises
    ------
    ValueError
        When it ends too early, or has no picture.
    """
    width, height = (int.from_bytes(data[place : place + 2], "little") for place in (6, 8))
    refuse_bombs(height, width)
    start = 13 + _palette_length(data[10])
    shared = data[13:start]
    blocks: list[bytes | Frame] = [data[:start]]
    control, count = bytes(4), 0
    while (kind := data[start : start + 1]) != END:
        if not kind and count:  # some programs write no end mark
            break
        if kind == b"\0":  # and some an empty block too many
            stop = start + 1
        elif kind == EXTENSION:
            stop = _skip_blocks(data, start + 2)
            if data[start + 1] == TEXT:
                raise ValueError("it displays a text, which is not read; save it again as GIF or PNG")
            if data[start + 1] == CONTROL:
                control = data[start + 3 : start + 7]
            blocks.append(data[start:stop])
        elif kind == PICTURE:
            count += 1
            refuse_bombs(height, width, count)
            flags = data[start + 9]
            body = start + 10 + _palette_length(flags)
            stop = _skip_blocks(data, body + 1)
            head, palette = data[start:body], data[start + 10 : body] or shared
            blocks += [head, _decode_frame(head, palette, data[body:stop], control, (height, width))]
            control = bytes(4)
        else:
            raise ValueError("the file ends before its end mark, or holds what no GIF does")
        start = stop
    if not count:
        raise ValueError("it holds no picture")
    return Parts((height, width), blocks, len(data) - start - 1)


def _decode_frame(head: bytes, palette: bytes, data: bytes, control: bytes, size: tuple[int, int]) -> Frame:
    left, top, width, height = (int.from_bytes(head[place : place + 2], "little") for place in (1, 3, 5, 7))
    if left + width > size[1] or top + height > size[0] or not palette:
        raise ValueError("a picture of it has no palette, or is larger than the whole")
    one = _one_frame(head, data)
    with Image.open(BytesIO(one), formats=["GIF"]) as image:
        indices = np.array(image)
    flags = control[0]
    clear = control[3] if flags & 1 else None
    return Frame(left, top, np.frombuffer(palette, np.uint8).reshape(-1, 3), indices, bool(head[9] & 0x40), clear,
                 flags >> 2 & 7)  # fmt: skip


def _encode_frame(frame: Frame, indices: NDArray[np.uint8]) -> bytes:
    """Return compressed pixels as they follow the head of a picture."""
    image = Image.frombytes("P", indices.shape[::-1], indices.tobytes())
    image.putpalette(GREYS)
    encoded = BytesIO()
    image.save(encoded, "GIF", optimize=False, interlace=int(frame.interlaced))
    parts = encoded.getvalue()
    start = 13 + _palette_length(parts[10])
    while parts[start : start + 1] == EXTENSION:
        start = _skip_blocks(parts, start + 2)
    return parts[start + 10 + _palette_length(parts[start + 9]) : -1]


def _one_frame(head: bytes, data: bytes) -> bytes:
    """Return a GIF of one picture, whose colours are their own numbers."""
    flags = bytes([head[9] & 0x40])
    return b"GIF89a" + head[5:9] + b"\xf7\0\0" + GREYS + PICTURE + bytes(4) + head[5:9] + flags + data + END


def _as_stack(pixels: NDArray[Any], count: int) -> NDArray[Any]:
    return pixels[None] if count == 1 else pixels


def _palette_length(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _skip_blocks(data: bytes, start: int) -> int:
    """Return where what begins here ends: blocks, each after its length, to an empty one."""
    while data[start]:
        start += data[start] + 1
    if start + 1 > len(data):
        raise ValueError("the file ends before its end mark")
    return start + 1
