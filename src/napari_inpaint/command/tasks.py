"""From the words of inpaint-fill to files: what is read, and where its result goes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from napari_inpaint.command.skipped import why_skipped
from napari_inpaint.io.finder import Found, MaskFinder, image_stem
from napari_inpaint.io.formats import FileError
from napari_inpaint.io.images import FORMATS, STREAM
from napari_inpaint.io.zarr import is_zarr

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAPS = (".tif", ".tiff", ".npy", ".npz")
"""What maps of where pixels came from can be; in folders they are the first."""


@dataclass(frozen=True, slots=True)
class Task:
    """One image to fill."""

    input: Path
    output: Path
    mask: Path | None
    synthetic: Path | None
    """Where the mask of what was made up goes."""
    record: Path | None
    overwrite: bool = False
    """Whether outputs that are there may be replaced."""
    problem: str = ""
    """Why it cannot be filled, when that is known before it is read."""
    offsets: Path | None = None
    """Where the map of what was copied from where goes."""

    @property
    def written(self) -> tuple[Path, ...]:
        """All files that it writes."""
        paths = self.output, self.synthetic, self.offsets, self.record
        return tuple(path for path in paths if path is not None)


class Tasks(NamedTuple):
    """What is to be done."""

    tasks: list[Task]
    """In the order of their names."""
    many: bool
    """Whether outputs are files in a folder: then those that are finished may be skipped."""
    skipped: dict[Path, str]
    """What lies in the folders and is not filled, and why."""


def plan_tasks(
    inputs: Sequence[Path],
    output: Path | None,
    mask: Path | None,
    synthetic: Path | None,
    record: bool,
    overwrite: bool = False,
    mask_pattern: str | None = None,
    offsets: Path | None = None,
) -> Tasks:
    """Say what becomes of what.

    Parameters
    ----------
    inputs
        Files and folders; folders are searched for images, whose structure is kept in the output.
    output
        A file for one file, a folder for several, and for a folder; None when nothing will be written.
    mask
        One for all, or a folder of masks, whose names `MaskFinder` knows. Masks that lie beside images are not filled.
    synthetic
        A file, or a folder, as ``output``.
    record
        Whether a record goes to a JSON file beside every output.
    overwrite
        Whether outputs that are there may be replaced.
    mask_pattern
        How masks are called, where that is another way; without ``mask``, they lie beside their images.
    offsets
        A file, or a folder, as ``output``; a file must end as one of `MAPS`.

    Raises
    ------
    FileError
        When a folder holds no image, two outputs are one file, an output is an input, the pattern is none, or
        ``offsets`` is no file of a map, or no folder.
    """
    writes = output is not None
    output = output or Path("nowhere")
    many = len(inputs) > 1 or is_folder(inputs[0]) or is_folder(output)
    if output == STREAM and (many or record):
        raise FileError("only one image, without a record beside it, can go to standard output: name a file or folder")
    if offsets is not None and many == (offsets.suffix.lower() in MAPS):
        raise FileError(f"{offsets} must be a folder, as there are several images" if many else
                        f"{offsets} must end in .tif, .npy or .npz")  # fmt: skip
    _refuse_pipes(inputs, mask, many)
    found: list[tuple[Path, Path]] = []
    skipped: dict[Path, str] = {}
    others = {each.resolve() for each in (output, mask, synthetic, offsets) if each}
    for path in inputs:
        if is_folder(path):
            images = sorted(find_images(path, others, skipped))
            if not images:
                raise FileError(f"{path} holds no image ({', '.join(FORMATS)})")
            found += [(image, image.relative_to(path)) for image in images]
        else:
            found.append((path, Path(path.name)))
    tasks = []
    for image, name, found_mask in _find_masks(found, mask, mask_pattern):
        target = output / name if many else output
        tasks.append(Task(
            image, target, found_mask.mask, _beside(synthetic, name, many, ".png"),
            target.with_name(target.name + ".json") if record else None, overwrite, found_mask.problem,
            _beside(offsets, name, many, MAPS[0]),
        ))  # fmt: skip
    if not writes:
        return Tasks(tasks, many, skipped)
    _refuse_clashes(tasks, many)
    if many:
        for task in tasks:
            _refuse_links(output, task.output)
            if task.record is not None:
                _refuse_links(output, task.record)
            for folder, beside in ((synthetic, task.synthetic), (offsets, task.offsets)):
                if folder is not None and beside is not None:
                    _refuse_links(folder, beside)
    return Tasks(tasks, many, skipped)


def _refuse_links(folder: Path, path: Path) -> None:
    """Refuse to write somewhere else than where the user said, through a link that is there already."""
    if path.is_symlink() or folder.resolve() not in path.resolve().parents:
        raise FileError(f"{path} is, or lies behind, a link out of {folder}: remove the link, or name another folder")


def is_finished(task: Task) -> bool:
    """Return whether a task's output is there."""
    return task.output.is_file() or is_zarr(task.output)


