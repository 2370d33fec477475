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
from typing import TYPE_CHECKING

import numpy as np
import torch

from inpaint_training.data.masks import Outline, render_masks
from inpaint_training.data.squares import TRIES, DataConfig, Square, random_square, to_network_values
from inpaint_training.losses.augment import DRAWS

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from torch import Tensor

    from inpaint_training.data.dataset import PhotoDataset
    from inpaint_training.recipes.recipe import Phase, Recipe

RESIDENT_SHARE = 0.5
"""A data set lives on the device when it takes at most this share of its free memory."""

CROP, ORDER = 0, 1
"""Purposes of random streams: never two with the same numbers."""


@dataclasses.dataclass(frozen=True, slots=True)
class Batch:
    """Crops with holes."""

    image: Tensor
    """float32, (N, 3, H, W), RGB in [0, 1], channels last"""
    mask: Tensor
    """float32, (N, 1, H, W), 1 inside holes: what the network is to fill; also where no value is known"""
    centres: tuple[tuple[int, int], ...]
    """A pixel (y, x) in the middle of every hole."""
    draws: Tensor
    """float32, (N, 1 + DRAWS), random numbers in [0, 1): one for the penalty, the others for augmentation"""
    hidden: Tensor | None = None
    """bool, (N, 1, H, W), True where the image holds no value; None when it does everywhere"""

    def split(self, parts: int) -> list[Batch]:
        """Return so many batches of as many crops each."""
        if parts == 1:
            return [self]
        count = len(self.image) // parts
        rows = [slice(first, first + count) for first in range(0, len(self.image), count)]
        return [Batch(self.image[row], self.mask[row], self.centres[row], self.draws[row],
                      None if self.hidden is None else self.hidden[row]) for row in rows]  # fmt: skip

    @property
    def judged(self) -> Tensor:
        """Where a completion can be judged: float32, (N, 1, H, W), 1 inside holes where the image holds a value."""
        return self.mask if self.hidden is None else self.mask * ~self.hidden

    def target(self, completion: Tensor) -> Tensor:
        """Return what a completion, (N, 3, H, W), should be: the image, and where that holds no value, what it is."""
        if self.hidden is None:
            return self.image
        return torch.where(self.hidden, completion.detach().to(self.image.dtype), self.image)


class Crops:
    """Cuts batches out of a data set's photos.

    Parameters
    ----------
    dataset
        Its photos move to the device when they fit there, and all have 8 bits: others pass a curve on the CPU.
    photos
        Which ones are used.
    device
        Where batches are needed.
    """

    def __init__(self, dataset: PhotoDataset, photos: Sequence[int], device: torch.device) -> None:
        self.dataset, self.photos, self.device = dataset, photos, device
        self._order = functools.lru_cache(4)(self._shuffle)
        self.resident = device.type == "cuda" and dataset.linear and _fits(dataset, device)
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
        """Return an image as uint8, uint16 or float32 (H, W, channels), without copying it."""
        entry = self.dataset.entries[index]
        pixels = self.shards[entry.shard][entry.offset : entry.end]
        return pixels.view(getattr(torch, entry.dtype)).view(entry.shape)

    def valid(self, index: int) -> Tensor | None:
        """Return where an image holds values, uint8 (H, W); None when it does everywhere."""
        entry = self.dataset.entries[index]
        if not entry.masked:
            return None
        return self.shards[entry.shard][entry.end : entry.offset + entry.size].view(entry.height, entry.width)

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
        squares = [random_square(self.photo(photo), phase.crop, config, rng, self.valid(photo))
                   for photo, rng in zip(photos, rngs, strict=True)]  # fmt: skip
        outlines = [phase.holes.draw(phase.crop, rng) for rng in rngs]
        # Flip, gains (white balance and exposure), and what the step draws: one copy to the device.
        drawn = np.stack([
            [rng.random() < config.flip, *(1 + config.jitter * rng.uniform(-1, 1, 3)), *rng.random(1 + DRAWS)]
            for rng in rngs
        ])  # fmt: skip
        grey = [len(square.pixels) == 1 for square in squares]
        drawn[grey, 2:4] = drawn[grey, 1:2]  # one gain does not tint
        numbers = torch.from_numpy(drawn).float().to(self.device)  # N, 1 + 3 + 1 + DRAWS
        gain, draws = numbers[:, 1:4, None, None], numbers[:, 4:]
        # Values pass a curve on the CPU; all else happens on the device.
        place = self.device if self.dataset.linear else torch.device("cpu")
        image = torch.stack([square.pixels.expand(3, -1, -1) for square in squares]).to(place)  # N, 3, crop, crop
        hidden = _stack_hidden(squares, place)  # N, 1, crop, crop
        turns = [draw_turn(config, rng) for rng in rngs]
        flip = numbers[:, :1, None, None].to(place) > 0
        image = move(image, flip, turns)
        hidden = None if hidden is None else move(hidden, flip, turns)
        if hidden is not None:
            outlines = [_draw_over_values(phase, outline, plane, rng)
                        for outline, plane, rng in zip(outlines, hidden[:, 0], rngs, strict=True)]  # fmt: skip
        mask = render_masks(outlines, phase.crop, self.device)
        for row, photo in enumerate(photos):
            dtype = self.dataset.entries[photo].dtype
            if dtype != "uint8":
                pixels = image[row, :1] if grey[row] else image[row]
                unknown = None if hidden is None else hidden[row, 0]
                image[row] = 255 * to_network_values(pixels, mask[row, 0].cpu(), unknown, dtype)
        image = image.to(self.device)
        image = (image * (gain / 255)).clamp(0, 1).contiguous(memory_format=torch.channels_last)
        centres = tuple(outline.centre for outline in outlines)
        if hidden is None:
            return Batch(image, mask, centres, draws)
        hidden = hidden.to(self.device)
        image = image.masked_fill(hidden, 0).contiguous(memory_format=torch.channels_last)
        return Batch(image, torch.where(hidden, 1, mask), centres, draws, hidden)


