"""A data set: decoded photos in a few large files that training maps into memory."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch.utils.data import IterableDataset

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from inpaint_training.config import DataConfig

INDEX = "dataset.json"
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class PhotoEntry:
    """Where one photo lies."""

    name: str
    shard: str
    offset: int
    height: int
    width: int


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
            index = json.loads((folder / INDEX).read_text())
            entries = [PhotoEntry(**entry) for entry in index["photos"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{folder} is no data set ({error}): make one with 'inpaint-train pack'") from error
        self.entries = [entry for entry in entries if min(entry.height, entry.width) >= min_side]
        if not self.entries:
            raise ValueError(f"{folder} has no photo of at least {min_side} x {min_side} pixels: pack larger photos")
        self._shards: dict[str, np.ndarray] = {}
        for entry in self.entries:
            if entry.shard not in self._shards:
                path = folder / entry.shard
                if not path.is_file():
                    raise ValueError(f"{path} is missing: pack the data set again")
                self._shards[entry.shard] = np.memmap(path, np.uint8, "r")
            if entry.offset + entry.height * entry.width * 3 > self._shards[entry.shard].size:
                raise ValueError(f"{folder / entry.shard} is too short: pack the data set again")

    def __len__(self) -> int:
        return len(self.entries)

    def photo(self, index: int) -> np.ndarray:
        """Return a photo as a read-only uint8 array of shape (H, W, 3), without copying it."""
        entry = self.entries[index]
        end = entry.offset + entry.height * entry.width * 3
        return self._shards[entry.shard][entry.offset : end].reshape(entry.height, entry.width, 3)


def random_crop(photo: np.ndarray, crop: int, config: DataConfig, rng: np.random.Generator) -> np.ndarray:
    """Cut a square at a random place and scale, turn it to ``crop`` pixels, flip it, and change its colours mildly.

    Parameters
    ----------
    photo : uint8 array of shape (H, W, 3)
    crop
        Side of the result, in pixels.

    Returns
    -------
    uint8 array of shape (crop, crop, 3)
    """
    height, width, _ = photo.shape
    longest = min(height, width)
    shortest = min(longest, max(crop, longest * config.crop_min))
    side = round(float(np.exp(rng.uniform(np.log(shortest), np.log(longest)))))  # every zoom equally often
    y0, x0 = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
    square = photo[y0 : y0 + side, x0 : x0 + side]
    if side != crop:
        square = np.asarray(Image.fromarray(square).resize((crop, crop), Image.Resampling.BICUBIC))
    if rng.random() < config.flip:
        square = square[:, ::-1]
    if config.jitter:
        gain = 1 + config.jitter * rng.uniform(-1, 1, 3)  # white balance and exposure
        table = np.clip(np.arange(256)[:, None] * gain + 0.5, 0, 255).astype(np.uint8)
        square = np.stack([table[:, channel][square[..., channel]] for channel in range(3)], -1)
    return np.ascontiguousarray(square)


class CropStream(IterableDataset[torch.Tensor]):
    """An endless stream of random crops: uint8 tensors of shape (3, crop, crop).

    Every photo is visited once per pass, in a new random order, so that large photos are not drawn more often.
    """

    def __init__(self, dataset: PhotoDataset, photos: Sequence[int], crop: int, config: DataConfig, seed: int) -> None:
        self.dataset, self.photos, self.crop, self.config, self.seed = dataset, photos, crop, config, seed

    def __iter__(self) -> Iterator[torch.Tensor]:
        rng = np.random.default_rng(self.seed)
        while True:
            for index in rng.permutation(self.photos):
                square = random_crop(self.dataset.photo(int(index)), self.crop, self.config, rng)
                yield torch.from_numpy(square).permute(2, 0, 1)
