"""What is read from an image file of any format, and what all readers and writers of formats share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from PIL import Image

from napari_inpaint.io.orientation import UPRIGHT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


class FileError(ValueError):
    """A file that cannot be read or written, and why."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a picture says of itself that several formats can hold."""

    exif: bytes | None = None
    """As in a TIFF: it begins with its byte order."""
    icc: bytes | None = None
    """The colour profile."""
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    """Pixels an inch, across and down."""
    inks: bool = False
    """Whether four channels are cyan, magenta, yellow and black."""
    others: tuple[str, ...] = ()
    """Names of all else, which only its own format can hold."""


NO_METADATA = Metadata()


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A read image and what is needed to write it back the same way."""

    path: Path
    pixels: NDArray[Any]
    """(H, W), (H, W, C), or with leading axes for a stack; a masked array where the file says what is valid."""
    channel_axis: int | None
    format: str
    """One of `napari_inpaint.io.images.FORMATS`."""
    options: dict[str, Any] = field(default_factory=dict)
    """What the writer needs to write the file as it was."""
    alpha: bool = False
    """Whether the last channel is transparency."""
    notes: tuple[str, ...] = ()
    """What the user should know, whatever it is written to."""
    nodata: float | None = None
    """A value that stands for none, where the file says so."""
    orientation: int = UPRIGHT
    """How the file says that the picture is turned when it is displayed, as in Exif; pixels are as they are stored."""
    named_channels: int | None = None
    """A leading axis that the file calls one of channels; its planes are filled one by one."""
    levels: tuple[NDArray[Any], ...] = ()
    """Its reduced versions, the largest first, which are rebuilt where it is filled."""
    metadata: Metadata = NO_METADATA
    """For other formats; what goes back into the same format is among the options."""
    rewriting: tuple[str, ...] = ()
    """Notes that hold when it is written in its own format, for example that JPEG is encoded again."""
    record: dict[str, Any] | None = None
    """Of an earlier fill, where the file holds one."""
    lossy: bool = False
    """Whether the pixels were encoded with loss: black and white may be a few shades."""


def to_file(
    path: Path, pixels: NDArray[Any], kind: str, options: dict[str, Any], notes: tuple[str, ...],
    orientation: int = UPRIGHT, metadata: Metadata = NO_METADATA, rewriting: tuple[str, ...] = (), lossy: bool = False,
) -> ImageFile:  # fmt: skip
    """Describe pixels of shape (H, W) or (H, W, C) with 2 (grey and alpha), 3 or 4 (colours and alpha) channels."""
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    return ImageFile(path, pixels, 2 if channels > 1 else None, kind, options, channels in (2, 4), notes,
                     orientation=orientation, metadata=metadata, rewriting=rewriting, lossy=lossy)  # fmt: skip


def refuse_bombs(height: int, width: int, frames: int = 1) -> None:
    """Refuse a picture that claims more pixels than Pillow reads: for decoders that have no such limit."""
    if Image.MAX_IMAGE_PIXELS and height * width * frames > 2 * Image.MAX_IMAGE_PIXELS:
        raise Image.DecompressionBombError


def name_lost(path: Path, lost: Sequence[str], said: Sequence[str] = ()) -> tuple[str, ...]:
    """Return sentences: what else is said of a file, and what an output does not have any more."""
    return *(f"{path}: {words}" for words in said), *([f"{path}: not kept: {', '.join(lost)}"] if lost else [])


def find_channels(shape: tuple[int, ...]) -> int | None:
    """Return the axis of an array that holds channels, as far as its shape tells."""
    return len(shape) - 1 if len(shape) > 2 and shape[-1] in (3, 4) and shape[-2] > 4 else None
