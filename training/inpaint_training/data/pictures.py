"""From images of any kind to what is stored and cut: planes of grey or of colours, and where they hold no value."""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from inpaint_training.data.photos import BadPhotoError, decode_upright, scale_down, scale_hidden
from napari_inpaint.errors import first_line
from napari_inpaint.inference.inputs.values import channel_groups, check_dtype, find_hidden
from napari_inpaint.io.formats import FileError, ImageFile, find_channels
from napari_inpaint.io.images import open_image
from napari_inpaint.io.masks import read_mask
from napari_inpaint.io.orientation import display, read_orientation
from napari_inpaint.io.zarr import is_zarr

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from inpaint_training.data.sources import Source

PHOTO_SIDE = 350
"""Shorter photos are left out, as in the student report: they give blurred crops."""
NATIVE_SIDE = 96
"""Shorter images are left out: no recipe has crops that are as small."""
PHOTO_FORMATS = ("JPEG 2000", "JPEG XL", "AVIF", "GIF")
"""Where they hold one picture of 8 bits, it is a photo, like those of the formats that Pillow decodes fast."""
MOST_HIDDEN = 0.5
"""Images of which a larger share holds no value are left out."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One plane of an image: what is stored, and what crops are cut from."""

    name: str
    file: str
    """What it is a plane of."""
    pixels: NDArray[Any]
    """uint8, uint16 or float32, (H, W, 1) or (H, W, 3); finite."""
    hidden: NDArray[np.bool_] | None = None
    """(H, W), True where it holds no value; None when it does everywhere."""
    native: bool = False
    """Whether its scale is its own: it was not scaled, and is no photo to be scaled."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How large images are stored."""

    short_side: int | None = None
    """Larger photos are scaled down to it; None: none are."""
    native: bool = False
    """Photos keep their scale too, and may be small."""

    @property
    def target(self) -> int | None:
        """The short side that photos are scaled down to."""
        return None if self.native else self.short_side


def read_pictures(source: Source, scale: Scale) -> tuple[Iterable[Picture], list[str]]:
    """Read an image: all of its planes, and of several images in a file all of them.

    Parameters
    ----------
    source
        What is read.
    scale
        Of photos of 8 bits; all others keep theirs.

    Returns
    -------
    pictures
        A list, or read while one iterates, where they do not all lie in memory.
    notes
        What the user should know; complete when all pictures are read.

    Raises
    ------
    BadPhotoError
        When it cannot be read.
    """
    if source.problem:
        raise BadPhotoError(f"not clear: {source.problem}")
    try:
        if source.array is None and not (source.path and is_zarr(source.path)):
            data = source.read()
            if (photo := decode_upright(data, scale.target)) is not None:
                return _from_photo(source, data, photo, scale)
        if source.data is None:
            return _from_images(source, scale)
        return _from_member(source, source.data, scale)
    except (FileError, ImportError, OSError) as error:
        raise BadPhotoError(f"not readable: {error}") from error


