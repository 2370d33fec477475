"""What a step of training sees. A batch depends on the recipe, the data set and the step alone.

So a resumed run sees what an unbroken one would have seen, and devices that share a batch see its parts. Crops, flips,
colour changes and masks are made where the data set lies: on the device when it fits into its memory, else on the host.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import warnings
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Annotated

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from pydantic.dataclasses import dataclass

from inpaint_training.data.masks import render_masks
from inpaint_training.losses.augment import DRAWS
from inpaint_training.settings import Config, Share

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from inpaint_training.data.dataset import PhotoDataset
    from inpaint_training.recipes.recipe import Phase, Recipe

RESIDENT_SHARE = 0.5
"""A data set lives on the device when it takes at most this share of its free memory."""

CROP, ORDER = 0, 1
"""Purposes of random streams: never two with the same numbers."""


@dataclass(frozen=True)
class DataConfig(Config):
    """How crops are cut from photos."""

    crop_min: Annotated[float, Field(gt=0, le=1)] = 1 / 3
    """The smallest crop, as a share of the photo's short side; the largest is the whole short side."""
    flip: Share = 0.5
    """Share of crops that are mirrored left to right."""
    jitter: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Largest change of each colour channel's gain."""


@dataclasses.dataclass(frozen=True, slots=True)
class Batch:
    """Crops with holes."""

    image: Tensor
    """float32, (N, 3, H, W), RGB in [0, 1], channels last"""
    mask: Tensor
    """float32, (N, 1, H, W), 1 inside holes"""
    centres: tuple[tuple[int, int], ...]
    """A pixel (y, x) in the middle of every hole."""
    draws: Tensor
    """float32, (N, 1 + DRAWS), random numbers in [0, 1): one for the penalty, the others for augmentation"""


