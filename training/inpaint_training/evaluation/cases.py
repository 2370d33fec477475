"""What is evaluated: crops of photos, each with a hole, the same for the same seed."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from inpaint_training.data.dataset import INDEX, PhotoDataset
from inpaint_training.data.masks import random_box, random_strokes
from inpaint_training.data.photos import BadPhotoError
from inpaint_training.data.pictures import Picture, Scale, read_pictures, scale_photo
from inpaint_training.data.sources import iterate_sources
from inpaint_training.data.squares import TRIES, to_network_values

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SHORT_SIDE = 384
"""Photos are scaled to this short side before they are cropped, in pixels."""
MARGIN = 20
"""Least distance of a box from the crop's border, in pixels; strokes may touch it."""
AREA_BINS = {"< 5 %": 0.05, "5-10 %": 0.1, "10-20 %": 0.2, "20-40 %": 0.4, "> 40 %": math.inf}
"""Bins of the hole's share of the crop, by name: the share that the bin ends before."""

MaskPolicy = Literal["box", "strokes"]


@dataclass(frozen=True, slots=True)
class Case:
    """A crop with a hole."""

    name: str
    image: np.ndarray
    """uint8 array of shape (H, W, 3)"""
    mask: np.ndarray
    """Bool array of shape (H, W), True inside the hole."""
    file: str = ""
    """What it was cut from; empty when the name tells."""

    @property
    def photo(self) -> str:
        """The photo, or the file of planes, that it was cut from: cases of another one are not like it."""
        return self.file or self.name.rpartition(" ")[0]

    @property
    def box(self) -> tuple[int, int, int, int]:
        """y0, x0, y1, x1 of the smallest box around the hole, half-open."""
        (y0, y1), (x0, x1) = (np.flatnonzero(self.mask.any(axis))[[0, -1]].tolist() for axis in (1, 0))
        return y0, x0, y1 + 1, x1 + 1

    @property
    def area(self) -> float:
        """The hole's share of the crop, from 0 to 1."""
        return float(self.mask.mean())

    @property
    def area_bin(self) -> str:
        """The name of its bin in `AREA_BINS`."""
        return next(name for name, end in AREA_BINS.items() if self.area < end)


@dataclass(frozen=True, slots=True)
class Protocol:
    """Which cases are made of photos."""

    crop: int = 256
    """Side of the crops, in pixels."""
    crops: int = 2
    """How many crops of every photo."""
    masks: MaskPolicy = "box"
    """One square hole, or thick random brush strokes."""
    holes: tuple[int, int] = (88, 128)
    """Smallest and largest side of a square hole, in pixels."""
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 2 <= self.holes[0] <= self.holes[1]:
            raise ValueError(f"--holes must be 2 <= MIN <= MAX, not {self.holes[0]} {self.holes[1]}")
        for name, least in (("crops", 1), ("crop", 8), ("seed", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"--{name} must be at least {least}, not {getattr(self, name)}")
        if self.masks not in ("box", "strokes"):
            raise ValueError(f"--masks must be box or strokes, not {self.masks!r}")

    @property
    def short_side(self) -> int:
        """The short side that photos are scaled down to, in pixels."""
        return max(SHORT_SIDE, self.crop)

    def random_mask(self, rng: np.random.Generator) -> np.ndarray:
        """Draw a hole: bool array of shape (crop, crop)."""
        if self.masks == "strokes":
            return random_strokes(self.crop, self.crop, rng)
        y0, x0, y1, x1 = random_box(self.crop, self.crop, *self.holes, MARGIN, rng, square=True)
        mask = np.zeros((self.crop, self.crop), bool)
        mask[y0:y1, x0:x1] = True
        return mask

    def describe(self) -> str:
        """Return a few words for the head of a table."""
        low, high = self.holes
        holes = f"square holes of {low}-{high} px" if self.masks == "box" else "holes of brush strokes"
        return f"crops of {self.crop} px, {holes}"


def iterate_cases(photos: Path | Sequence[Any], protocol: Protocol, native: bool = False) -> Iterator[Case]:
    """Yield crops with one hole each; the same ones for the same arguments.

    Crops hold a value everywhere. Of images that are no photos of 8 bits they are cut at the image's own scale, and
    shown as the network sees them: through the engine's curve around the hole, in 8 bits.

    Parameters
    ----------
    photos
        An image, a folder, a tar archive, a zarr store, or a packed data set; or several of these, and arrays.
    native
        Do not scale photos of 8 bits either.
    """
    inputs = [photos] if isinstance(photos, Path) else photos
    for index, picture in enumerate(_iterate_pictures(inputs, Scale(protocol.short_side, native))):
        if min(picture.pixels.shape[:2]) < protocol.crop:
            continue
        rng = np.random.default_rng([protocol.seed, index])
        for number in range(protocol.crops):
            place = _draw_place(picture, protocol.crop, rng)
            mask = protocol.random_mask(rng)
            image = None if place is None else _show(picture.pixels[place], mask)
            if image is not None:
                yield Case(f"{picture.name} {number}", image, mask, picture.file)


def _draw_place(picture: Picture, crop: int, rng: np.random.Generator) -> tuple[slice, slice] | None:
    """Draw where a crop is cut; None when none of several holds a value everywhere."""
    height, width, _ = picture.pixels.shape
    for _ in range(TRIES):
        y0, x0 = int(rng.integers(0, height - crop + 1)), int(rng.integers(0, width - crop + 1))
        place = np.s_[y0 : y0 + crop, x0 : x0 + crop]
        if picture.hidden is None or not picture.hidden[place].any():
            return place
    return None


def _show(pixels: np.ndarray, mask: np.ndarray) -> np.ndarray | None:
    """Return a crop, (H, W, 1 or 3), as uint8 of shape (H, W, 3); None when nothing but one value is seen around."""
    if pixels.dtype != np.uint8:
        floats = torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)
        values = to_network_values(floats, torch.from_numpy(mask), None, pixels.dtype.name)  # C, H, W
        if not values.any():
            return None
        pixels = values.mul(255).round().byte().permute(1, 2, 0).numpy()
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))


def _iterate_pictures(inputs: Sequence[Any], scale: Scale) -> Iterator[Picture]:
    if len(inputs) == 1 and isinstance(inputs[0], Path) and (inputs[0] / INDEX).is_file():
        dataset = PhotoDataset(inputs[0])
        for index, entry in enumerate(dataset.entries):
            pixels, valid = dataset.photo(index), dataset.valid(index)
            hidden = None if valid is None else valid == 0
            picture = Picture(entry.name, entry.origin, pixels, hidden, entry.native)
            yield picture if entry.native else scale_photo(picture, scale)
        return
    for source in iterate_sources(inputs):
        try:
            yield from read_pictures(source, scale)[0]
        except BadPhotoError as error:
            sys.stderr.write(f"{source.name} is left out, {error}\n")