def _from_member(source: Source, data: bytes, scale: Scale) -> tuple[Iterable[Picture], list[str]]:
    """Read a member of an archive: the readers take files."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, Path(source.name).name)
        path.write_bytes(data)
        try:
            pictures, notes = _from_images(source, scale, path)
            return list(pictures), notes
        except (FileError, BadPhotoError) as error:
            raise BadPhotoError(f"not readable: {str(error).replace(str(path), source.name)}") from error


def _from_photo(
    source: Source, data: bytes, decoded: tuple[Image.Image, NDArray[np.bool_] | None], scale: Scale
) -> tuple[list[Picture], list[str]]:
    photo, hidden = decoded
    notes: list[str] = []
    if source.mask is not None:
        stored, orientation = _measure(data)
        mask = read_mask(source.mask, stored, orientation)
        damage = display(_to_bool(mask.holes), orientation)
        notes += mask.notes
        hidden = damage if hidden is None else damage | hidden
    return [_scale(Picture(source.name, source.name, np.empty(0), hidden), photo, scale)], notes


def scale_photo(picture: Picture, scale: Scale) -> Picture:
    """Return a photo of 8 bits as it is stored: scaled down, with what it hides."""
    pixels = picture.pixels
    return _scale(picture, Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels), scale)


def _scale(picture: Picture, photo: Image.Image, scale: Scale) -> Picture:
    if scale.target:
        photo = scale_down(photo, scale.target)
    hidden = None if picture.hidden is None else _or_none(scale_hidden(picture.hidden, photo.size))
    pixels = np.asarray(photo).reshape(photo.height, photo.width, -1)
    return replace(picture, pixels=pixels, hidden=hidden, native=scale.native)


def _measure(data: bytes) -> tuple[tuple[int, int], int]:
    """Return the height and width of a photo as it is stored, and its orientation."""
    with Image.open(BytesIO(data)) as image:
        return (image.height, image.width), read_orientation(image.getexif())


def _from_images(source: Source, scale: Scale, path: Path | None = None) -> tuple[Iterable[Picture], list[str]]:
    """Open an image, a store or an array; of several images in a file, the others are read one after the other."""
    path = path or source.path or Path(source.name)
    if source.array is not None:
        first = ImageFile(path, source.array, find_channels(tuple(source.array.shape)), "ARRAY")
    else:
        first = open_image(path, 0)
    notes: list[str] = []
    if "series" in first.options:
        planes = _from_image(source, f"{source.name}[image 0]", first, scale, notes)
        return itertools.chain(planes, _read_others(source, path, scale, notes)), notes
    return _from_image(source, source.name, first, scale, notes), notes


def _from_image(source: Source, name: str, image: ImageFile, scale: Scale, notes: list[str]) -> Iterable[Picture]:
    """Return the planes of an image, a list when it is in memory; a photo of a format of its own is a photo too."""
    notes += image.notes
    damage = None
    if source.mask is not None:
        mask = read_mask(source.mask, _planes(image), image.orientation)
        damage = mask.holes
        notes += mask.notes
    planes = iterate_planes(name, source.name, image, damage)
    if not isinstance(image.pixels, np.ndarray):
        return planes
    if image.format in PHOTO_FORMATS and image.pixels.dtype == np.uint8 and len(_planes(image)) == 2:
        return [scale_photo(picture, scale) for picture in planes]
    return list(planes)


def _read_others(source: Source, path: Path, scale: Scale, notes: list[str]) -> Iterator[Picture]:
    """Yield the planes of all images of a file behind the first."""
    for number in itertools.count(1):
        try:
            planes = _from_image(source, f"{source.name}[image {number}]", open_image(path, number), scale, notes)
        except FileError as error:
            if "has no image" in str(error):
                return
            raise BadPhotoError(f"not readable: image {number} cannot be read, {error}") from error
        yield from planes


def _planes(image: ImageFile) -> tuple[int, ...]:
    """Return the lengths of all axes but that of the channels."""
    return tuple(length for axis, length in enumerate(image.pixels.shape) if axis != image.channel_axis)


def iterate_planes(name: str, file: str, image: ImageFile, damage: Any = None) -> Iterator[Picture]:
    """Yield every plane of an image: three channels are colours, every other one is a plane of its own.

    Parameters
    ----------
    name
        Of the image; that of a plane has its place behind it, as in ``file.tif[3, c1]``.
    file
        What the planes belong to.
    image
        As it was read; a lazy array is read plane by plane.
    damage : array, optional
        Of the planes' shape or (H, W), not 0 where the image is damaged.

    Raises
    ------
    BadPhotoError
        When it has no rows and columns, or no numbers, or a plane cannot be read.
    """
    shape = _planes(image)
    try:
        check_dtype(np.dtype(image.pixels.dtype))
    except ValueError as error:
        raise BadPhotoError(f"not readable: {error}") from error
    if len(shape) < 2 or 0 in image.pixels.shape:
        raise BadPhotoError(f"not readable: it has the shape {tuple(image.pixels.shape)}, without rows and columns")
    channels = 1 if image.channel_axis is None else image.pixels.shape[image.channel_axis]
    groups = channel_groups(channels, image.alpha)
    for plane in np.ndindex(shape[:-2]):
        try:
            pixels, masked = _read_plane(image, plane)
        except MemoryError:
            raise
        except Exception as error:  # stores and lazy arrays raise many kinds
            raise BadPhotoError(f"not readable: plane {plane} cannot be read, {first_line(error)}") from error
        hidden = find_hidden(pixels, image.nodata, image.alpha) | masked
        if damage is not None:
            hidden |= _to_bool(damage[plane] if len(damage.shape) > 2 else damage)
        for group in groups:
            place = [f"c{at}" if axis == image.named_channels else str(at) for axis, at in enumerate(plane)]
            place += [_name_group(group)] if len(groups) > 1 else []
            values, unknown = to_stored(pixels[..., group], hidden)
            yield Picture(
                f"{name}[{', '.join(place)}]" if place else name, file,
                _display(values, image.orientation), _or_none(display(unknown, image.orientation)), native=True,
            )  # fmt: skip


def _name_group(group: slice) -> str:
    return f"c{group.start}" if group.stop - group.start == 1 else f"c{group.start}-{group.stop - 1}"


def _read_plane(image: ImageFile, plane: tuple[int, ...]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return the pixels of a plane, (H, W, C), and where they are masked, (H, W)."""
    index: list[int | slice] = [*plane, slice(None), slice(None)]
    if image.channel_axis is not None:
        index.insert(image.channel_axis, slice(None))
    values = image.pixels[tuple(index)]
    values = values if isinstance(values, np.ma.MaskedArray) else np.asarray(values)
    if image.channel_axis is None:
        values = values[..., None]
    else:
        values = np.moveaxis(values, max(image.channel_axis - len(plane), 0), -1)
    return np.asarray(values), np.asarray(np.ma.getmaskarray(values).any(-1))


