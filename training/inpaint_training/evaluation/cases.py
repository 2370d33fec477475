"""What is evaluated: crops of photos, each with a hole, the same for the same seed."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image

from inpaint_training.data.dataset import INDEX, PhotoDataset
from inpaint_training.data.masks import random_box, random_strokes
from inpaint_training.data.photos import BadPhotoError, decode_photo, iterate_photos, scale_down

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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


def iterate_cases(photos: Path, protocol: Protocol) -> Iterator[Case]:
    """Yield crops with one hole each; the same ones for the same arguments.

    Parameters
    ----------
    photos
        A folder, a tar archive, or a packed data set.
    """
    crop = protocol.crop
    for index, (name, photo) in enumerate(_iterate_scaled(photos, protocol.short_side)):
        if min(photo.size) < crop:
            continue
        rng = np.random.default_rng([protocol.seed, index])
        for number in range(protocol.crops):
            y0 = int(rng.integers(0, photo.height - crop + 1))
            x0 = int(rng.integers(0, photo.width - crop + 1))
            image = np.asarray(photo.crop((x0, y0, x0 + crop, y0 + crop)))
            yield Case(f"{name} {number}", image, protocol.random_mask(rng))


def _iterate_scaled(photos: Path, short_side: int) -> Iterator[tuple[str, Image.Image]]:
    if (photos / INDEX).is_file():
        dataset = PhotoDataset(photos)
        for index, entry in enumerate(dataset.entries):
            yield entry.name, scale_down(Image.fromarray(dataset.photo(index)), short_side)
        return
    for name, data in iterate_photos([photos]):
        try:
            yield name, decode_photo(data, short_side)
        except BadPhotoError as error:
            sys.stderr.write(f"{name} is left out, {error}\n")
