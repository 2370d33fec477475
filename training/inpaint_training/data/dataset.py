"""A data set: decoded images in a few large files that training maps into memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import NonNegativeInt, PositiveInt, TypeAdapter
from pydantic.dataclasses import dataclass

from napari_inpaint.errors import first_line

INDEX = "dataset.json"
SCHEMA = 2
"""The first had photos of 8 bits and three channels alone; it is read too."""
READ = (1, SCHEMA)


@dataclass(frozen=True, slots=True)
class PhotoEntry:
    """Where one image lies, a photo or a plane: its pixels row by row, and behind them which of them are valid."""

    name: str
    shard: str
    offset: NonNegativeInt
    height: PositiveInt
    width: PositiveInt
    dtype: Literal["uint8", "uint16", "float32"] = "uint8"
    channels: Literal[1, 3] = 3
    """Three are colours, one is grey."""
    masked: bool = False
    """Whether a plane of uint8 follows, 0 where a pixel holds no value."""
    native: bool = False
    """Whether it kept its own scale; a photo may be scaled."""
    file: str = ""
    """What it is a plane of; empty for the only one of a file."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width, channels."""
        return self.height, self.width, self.channels

    @property
    def end(self) -> int:
        """Where its pixels end."""
        return self.offset + self.height * self.width * self.channels * np.dtype(self.dtype).itemsize

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return self.end - self.offset + self.masked * self.height * self.width

    @property
    def origin(self) -> str:
        """The name of its file."""
        return self.file or self.name


class PhotoDataset:
    """The images of a packed data set, mapped into memory.

    Parameters
    ----------
    folder
        What `pack` wrote.
    min_side
        Leave out images whose short side has fewer pixels.

    Attributes
    ----------
    too_small : int
        How many are left out.

    Raises
    ------
    ValueError
        When the folder is no data set, an incomplete one, or has no image that is large enough.
    """

    def __init__(self, folder: Path, min_side: int = 1) -> None:
        self.folder = folder
        try:
            index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
            if index["schema"] not in READ:
                raise ValueError(f"schema {index['schema']}, this version reads {' and '.join(map(str, READ))}")
            entries = TypeAdapter(list[PhotoEntry]).validate_python(index["photos"], strict=False)
            if any(entry.offset % np.dtype(entry.dtype).itemsize for entry in entries):
                raise ValueError("an offset that its dtype does not allow")
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(
                f"{folder} is no data set ({first_line(error)}): make one with 'inpaint-train pack'"
            ) from error
        self.entries = [entry for entry in entries if min(entry.height, entry.width) >= min_side]
        self.too_small = len(entries) - len(self.entries)
        if not self.entries:
            raise ValueError(f"{folder} has no photo of at least {min_side} x {min_side} pixels: pack larger photos, "
                             "or train with smaller crops, --phases.N.crop")  # fmt: skip
        self.shards: dict[str, np.ndarray] = {}
        for entry in self.entries:
            if entry.shard not in self.shards:
                path = folder / entry.shard
                if Path(entry.shard).name != entry.shard or not path.is_file() or not path.stat().st_size:
                    raise ValueError(f"{path} is missing or empty: pack the data set again")
                self.shards[entry.shard] = np.memmap(path, np.uint8, "r")
            if entry.offset + entry.size > self.shards[entry.shard].size:
                raise ValueError(f"{folder / entry.shard} is too short: pack the data set again")

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def linear(self) -> bool:
        """Whether all images have 8 bits, whose values are taken as they are."""
        return all(entry.dtype == "uint8" for entry in self.entries)

    @property
    def files(self) -> list[str]:
        """What every image is a plane of."""
        return [entry.origin for entry in self.entries]

    def photo(self, index: int) -> np.ndarray:
        """Return an image as a read-only array of shape (H, W, channels), without copying it."""
        entry = self.entries[index]
        pixels: np.ndarray = self.shards[entry.shard][entry.offset : entry.end].view(entry.dtype).reshape(entry.shape)
        return pixels

    def valid(self, index: int) -> np.ndarray | None:
        """Return where an image holds values, a read-only uint8 array of shape (H, W); None when it does everywhere."""
        entry = self.entries[index]
        if not entry.masked:
            return None
        plane: np.ndarray = self.shards[entry.shard][entry.end : entry.offset + entry.size]
        return plane.reshape(entry.height, entry.width)


def describe(entries: list[PhotoEntry]) -> str:
    """Return how many images of which kind there are, in words."""
    counts: dict[str, int] = {}
    for entry in entries:
        kind = f"{'grey' if entry.channels == 1 else 'colour'}, {entry.dtype}"
        counts[kind] = counts.get(kind, 0) + 1
    return "; ".join(f"{count} {kind}" for kind, count in counts.items())
