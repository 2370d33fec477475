"""Read photos from files, folders and tar archives, one after the other."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageOps, UnidentifiedImageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"}


class BadPhotoError(ValueError):
    """A photo that cannot be used, and why."""


def iterate_photos(sources: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the undecoded bytes of every photo, in a fixed order.

    Parameters
    ----------
    sources
        Photo files, folders (searched recursively) or tar archives.

    Raises
    ------
    ValueError
        When a source does not exist or is of another kind.
    """
    for source in sources:
        if source.is_dir():
            for path in sorted(source.rglob("*")):
                if path.suffix.lower() in SUFFIXES and path.is_file():
                    yield path.relative_to(source).as_posix(), path.read_bytes()
        elif not source.is_file():
            raise ValueError(f"{source}: no such file or folder")
        elif source.suffix.lower() in SUFFIXES:
            yield source.name, source.read_bytes()
        elif tarfile.is_tarfile(source):
            with tarfile.open(source) as archive:
                for member in archive:
                    if Path(member.name).suffix.lower() in SUFFIXES and (file := archive.extractfile(member)):
                        yield member.name, file.read()
        else:
            raise ValueError(f"{source}: neither a folder, a tar archive nor a photo ({', '.join(sorted(SUFFIXES))})")


def decode_photo(data: bytes, short_side: int | None = None) -> Image.Image:
    """Decode a photo to upright RGB.

    Parameters
    ----------
    data
        The file's bytes.
    short_side
        Scale the photo down so that its short side has this many pixels; smaller photos stay as they are.

    Raises
    ------
    BadPhotoError
        When the bytes are no image, or a broken one.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            if short_side:
                image.draft("RGB", (short_side, short_side))  # JPEG: decode at a fraction of the size
            photo = ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, SyntaxError, ValueError) as error:
        raise BadPhotoError(f"not readable: {error}") from error
    if short_side and min(photo.size) > short_side:
        scale = short_side / min(photo.size)
        size = (max(short_side, round(photo.width * scale)), max(short_side, round(photo.height * scale)))
        photo = photo.resize(size, Image.Resampling.LANCZOS)
    return photo
