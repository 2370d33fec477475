"""Exif orientation: pictures that are stored in another layout than they are displayed in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PIL import ExifTags, Image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

UPRIGHT = 1
TURNS = {
    1: (False, False, False), 2: (False, True, False), 3: (True, True, False), 4: (True, False, False),
    5: (False, False, True), 6: (True, False, True), 7: (True, True, True), 8: (False, True, True),
}  # fmt: skip
"""From stored to displayed: whether rows are reversed, whether columns are, and whether both are swapped after that."""


def read_orientation(exif: bytes | Image.Exif | None) -> int:
    """Return what Exif data say of the orientation, 1 to 8; 1 when they say nothing that has a meaning."""
    if isinstance(exif, bytes):
        data, exif = exif, Image.Exif()
        try:
            exif.load(data)
        except Exception:  # damaged data raise many kinds, and say nothing
            return UPRIGHT
    return known_orientation(None if exif is None else exif.get(ExifTags.Base.Orientation))


def known_orientation(value: object) -> int:
    """Return an orientation when it is one, else 1."""
    return value if isinstance(value, int) and value in TURNS else UPRIGHT


def encode_orientation(orientation: int) -> Image.Exif:
    """Return Exif data that say an orientation, and nothing else."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return exif


def display(stored: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return an array (..., H, W) as it is displayed; a view."""
    rows, columns, swap = TURNS[orientation]
    turned = stored[..., :: -1 if rows else 1, :: -1 if columns else 1]
    return turned.swapaxes(-2, -1) if swap else turned


def store(displayed: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return an array (..., H, W) as it is stored, when it is displayed so; a view: `display` backwards."""
    rows, columns, swap = TURNS[orientation]
    turned = displayed.swapaxes(-2, -1) if swap else displayed
    return turned[..., :: -1 if rows else 1, :: -1 if columns else 1]


def store_box(box: Sequence[int], orientation: int, height: int, width: int) -> tuple[int, int, int, int]:
    """Return a box y0, x0, y1, x1 of the displayed picture, in pixels of the stored one of this size."""
    rows, columns, swap = TURNS[orientation]
    y0, x0, y1, x1 = (box[1], box[0], box[3], box[2]) if swap else box
    y0, y1 = (height - y1, height - y0) if rows else (y0, y1)
    x0, x1 = (width - x1, width - x0) if columns else (x0, x1)
    return y0, x0, y1, x1
