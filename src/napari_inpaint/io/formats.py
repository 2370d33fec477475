"""What is read from an image file of any format, and what all readers and writers of formats share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_inpaint.io.orientation import UPRIGHT

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


class FileError(ValueError):
    """A file that cannot be read or written, and why."""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A read image and what is needed to write it back the same way."""

    path: Path
    pixels: NDArray[Any]
    """(H, W), (H, W, C), or with leading axes for a stack; a masked array where the file says what is valid."""
    channel_axis: int | None
    format: str
    """PNG, JPEG, WEBP, TIFF, NPY or ZARR."""
    options: dict[str, Any] = field(default_factory=dict)
    """What the writer needs to write the file as it was."""
    alpha: bool = False
    """Whether the last channel is transparency."""
    notes: tuple[str, ...] = ()
    """What the user should know, for example that JPEG is encoded again."""
    nodata: float | None = None
    """A value that stands for none, where the file says so."""
    orientation: int = UPRIGHT
    """How the file says that the picture is turned when it is displayed, as in Exif; pixels are as they are stored."""
    named_channels: int | None = None
    """A leading axis that the file calls one of channels; its planes are filled one by one."""
    levels: tuple[NDArray[Any], ...] = ()
    """Its reduced versions, the largest first, which are rebuilt where it is filled."""


def to_file(
    path: Path, pixels: NDArray[Any], kind: str, options: dict[str, Any], notes: tuple[str, ...], orientation: int
) -> ImageFile:
    """Describe pixels of shape (H, W) or (H, W, C) with 2 (grey and alpha), 3 or 4 (colours and alpha) channels."""
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    return ImageFile(path, pixels, 2 if channels > 1 else None, kind, options, channels in (2, 4), notes,
                     orientation=orientation)  # fmt: skip


def find_channels(shape: tuple[int, ...]) -> int | None:
    """Return the axis of an array that holds channels, as far as its shape tells."""
    return len(shape) - 1 if len(shape) > 2 and shape[-1] in (3, 4) and shape[-2] > 4 else None
