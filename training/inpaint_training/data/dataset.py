"""A data set: decoded photos in a few large files that training maps into memory."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from pydantic import NonNegativeInt, PositiveInt, TypeAdapter
from pydantic.dataclasses import dataclass

from napari_inpaint.errors import first_line

INDEX = "dataset.json"
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class PhotoEntry:
    """Where one photo lies."""

    name: str
    shard: str
    offset: NonNegativeInt
    height: PositiveInt
    width: PositiveInt


class PhotoDataset:
    """The photos of a packed data set, mapped into memory.

    Parameters
    ----------
    folder
        What `pack` wrote.
    min_side
        Leave out photos whose short side has fewer pixels.

    Raises
    ------
    ValueError
        When the folder is no data set, an incomplete one, or has no photo that is large enough.
    """

    def __init__(self, folder: Path, min_side: int = 1) -> None:
        self.folder = folder
        try:
            index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
            entries = TypeAdapter(list[PhotoEntry]).validate_python(index["photos"], strict=False)
            if index["schema"] != SCHEMA:
                raise ValueError(f"schema {index['schema']}, not {SCHEMA}")
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(
                f"{folder} is no data set ({first_line(error)}): make one with 'inpaint-train pack'"
            ) from error
        self.entries = [entry for entry in entries if min(entry.height, entry.width) >= min_side]
        if not self.entries:
            raise ValueError(f"{folder} has no photo of at least {min_side} x {min_side} pixels: pack larger photos")
        self.shards: dict[str, np.ndarray] = {}
        for entry in self.entries:
            if entry.shard not in self.shards:
                path = folder / entry.shard
                if Path(entry.shard).name != entry.shard or not path.is_file() or not path.stat().st_size:
                    raise ValueError(f"{path} is missing or empty: pack the data set again")
                self.shards[entry.shard] = np.memmap(path, np.uint8, "r")
            if entry.offset + entry.height * entry.width * 3 > self.shards[entry.shard].size:
                raise ValueError(f"{folder / entry.shard} is too short: pack the data set again")

    def __len__(self) -> int:
        return len(self.entries)

    def photo(self, index: int) -> np.ndarray:
        """Return a photo as a read-only uint8 array of shape (H, W, 3), without copying it."""
        entry = self.entries[index]
        end = entry.offset + entry.height * entry.width * 3
        return self.shards[entry.shard][entry.offset : end].reshape(entry.height, entry.width, 3)