def _draw_over_values(phase: Phase, outline: Outline, hidden: Tensor, rng: np.random.Generator) -> Outline:
    """Return the outline of a hole, or another one if the image, hidden in (H, W), holds no value where that is."""
    for _ in range(TRIES):
        hole = render_masks([outline], phase.crop, hidden.device)[0, 0] > 0
        if (hole & ~hidden).any():
            break
        outline = phase.holes.draw(phase.crop, rng)
    return outline


def _stack_hidden(squares: Sequence[Square], device: torch.device) -> Tensor | None:
    """Return where squares hold no value, (N, 1, H, W); None when all hold one everywhere."""
    if all(square.hidden is None for square in squares):
        return None
    planes = [torch.zeros(square.pixels.shape[1:], dtype=torch.bool, device=square.pixels.device)
              if square.hidden is None else square.hidden for square in squares]  # fmt: skip
    return torch.stack(planes)[:, None].to(device)


def draw_turn(config: DataConfig, rng: np.random.Generator) -> tuple[int, bool]:
    """Draw how many quarter turns a crop is turned by, and whether it is mirrored top to bottom."""
    if not config.turn or rng.random() >= config.turn:
        return 0, False
    return int(rng.integers(4)), bool(rng.integers(2))


def move(images: Tensor, flip: Tensor, turns: Sequence[tuple[int, bool]]) -> Tensor:
    """Mirror images (N, C, S, S) left to right where ``flip``, (N, 1, 1, 1), is True, and turn them."""
    images = torch.where(flip, images.flip(3), images)
    for row, (quarters, upside_down) in enumerate(turns):
        if quarters or upside_down:
            turned = torch.rot90(images[row], quarters, (1, 2))
            images[row] = turned.flip(1) if upside_down else turned
    return images


def held_out_batches(crops: Crops, phase: Phase, native: bool = False) -> Iterator[Batch]:
    """Yield fixed crops of the photos, one of each, a few at a time, at their own scale when they are ``native``."""
    for first in range(0, len(crops.photos), 8):
        photos = crops.photos[first : first + 8]
        rngs = [np.random.default_rng([CROP, photo]) for photo in photos]
        yield crops.cut(photos, rngs, phase, DataConfig(flip=0, jitter=0, native=native))


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


def split(files: Sequence[Hashable], held_out: int) -> tuple[list[int], list[int]]:
    """Divide a data set into held-out photos and photos to train on, by the file that each belongs to.

    Planes of one file are alike: all of them are held out, or none. At most a tenth of the files is held out, at least
    one; of their planes as many as of photos. Of a single file the last tenth of the planes is held out.

    Parameters
    ----------
    files
        Of every photo.
    held_out
        How many photos are held out, at most.
    """
    if len(files) < 2:
        raise ValueError("a data set of one photo cannot be trained on: one more is needed to judge by")
    members: dict[Hashable, list[int]] = {}
    for index, file in enumerate(files):
        members.setdefault(file, []).append(index)
    if len(members) == 1:  # the neighbours of the first one held out are the only ones that are like it
        first = len(files) - max(1, len(files) // 10)
        return _thin_out(list(range(first, len(files))), held_out), list(range(first))
    groups = list(members.values())
    order = np.random.default_rng(0).permutation(len(groups)).tolist()
    count = min(held_out, len(groups) // 10) or 1
    kept, trained = ([index for group in part for index in groups[group]] for part in (order[:count], order[count:]))
    return _thin_out(kept, held_out), trained


def _thin_out(photos: list[int], most: int) -> list[int]:
    """Return at most so many of them, evenly spaced."""
    if len(photos) <= most:
        return photos
    return [photos[index] for index in np.linspace(0, len(photos) - 1, most).round().astype(int).tolist()]


def _fits(dataset: PhotoDataset, device: torch.device) -> bool:
    free, _ = torch.cuda.mem_get_info(device)
    return sum(shard.nbytes for shard in dataset.shards.values()) <= RESIDENT_SHARE * free