def is_folder(path: Path) -> bool:
    """Return whether a path is a folder of images; a zarr store is an image."""
    return path != STREAM and path.is_dir() and not is_zarr(path)


def find_images(folder: Path, others: set[Path], skipped: dict[Path, str]) -> Iterator[Path]:
    """Yield all images in a folder, and what cannot be read; not hidden ones, nor the other folders that lie inside.

    All else that is there, and why it is skipped, goes into ``skipped``.
    """
    unreadable: list[Path] = []

    def remember(error: OSError) -> None:
        unreadable.append(Path(str(error.filename)))

    for parent, folders, files in os.walk(folder, onerror=remember):
        folders[:] = [name for name in folders if name[0] != "." and Path(parent, name).resolve() not in others]
        apart = [name for name in folders if is_zarr(Path(parent, name)) or Path(parent, name).is_symlink()]
        folders[:] = [name for name in folders if name not in apart]
        for path in (Path(parent, name) for name in (*apart, *files) if name[0] != "."):
            if reason := why_skipped(path):
                skipped[path] = reason
            else:
                yield path
    yield from unreadable


def _beside(folder: Path | None, name: Path, many: bool, suffix: str) -> Path | None:
    return folder if folder is None or not many else folder / name.with_name(f"{image_stem(name.name)}{suffix}")


def _find_masks(
    images: Sequence[tuple[Path, Path]], mask: Path | None, pattern: str | None
) -> list[tuple[Path, Path, Found]]:
    """Add to each image what was found for it, and leave out the masks of others."""
    if pattern is None and (mask is None or not is_folder(mask)):
        return [(image, name, Found(mask)) for image, name in images]
    if mask is not None and not is_folder(mask):
        raise FileError(f"--mask-pattern is for folders of masks, and {mask} is none: leave one of them out")
    finder = MaskFinder(pattern)
    found = [
        (image, name, finder.find(image, mask or image.parent, name.parent if mask else Path()))
        for image, name in images
    ]
    masks = {path.resolve() for *_, each in found for path in each.candidates}
    left = [each for each in found if each[0].resolve() not in masks] if masks else found
    if not left:
        raise FileError(f"{images[0][0]} is the mask of another input, as all others are: name the images to fill")
    return left


def _refuse_pipes(inputs: Sequence[Path], mask: Path | None, many: bool) -> None:
    """Refuse to read twice what can be read once."""
    if mask is None or (mask != STREAM and (mask.is_file() or mask.is_dir() or not mask.exists())):
        return
    if mask == STREAM and STREAM in inputs:
        raise FileError("standard input is one file, the image or the mask: name the other one")
    if many:
        raise FileError(f"{mask} is a pipe, which can be read once: for several images, keep the mask in a file")


def _refuse_clashes(tasks: Sequence[Task], many: bool) -> None:
    written: dict[Path, Path] = {}
    inputs = {path.resolve() for task in tasks for path in (task.input, task.mask) if path is not None}
    for task in tasks:
        for path in task.written:
            place = path.resolve()
            replaces = not many and path == task.output and place == task.input.resolve()  # where that is asked
            if place in inputs and not replaces:
                raise FileError(f"{path} is an input too: write to another folder")
            if place in written:
                raise FileError(f"{task.input} and {written[place]} would both be written to {path}")
            written[place] = task.input
