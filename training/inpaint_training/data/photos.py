"""Read photos from files, folders and tar archives, one after the other."""

from __future__ import annotations

import io
import lzma
import tarfile
import zlib
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
    for source in sources:  # all of them, before the first is read
        if not source.exists():
            raise ValueError(f"{source}: no such file or folder")
        if source.is_file() and source.suffix.lower() not in SUFFIXES and not tarfile.is_tarfile(source):
            raise ValueError(f"{source}: neither a folder, a tar archive nor a photo ({', '.join(sorted(SUFFIXES))})")
    for source in sources:
        if source.is_dir():
            for path in sorted(source.rglob("*")):
                if path.suffix.lower() in SUFFIXES and path.is_file():
                    yield path.as_posix(), path.read_bytes()
        elif source.suffix.lower() in SUFFIXES:
            yield source.as_posix(), source.read_bytes()
        else:
            yield from _iterate_tar(source)


def _iterate_tar(source: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(source) as archive:
            for member in archive:
                if member.isfile() and Path(member.name).suffix.lower() in SUFFIXES:
                    file = archive.extractfile(member)
                    assert file is not None
                    yield f"{source.as_posix()}/{member.name}", file.read()
            if source.suffix == ".tar" and source.stat().st_size < archive.offset + tarfile.BLOCKSIZE:
                raise EOFError("its end mark is missing")
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise ValueError(f"{source} is cut off or damaged ({error}): copy it again") from error


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
            if image.mode.startswith(("I", "F")):
                raise BadPhotoError(f"has pixels of type {image.mode}, not 8 bits a channel: convert it first")
            photo = ImageOps.exif_transpose(image).convert("RGB")
    except BadPhotoError:
        raise
    except UnidentifiedImageError:
        raise BadPhotoError("not readable: no image of a known format") from None
    except (OSError, Image.DecompressionBombError, SyntaxError, ValueError) as error:
        raise BadPhotoError(f"not readable: {error}") from error
    return scale_down(photo, short_side) if short_side else photo


def scale_down(photo: Image.Image, short_side: int) -> Image.Image:
    """Scale a photo so that its short side has this many pixels; smaller photos stay as they are."""
    scale = short_side / min(photo.size)
    if scale >= 1:
        return photo
    size = (max(short_side, round(photo.width * scale)), max(short_side, round(photo.height * scale)))
    return photo.resize(size, Image.Resampling.LANCZOS)
