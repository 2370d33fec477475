"""What is packed and evaluated, one after the other: files, folders, tar archives, zarr stores, arrays."""

from __future__ import annotations

import lzma
import os
import tarfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_inpaint.io.finder import MaskFinder
from napari_inpaint.io.images import FORMATS
from napari_inpaint.io.zarr import is_zarr

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_inpaint.io.finder import Found

SUFFIXES = set(FORMATS)
"""Of the files in folders and archives that are images."""


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """An image that is not read yet."""

    name: str
    path: Path | None = None
    """Of a file or a zarr store."""
    data: bytes | None = None
    """Of a member of an archive, undecoded."""
    array: Any = None
    """Of the Python API: numpy's, or a lazy one."""
    inside: Path = Path()
    """The folder that it lies in, relative to the folder or archive that was named."""
    mask: Path | None = None
    """What is damaged in it."""
    problem: str = ""
    """Why it cannot be used, when that is known before it is read."""

    def read(self) -> bytes:
        """Return the undecoded bytes of a file."""
        if self.data is not None:
            return self.data
        assert self.path is not None
        return self.path.read_bytes()


def iterate_sources(inputs: Sequence[Any], masks: Path | None = None, pattern: str | None = None) -> Iterator[Source]:
    """Yield every image, in a fixed order.

    Parameters
    ----------
    inputs
        Image files, zarr stores, folders (searched recursively), tar archives; or arrays, named by their numbers.
    masks
        Of damage: one for all images, or a folder of masks, whose names `MaskFinder` knows. An image without one has no
        damage. The masks themselves are no images.
    pattern
        How masks are called, where that is another way; without ``masks``, they lie beside their images.

    Raises
    ------
    ValueError
        When an input does not exist or is of another kind, an archive is cut off, or there are no such masks.
    """
    for each in inputs:  # all of them, before the first is read
        if isinstance(each, Path) and not each.exists():
            raise ValueError(f"{each}: no such file or folder")
        if _is_archive(each) and not tarfile.is_tarfile(each):
            raise ValueError(f"{each}: neither a folder, a zarr store, a tar archive nor an image "
                             f"({', '.join(sorted(SUFFIXES))})")  # fmt: skip
    if masks is not None and not masks.exists():
        raise ValueError(f"--masks {masks}: no such file or folder")
    if masks is not None and (masks.is_file() or is_zarr(masks)):
        if pattern is not None:
            raise ValueError(f"--mask-pattern is for folders of masks, and {masks} is none: leave one of them out")
        for source in _iterate(inputs):
            if source.path is None or source.path.resolve() != masks.resolve():
                yield replace(source, mask=masks)
    elif masks is not None or pattern is not None:
        yield from _with_own_masks(inputs, masks, pattern)
    else:
        yield from _iterate(inputs)


def _is_archive(each: Any) -> bool:
    return isinstance(each, Path) and each.is_file() and each.suffix.lower() not in SUFFIXES


def _iterate(inputs: Sequence[Any]) -> Iterator[Source]:
    for number, each in enumerate(inputs):
        if not isinstance(each, Path):
            yield Source(f"array {number}", array=each)
        elif each.is_dir() and not is_zarr(each):
            for path in _walk(each):
                yield Source(path.as_posix(), path, inside=path.relative_to(each).parent)
        elif _is_archive(each):
            yield from _iterate_tar(each)
        else:
            yield Source(each.as_posix(), each)


def _with_own_masks(inputs: Sequence[Any], masks: Path | None, pattern: str | None) -> Iterator[Source]:
    finder = MaskFinder(pattern)

    def find(source: Source) -> Found:
        where = source.path or Path(source.name)
        return finder.find(where, masks or where.parent, source.inside if masks else Path())

    listed = [source for source in _iterate([each for each in inputs if not _is_archive(each)]) if source.path]
    taken = {path.resolve() for source in listed for path in find(source).candidates}
    for source in _iterate(inputs):
        place = source.path.resolve() if source.path else None
        if place is None or (place not in taken and not _lies_among(place, source.inside, masks)):
            mask = find(source)
            yield replace(source, mask=mask.mask, problem=mask.problem if mask.candidates and not mask.mask else "")


def _lies_among(place: Path, inside: Path, masks: Path | None) -> bool:
    """Return whether an image lies in the folder of masks, and that in the folder of images."""
    folder = masks.resolve() if masks else None
    return folder in place.parents and place.parents[len(inside.parts)] in folder.parents if folder else False


def _walk(folder: Path) -> list[Path]:
    """Return the images in a folder, in the order of their names; what lies inside a zarr store is none."""
    found: list[Path] = []
    for parent, folders, files in os.walk(folder):
        stores = [name for name in folders if is_zarr(Path(parent, name))]
        folders[:] = [name for name in folders if name not in stores]
        found += (Path(parent, name) for name in stores)
        images = (Path(parent, name) for name in files if Path(name).suffix.lower() in SUFFIXES)
        found += (path for path in images if path.is_file())
    return sorted(found)


def _iterate_tar(path: Path) -> Iterator[Source]:
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                if member.isfile() and Path(member.name).suffix.lower() in SUFFIXES:
                    file = archive.extractfile(member)
                    assert file is not None
                    inside = Path(member.name).parent
                    yield Source(f"{path.as_posix()}/{member.name}", data=file.read(), inside=inside)
            if path.suffix == ".tar" and path.stat().st_size < archive.offset + tarfile.BLOCKSIZE:
                raise EOFError("its end mark is missing")
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise ValueError(f"{path} is cut off or damaged ({error}): copy it again") from error
