"""Hole policies: where training hides pixels. To add one, write it here and name it in `Holes`.

A policy draws the outline of a hole with a random generator of the CPU; `render_masks` makes masks of the outlines on
the device.
"""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
import torch
from PIL import Image, ImageDraw
from pydantic import Field, PositiveInt, model_validator
from pydantic.dataclasses import dataclass

from inpaint_training.data.mask_files import read_masks
from inpaint_training.settings import Config, Share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

BoxTuple = tuple[int, int, int, int]

MAX_BEND = 0.6
"""Largest change of direction between two segments of a stroke, in radians."""
STROKE_AREA = (0.02, 0.5)
"""Strokes are drawn until they cover a share of the crop that is drawn from this range."""
STROKE_WIDTH = (0.05, 0.16)
"""Range of a stroke's width, as a share of the crop's side: 13 to 41 pixels of 256."""


@dataclasses.dataclass(frozen=True, slots=True)
class Outline:
    """A hole: a box, or the strokes or the pixels within it."""

    box: BoxTuple
    """y0, x0, y1, x1, half-open; the bounding box of the strokes."""
    strokes: np.ndarray | None = None
    """float array of shape (S, 5): y0, x0, y1, x1 and radius of every segment, in pixels."""
    bitmap: np.ndarray | None = None
    """bool array of the box's shape, True inside the hole."""

    @property
    def centre(self) -> tuple[int, int]:
        """A pixel (y, x) in the middle: of the box, or of one segment or pixel, as these wind around theirs."""
        if self.bitmap is not None:
            inside = np.argwhere(self.bitmap)
            y, x = (inside[len(inside) // 2] + self.box[:2]).tolist()
            return y, x
        y0, x0, y1, x1 = self.box if self.strokes is None else self.strokes[len(self.strokes) // 2, :4].tolist()
        return int(y0 + y1) // 2, int(x0 + x1) // 2


def random_box(height: int, width: int, hole_min: int, hole_max: int, margin: int, rng: np.random.Generator,
               square: bool = False) -> BoxTuple:  # fmt: skip
    """Draw a box at a random place.

    Parameters
    ----------
    height, width
        Size of the image, in pixels.
    hole_min, hole_max
        Range of the sides, in pixels, both ends included.
    margin
        Least distance from the border, in pixels.
    square
        Draw one side for both directions.

    Returns
    -------
    tuple
        y0, x0, y1, x1, half-open.

    Raises
    ------
    ValueError
        When the largest hole and its margins do not fit.
    """
    if hole_max + 2 * margin > min(height, width):
        raise ValueError(f"a hole of {hole_max} px with margins of {margin} px does not fit in {height} x {width}")
    h, w = (int(side) for side in rng.integers(hole_min, hole_max + 1, 2))
    if square:
        w = h
    y0 = int(rng.integers(margin, height - margin - h + 1))
    x0 = int(rng.integers(margin, width - margin - w + 1))
    return y0, x0, y0 + h, x0 + w


def random_strokes(height: int, width: int, rng: np.random.Generator,
                   area: tuple[float, float] = STROKE_AREA) -> np.ndarray:  # fmt: skip
    """Draw thick brush strokes: polylines of random turns with round ends and joints.

    Parameters
    ----------
    height, width
        Size of the mask, in pixels.
    area
        Range of the share of the mask that the strokes cover. The share is drawn evenly from it, and drawing ends with
        the first line that reaches it; the last line may lead past it.

    Returns
    -------
    bool array of shape (height, width)
        True under the strokes, at least one pixel, and never everywhere.
    """
    side = min(height, width)
    goal = rng.uniform(*area)
    picture = Image.new("1", (width, height))
    draw = ImageDraw.Draw(picture)
    while True:
        thickness = max(1, round(side * rng.uniform(*STROKE_WIDTH)))
        y, x, angle = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(0, 2 * np.pi)
        for _ in range(int(rng.integers(2, 7))):
            length = side * rng.uniform(0.08, 0.25)
            end_y = float(np.clip(y + length * np.sin(angle), 0, height - 1))
            end_x = float(np.clip(x + length * np.cos(angle), 0, width - 1))
            draw.line((x, y, end_x, end_y), fill=1, width=thickness)
            for cx, cy in ((x, y), (end_x, end_y)):
                radius = thickness / 2
                draw.ellipse((cx - radius, cy - radius, cx + radius, cy + radius), fill=1)
            y, x, angle = end_y, end_x, angle + rng.uniform(-1.2, 1.2)
            mask = np.array(picture, bool)
            if mask.mean() >= goal and mask.any():
                if mask.all():  # only images of a few pixels
                    mask[0, 0] = False
                return mask


@dataclass(frozen=True)
class Centre(Config):
    """A square in the middle, always the same."""

    side: PositiveInt
    """In pixels."""
    kind: Literal["centre"] = "centre"

    @property
    def range(self) -> tuple[int, int]:
        """The smallest and the largest side of a hole, in pixels."""
        return self.side, self.side

    def draw(self, size: int, _: np.random.Generator) -> Outline:
        """Return the outline of a hole in a crop of ``size`` x ``size`` pixels."""
        start = (size - self.side) // 2
        return Outline((start, start, start + self.side, start + self.side))


@dataclass(frozen=True)
class Boxes(Config):
    """One box of random sides at a random place, touching the border too."""

    side_min: PositiveInt
    """In pixels."""
    side_max: PositiveInt
    """In pixels."""
    kind: Literal["boxes"] = "boxes"

    @model_validator(mode="after")
    def check_order(self) -> Self:
        """Raise `ValueError` when the smallest side is larger than the largest."""
        if self.side_min > self.side_max:
            raise ValueError(f"side_min must not exceed side_max, not {self.side_min} and {self.side_max}")
        return self

    @property
    def range(self) -> tuple[int, int]:
        """The smallest and the largest side of a hole, in pixels."""
        return self.side_min, self.side_max

    def draw(self, size: int, rng: np.random.Generator) -> Outline:
        """Return the outline of a hole in a crop of ``size`` x ``size`` pixels."""
        return Outline(random_box(size, size, self.side_min, self.side_max, 0, rng))


@dataclass(frozen=True)
class BoxesAndStrokes(Boxes):
    """Boxes, and for a share of the crops strokes of a thick brush with round ends."""

    kind: Literal["boxes-and-strokes"] = "boxes-and-strokes"  # type: ignore[assignment]
    strokes: Share = 0.3
    """Share of the crops that get strokes; a network that saw only boxes fails on strokes."""

    def draw(self, size: int, rng: np.random.Generator) -> Outline:
        """Return the outline of a hole in a crop of ``size`` x ``size`` pixels."""
        if rng.random() >= self.strokes:
            return super().draw(size, rng)
        # A brush of width w reaches w / 2 to each side: the widest one covers a small box of its length.
        segments = draw_strokes(size, self.side_min / 4, self.side_max / 4, self.side_max, rng)
        reach = segments[:, 4:]
        corners = np.concatenate([segments[:, :2] - reach, segments[:, :2] + reach,
                                  segments[:, 2:4] - reach, segments[:, 2:4] + reach])  # fmt: skip
        y0, x0 = np.clip(np.floor(corners.min(0)), 0, size - 1).astype(int).tolist()
        y1, x1 = np.clip(np.ceil(corners.max(0)) + 1, 1, size).astype(int).tolist()
        return Outline((y0, x0, y1, x1), segments)


@dataclass(frozen=True)
class MaskFiles(Config):
    """Holes of one's own: what masks in a folder hide, at random places, turned over at random."""

    folder: str
    """Of masks as `inpaint-fill` takes them: not 0 inside holes; of any size."""
    kind: Literal["masks"] = "masks"
    side_min: PositiveInt | None = None
    """Smallest side of a hole, in pixels; measured when training begins."""
    side_max: PositiveInt | None = None
    """Largest side; likewise, at most the crop's."""
    count: PositiveInt | None = None
    """How many masks there are; likewise, so that a run is not resumed with others."""

    @property
    def range(self) -> tuple[int, int]:
        """The smallest and the largest side of a hole, in pixels; 1 before they are measured."""
        return self.side_min or 1, self.side_max or 1

    def measure(self, crop: int) -> Self:
        """Return the same with what the folder's masks are like in crops of ``crop`` pixels.

        Raises
        ------
        ValueError
            When there is no folder, a mask cannot be read, or none has a hole.
        """
        masks = read_masks(self.folder)
        low, high = min(mask.side_min for mask in masks), max(mask.side_max for mask in masks)
        return replace(self, side_min=min(low, crop - 1), side_max=min(high, crop - 1), count=len(masks))

    def draw(self, size: int, rng: np.random.Generator) -> Outline:
        """Return the outline of a hole in a crop of ``size`` x ``size`` pixels: at least one is inside, one is not."""
        masks = read_masks(self.folder)
        mask = masks[int(rng.integers(len(masks)))]
        hole = mask.place(size, rng)
        hole = hole[:: 1 if rng.random() < 0.5 else -1, :: 1 if rng.random() < 0.5 else -1]
        ys, xs = np.nonzero(hole)
        y0, x0, y1, x1 = int(ys.min()), int(xs.min()), int(ys.max()) + 1, int(xs.max()) + 1
        return Outline((y0, x0, y1, x1), bitmap=np.ascontiguousarray(hole[y0:y1, x0:x1]))


Holes = Annotated[Centre | Boxes | BoxesAndStrokes | MaskFiles, Field(discriminator="kind")]


def draw_strokes(size: int, width_min: float, width_max: float, length: float, rng: np.random.Generator) -> np.ndarray:
    """Draw one to three strokes of a few segments that bend a little.

    Parameters
    ----------
    size
        Side of the image, in pixels.
    width_min, width_max
        Range of the brush, in pixels; at least 2 are used.
    length
        Mean length of a segment, in pixels.

    Returns
    -------
    float array of shape (S, 5)
        y0, x0, y1, x1 and radius of every segment, both ends inside the image.
    """
    segments = []
    for _ in range(rng.integers(1, 4)):
        radius = max(2.0, rng.uniform(width_min, width_max)) / 2
        point, direction = rng.uniform(0, size - 1, 2), rng.uniform(0, 2 * np.pi)
        for _ in range(rng.integers(1, 5)):
            step = length * rng.uniform(0.25, 0.75) * np.array([np.sin(direction), np.cos(direction)])
            end = np.clip(point + step, 0, size - 1)
            segments.append([*point, *end, radius])
            point, direction = end, direction + rng.uniform(-MAX_BEND, MAX_BEND)
    return np.array(segments)


def render_masks(outlines: Sequence[Outline], size: int, device: torch.device | str = "cpu") -> Tensor:
    """Make masks of outlines, on the device.

    Returns
    -------
    float32 Tensor of shape (N, 1, size, size)
        1 inside the hole.
    """
    y, x = torch.arange(size, device=device)[:, None], torch.arange(size, device=device)  # H, 1 and W
    boxes = torch.tensor([outline.box for outline in outlines], device=device)[..., None, None]  # N, 4, 1, 1
    y0, x0, y1, x1 = boxes.unbind(1)  # N, 1, 1 each
    masks = ((y >= y0) & (y < y1) & (x >= x0) & (x < x1)).float()  # N, H, W
    for mask, outline in zip(masks, outlines, strict=True):
        if outline.strokes is not None:
            mask *= _near_strokes(torch.as_tensor(outline.strokes, dtype=torch.float32).to(device), y, x)
        if outline.bitmap is not None:
            top, left, bottom, right = outline.box
            mask[top:bottom, left:right] = torch.from_numpy(outline.bitmap).to(device).float()
    return masks[:, None]


def _near_strokes(segments: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Return where the distance to a segment is at most its radius: (H, W)."""
    y0, x0, y1, x1, radius = segments.T[..., None, None]  # S, 1, 1 each
    dy, dx = y1 - y0, x1 - x0
    along = ((y - y0) * dy + (x - x0) * dx) / (dy.square() + dx.square()).clamp(min=1e-9)  # S, H, W
    along = along.clamp(0, 1)
    squares = (y - y0 - along * dy).square() + (x - x0 - along * dx).square()  # S, H, W
    near: Tensor = squares <= radius.square()  # S, H, W
    return near.any(0)  # H, W
