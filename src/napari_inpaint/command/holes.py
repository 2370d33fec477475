"""Where the holes of a file are: what was named on the command line, in pixels of the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.inference.inputs.boxes import Box, to_box
from napari_inpaint.io.formats import FileError
from napari_inpaint.io.masks import read_mask
from napari_inpaint.io.orientation import UPRIGHT, display, store_box

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_inpaint.command.tasks import Task
    from napari_inpaint.io.formats import ImageFile
    from napari_inpaint.io.masks import Layout

    Note = Callable[[str], object]
    """Takes a sentence that the user should know."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be filled in every file."""

    boxes: Sequence[Sequence[int]] = ()
    """y0, x0, y1, x1, half-open; what reaches beyond an image is clipped."""
    threshold: float | None = None
    """Holes are where masks are brighter; None: as `read_mask` understands them."""
    layout: Layout | None = None
    """Of masks and boxes, in photos that are displayed turned; None: as far as their size tells, of masks as they are
    displayed, and of boxes as they are stored."""
    series: int | None = None
    """Which image of a file with several; None: the first."""


def find_holes(
    source: ImageFile, task: Task, planes: tuple[int, ...], wanted: Wanted, note: Note
) -> tuple[NDArray[Any] | None, list[Box]]:
    """Return the mask of an image, and the boxes, both in its pixels as they are stored.

    Parameters
    ----------
    planes
        The image's leading axes, height and width.

    Raises
    ------
    ValueError
        When there is no mask, or it cannot be read, or a box lies outside the image.
    """
    if task.problem:
        raise FileError(task.problem)
    mask = None
    if task.mask is not None:
        mask, notes = read_mask(task.mask, planes, source.orientation, wanted.threshold, wanted.layout)
        for sentence in notes:
            note(sentence)
        if isinstance(mask, np.ndarray):
            ask_if_inverted(task, int(mask.sum()), mask.size, note)
    return mask, clip_boxes(place_boxes(source, planes, wanted, note), planes[-2], planes[-1], note)


def ask_if_inverted(task: Task, holes: int, pixels: int, note: Note) -> None:
    """Ask about a mask of which most is a hole; that all is one is an error later on."""
    if pixels / 2 < holes < pixels:
        note(f"{task.mask} makes holes of {100 * holes / pixels:.0f} % of {task.input}: is it inverted?")


def place_boxes(source: ImageFile, planes: tuple[int, ...], wanted: Wanted, note: Note) -> Sequence[Sequence[int]]:
    """Return boxes in pixels of the image as it is stored."""
    height, width = planes[-2:]
    orientation, boxes = source.orientation, wanted.boxes
    if orientation == UPRIGHT or not boxes or wanted.layout == "stored":
        return boxes
    stored = [store_box(box, orientation, height, width) for box in boxes]
    if wanted.layout == "displayed":
        return stored
    shown = display(np.empty((0, height, width)), orientation).shape[1:]
    if not all(map(_fits((height, width)), boxes)) and all(map(_fits(shown), boxes)):
        note(f"{source.path} is displayed turned, and the boxes fit only there: they are taken so")
        return stored
    note(f"{source.path} is displayed turned: boxes are in pixels as they are stored, or as displayed with "
         "--orientation displayed")  # fmt: skip
    return boxes


def _fits(size: Sequence[int]) -> Callable[[Sequence[int]], bool]:
    return lambda box: min(box[:2]) >= 0 and box[2] <= size[0] and box[3] <= size[1]


def clip_boxes(boxes: Sequence[Sequence[int]], height: int, width: int, note: Note) -> list[Box]:
    """Clip boxes to the image and say so.

    Raises
    ------
    ValueError
        When a box has no pixel in the image.
    """
    clipped = []
    for box in map(to_box, boxes):
        inside = box.clip(height, width)
        if inside is None:
            raise ValueError(f"the box {tuple(box)} lies outside the image of {height} x {width} pixels: "
                             "name top, left, bottom and right (y0 x0 y1 x1)")  # fmt: skip
        if inside != box:
            note(f"the box {tuple(box)} is clipped to {tuple(inside)}, the image has {height} x {width} pixels")
        clipped.append(inside)
    return clipped