def to_stored(pixels: NDArray[Any], hidden: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return pixels, (H, W, C), in a dtype that is stored, and where they hold no value, now with what is not finite.

    uint8 and uint16 stay, booleans become 0 and 255, all else becomes float32.
    """
    if pixels.dtype == np.bool_:
        return np.asarray(pixels * np.uint8(255)), hidden
    if pixels.dtype.kind == "u" and pixels.dtype.itemsize <= 2:
        return pixels.astype(pixels.dtype.newbyteorder("="), copy=False), hidden
    with np.errstate(over="ignore", invalid="ignore"):
        floats = pixels.astype(np.float32)
    finite = np.isfinite(floats)
    return np.where(finite, floats, np.float32(0)), np.asarray(hidden | ~finite.all(-1))


def _display(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    return np.moveaxis(display(np.moveaxis(pixels, -1, 0), orientation), 0, -1)


def _to_bool(mask: Any) -> NDArray[np.bool_]:
    return np.asarray(np.asarray(mask[...]) != 0)


def _or_none(hidden: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    return hidden if hidden is not None and hidden.any() else None


def refuse_useless(picture: Picture) -> None:
    """Raise `BadPhotoError` for a picture that nothing can be learnt from: too small, constant, or without values."""
    height, width, _ = picture.pixels.shape
    least = NATIVE_SIDE if picture.native else PHOTO_SIDE
    if min(height, width) < least:
        remedy = "" if picture.native else (
            f"; --native keeps images at their own scale, as micrographs need it, and takes them from {NATIVE_SIDE} on"
        )  # fmt: skip
        raise BadPhotoError(f"too small: it has only {width} x {height} pixels, the least is {least} on a side{remedy}")
    known = picture.pixels
    if picture.hidden is not None:
        share = float(picture.hidden.mean())
        if share > MOST_HIDDEN:
            raise BadPhotoError(f"mostly empty: {100 * share:.0f} % of its pixels hold no value, or are damaged")
        known = picture.pixels[~picture.hidden]
    if (known == known.reshape(-1, known.shape[-1])[0]).all():
        raise BadPhotoError("constant: all of its pixels are the same, so that nothing can be learnt from it")