class Crops:
    """Cuts batches out of a data set's photos.

    Parameters
    ----------
    dataset
        Its photos move to the device when they fit there.
    photos
        Which ones are used.
    device
        Where batches are needed.
    """

    def __init__(self, dataset: PhotoDataset, photos: Sequence[int], device: torch.device) -> None:
        self.dataset, self.photos, self.device = dataset, photos, device
        self._order = functools.lru_cache(4)(self._shuffle)
        self.resident = device.type == "cuda" and _fits(dataset, device)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the mapped files cannot be written, and nobody tries to
            self.shards = {name: torch.from_numpy(shard) for name, shard in dataset.shards.items()}
        if self.resident:
            self.shards = {name: shard.to(device) for name, shard in self.shards.items()}

    def of(self, photos: Sequence[int]) -> Crops:
        """Return crops of other photos; the data set is shared."""
        other = copy.copy(self)
        other.photos, other._order = photos, functools.lru_cache(4)(other._shuffle)
        return other

    def _shuffle(self, seed: int, visit: int) -> np.ndarray:
        return np.random.default_rng([seed, ORDER, visit]).permutation(self.photos)

    def photo(self, index: int) -> Tensor:
        """Return a photo as uint8 (H, W, 3), without copying it."""
        entry = self.dataset.entries[index]
        end = entry.offset + entry.height * entry.width * 3
        return self.shards[entry.shard][entry.offset : end].view(entry.height, entry.width, 3)

    def photo_of(self, seed: int, number: int) -> int:
        """Return the photo of a crop: every photo is visited once per pass, in a new order."""
        visit, place = divmod(number, len(self.photos))
        return int(self._order(seed, visit)[place])

    def batch(self, recipe: Recipe, step: int, rank: int = 0, ranks: int = 1) -> Batch:
        """Return a step's crops, or one device's part of them.

        Parameters
        ----------
        rank, ranks
            Which part, and how many there are.
        """
        phase, _, _ = recipe.phase_of(step)
        first, seed = recipe.images_before(step), recipe.train.seed
        numbers = range(first + rank * phase.batch // ranks, first + (rank + 1) * phase.batch // ranks)
        photos = [self.photo_of(seed, number) for number in numbers]
        return self.cut(photos, [np.random.default_rng([seed, CROP, number]) for number in numbers], phase, recipe.data)

    def cut(
        self, photos: Sequence[int], rngs: Sequence[np.random.Generator], phase: Phase, config: DataConfig
    ) -> Batch:
        """Return one crop of every photo; each has a random generator of its own."""
        squares = [random_square(self.photo(photo), phase.crop, config, rng)  # 3, crop, crop
                   for photo, rng in zip(photos, rngs, strict=True)]  # fmt: skip
        outlines = [phase.holes.draw(phase.crop, rng) for rng in rngs]
        # Flip, gains (white balance and exposure), and what the step draws: one copy to the device.
        drawn = np.stack([
            [rng.random() < config.flip, *(1 + config.jitter * rng.uniform(-1, 1, 3)), *rng.random(1 + DRAWS)]
            for rng in rngs
        ])  # fmt: skip
        numbers = torch.from_numpy(drawn).float().to(self.device)  # N, 1 + 3 + 1 + DRAWS
        flip, gain, draws = numbers[:, :1, None, None] > 0, numbers[:, 1:4, None, None], numbers[:, 4:]
        image = torch.stack(squares).to(self.device)  # N, 3, crop, crop
        image = torch.where(flip, image.flip(3), image)
        image = (image * (gain / 255)).clamp(0, 1).contiguous(memory_format=torch.channels_last)
        mask = render_masks(outlines, phase.crop, self.device)
        return Batch(image, mask, tuple(outline.centre for outline in outlines), draws)


def random_square(photo: Tensor, crop: int, config: DataConfig, rng: np.random.Generator) -> Tensor:
    """Cut a square at a random place and scale, and turn it to ``crop`` pixels.

    Parameters
    ----------
    photo : uint8 Tensor of shape (H, W, 3)
    crop
        Side of the result, in pixels.

    Returns
    -------
    float32 Tensor of shape (3, crop, crop), in [0, 255]
    """
    height, width, _ = photo.shape
    longest = min(height, width)
    shortest = min(longest, max(crop, longest * config.crop_min))
    side = round(float(np.exp(rng.uniform(np.log(shortest), np.log(longest)))))  # every zoom equally often
    y0, x0 = int(rng.integers(0, height - side + 1)), int(rng.integers(0, width - side + 1))
    square = photo[y0 : y0 + side, x0 : x0 + side].permute(2, 0, 1)  # 3, side, side
    if side == crop:
        return square.float()
    # On the CPU, whole numbers are resized several times faster; CUDA resizes floats only.
    square = square.float() if square.is_cuda else square
    return F.interpolate(square[None], (crop, crop), mode="bicubic", antialias=True)[0].float().clamp(0, 255)


def held_out_batches(crops: Crops, phase: Phase) -> Iterator[Batch]:
    """Yield fixed crops of the photos, one of each, a few at a time."""
    for first in range(0, len(crops.photos), 8):
        photos = crops.photos[first : first + 8]
        rngs = [np.random.default_rng([CROP, photo]) for photo in photos]
        yield crops.cut(photos, rngs, phase, DataConfig(flip=0, jitter=0))


def iterate_batches(make: Callable[[int], Batch], first: int, end: int, ahead: bool) -> Iterator[tuple[int, Batch]]:
    """Yield step and batch from step ``first`` up to ``end``.

    Parameters
    ----------
    ahead
        Make the next batches in threads while a step runs on another device.
    """
    if not ahead:
        for step in range(first, end):
            yield step, make(step)
        return
    with ThreadPoolExecutor(2) as pool:
        waiting = deque(pool.submit(make, step) for step in range(first, min(first + 2, end)))
        for step in range(first, end):
            if step + 2 < end:
                waiting.append(pool.submit(make, step + 2))
            yield step, waiting.popleft().result()


def split(dataset: PhotoDataset, held_out: int) -> tuple[list[int], list[int]]:
    """Divide a data set into held-out photos and photos to train on; at most a tenth is held out, at least one."""
    if len(dataset) < 2:
        raise ValueError("a data set of one photo cannot be trained on: one more is needed to judge by")
    order = np.random.default_rng(0).permutation(len(dataset)).tolist()
    count = min(held_out, len(dataset) // 10) or 1
    return order[:count], order[count:]


def _fits(dataset: PhotoDataset, device: torch.device) -> bool:
    free, _ = torch.cuda.mem_get_info(device)
    return sum(shard.nbytes for shard in dataset.shards.values()) <= RESIDENT_SHARE * free
