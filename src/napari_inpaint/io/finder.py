"""Which masks belong to which images: found by their names, as people and programs give them."""

from __future__ import annotations

import bisect
import fnmatch
import functools
import glob
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_inpaint.io.formats import FileError
from napari_inpaint.io.images import FORMATS
from napari_inpaint.io.zarr import is_zarr

if TYPE_CHECKING:
    from collections.abc import Callable

    Form = Callable[[str], str]
    """Gives names that count as the same one form."""

MARK = r"[._-]mask[._-]?\d*"
"""What people add to the name of an image for that of its mask."""


def image_stem(name: str) -> str:
    """Return a name without an image's suffix: all other dots belong to it, as in ``scan.2024.01.05``."""
    suffix = Path(name).suffix
    return name[: -len(suffix)] if suffix.lower() in FORMATS else name


def same_letters(name: str) -> str:
    """Return a name with letters of one form: some file systems keep an umlaut as one character, others as two."""
    return unicodedata.normalize("NFC", name)


def same_case(name: str) -> str:
    """Return a name whose case does not count either."""
    return same_letters(same_letters(name).casefold())


@dataclass(frozen=True, slots=True)
class Found:
    """What was found for an image."""

    mask: Path | None
    """None when there is no mask, or it is not clear which it is."""
    problem: str = ""
    """Then: what was looked for, or what was found."""
    candidates: tuple[Path, ...] = ()
    """All whose names fit; none of them is an image to fill."""


class MaskFinder:
    """Finds masks by the names of their images.

    Parameters
    ----------
    pattern
        The name of a mask, a glob in which ``{stem}`` stands for the name of its image without the suffix. Without one,
        a mask is called like its image, whatever the suffixes (``photo.png``, ``photo.jpg.png``), or has a mark too
        (``photo_mask.png``, ``photo-mask.png``, ``photo_mask001.png``).

    Raises
    ------
    FileError
        When the pattern does not hold ``{stem}``, or names a folder.
    """

    def __init__(self, pattern: str | None = None) -> None:
        if pattern is not None and ("{stem}" not in pattern or "/" in pattern):
            raise FileError("--mask-pattern is the name of a mask in which {stem} stands for that of its image, such "
                            f"as '{{stem}}_mask*', not {pattern!r}")  # fmt: skip
        self._pattern = pattern
        self._resolve = functools.cache(Path.resolve)
        self._list = functools.cache(_list_names)

    def find(self, image: Path, folder: Path, inside: Path) -> Found:
        """Find the mask of an image.

        Parameters
        ----------
        image
            Where the image is.
        folder
            Of masks. In the folder of the image itself, a mask's name says more than that of the image.
        inside
            The folder in it that the image's mask is in; its name, too, may be written in other letters.
        """
        for part in inside.parts:
            names = [each.name for each in folder.iterdir()] if folder.is_dir() and not (folder / part).is_dir() else []
            folder /= next((name for name in names if same_case(name) == same_case(part)), part)
        beside = self._resolve(image.parent) == self._resolve(folder)
        for form in (same_letters, same_case):  # another case counts where there is no better name
            fitting = self._fitting(image.name, folder, form, beside)
            if candidates := [path for path in fitting if path.suffix.lower() in FORMATS]:
                break
        if len(candidates) == 1:
            return Found(candidates[0], "", tuple(candidates))
        own = [path for path in candidates if same_letters(path.name) == same_letters(image.name)]
        stem = image_stem(image.name)
        rivals = [path for path in candidates if same_case(image_stem(path.name)) != same_case(stem)]
        if own and not rivals:  # photo.png and photo.tif are masks of photo.png and photo.tif
            return Found(own[0], "", tuple(candidates))
        if candidates:
            several = ", ".join(path.name for path in candidates)
            problem = f"{image} has {len(candidates)} masks in {folder}, {several}: leave one, or add --mask-pattern"
        elif not folder.is_dir():
            problem = f"{image} has no mask: {folder} is no folder"
        else:
            shown = (stem + ".*", image.name + ".*", stem + "_mask*", stem + "-mask*")
            wanted = self._pattern.replace("{stem}", stem) if self._pattern else ", ".join(shown[beside:])
            also = f"; {fitting[0].name} is of no format that is read" if fitting else ""
            problem = (f"{image} has no mask in {folder}: looked for {wanted} ({', '.join(FORMATS)}){also}; for other "
                       "names, add --mask-pattern")  # fmt: skip
        return Found(None, problem, tuple(candidates))

    def _fitting(self, image: str, folder: Path, form: Form, beside: bool) -> list[Path]:
        """Return the files whose names fit, in order; also those of formats that are not read."""
        stem, image = form(image_stem(image)), form(image)
        if self._pattern is None:
            names = f"(?:{re.escape(stem)}|{re.escape(image)})"
            fits = re.compile(f"{names}{MARK}|{re.escape(image)}" if beside else f"{names}(?:{MARK})?").fullmatch
            start = stem
        else:
            before = self._pattern.partition("{stem}")[0]
            fits = re.compile(fnmatch.translate(form(self._pattern).replace("{stem}", glob.escape(stem)))).match
            start = "" if glob.has_magic(before) else form(before) + stem
        names_in_order, paths = self._list(folder, form)
        found = []
        for index in range(bisect.bisect_left(names_in_order, start), len(names_in_order)):
            name = names_in_order[index]
            if not name.startswith(start):
                break
            bare = name[: -len(Path(name).suffix)] if Path(name).suffix else name
            if not (beside and name == image) and (fits(bare) or (self._pattern is not None and fits(name))):
                found.append(paths[index])
        return found


def _list_names(folder: Path, form: Form) -> tuple[list[str], list[Path]]:
    """Return the names in a folder, in one form and in order, and the paths that they belong to; not hidden ones."""
    if not folder.is_dir():
        return [], []
    found = sorted((form(path.name), path) for path in folder.iterdir() if path.name[0] != "." and _may_be_image(path))
    return [name for name, _ in found], [path for _, path in found]


def _may_be_image(path: Path) -> bool:
    """Return whether something is a file, a zarr store, or a broken link, which is named when it is to be read."""
    return path.is_file() or is_zarr(path) or (path.is_symlink() and not path.exists())
