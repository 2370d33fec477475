"""From the words of inpaint-fill to files: what is read, and where its result goes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

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
    offsets: Path | None = None
    """Where the map of what was copied from where goes."""

    @property
    def written(self) -> tuple[Path, ...]:
        """All files that it writes."""
        paths = self.output, self.synthetic, self.offsets, self.record
        return tuple(path for path in paths if path is not None)


def plan_tasks(
    inputs: Sequence[Path],
    output: Path | None,
    mask: Path | None,
    synthetic: Path | None,
    record: bool,
    overwrite: bool = False,
    offsets: Path | None = None,
) -> tuple[list[Task], bool]:
    """Say what becomes of what.

    Parameters
    ----------
    inputs
        Files and folders; folders are searched for images, whose structure is kept in the output.
    output
        A file for one file, a folder for several, and for a folder; None when nothing will be written.
    mask
        One for all, or a folder of masks that are called like the images, whatever their format.
    synthetic
        A file, or a folder, as ``output``.
    record
        Whether a record goes to a JSON file beside every output.
    overwrite
        Whether outputs that are there may be replaced.
    offsets
        A file, or a folder, as ``output``; a file must end as one of `MAPS`.

    Returns
    -------
    tasks
        In the order of their names.
    many
        Whether outputs are files in a folder: then those that are finished may be skipped.

    Raises
    ------
    FileError
        When a folder holds no image, two outputs are one file, an output is an input, or ``offsets`` is no file of a
        map, or no folder.
    """
    writes = output is not None
    output = output or Path("nowhere")
    many = len(inputs) > 1 or is_folder(inputs[0]) or is_folder(output)
    if output == STREAM and (many or record):
        raise FileError("only one image, without a record beside it, can go to standard output: name a file or folder")
    if offsets is not None and many == (offsets.suffix.lower() in MAPS):
        raise FileError(f"{offsets} must be a folder, as there are several images" if many else
                        f"{offsets} must end in .tif, .npy or .npz")  # fmt: skip
    found: list[tuple[Path, Path]] = []
    others = {each.resolve() for each in (output, mask, synthetic, offsets) if each}
    for path in inputs:
        if is_folder(path):
            images = sorted(find_images(path, others))
            if not images:
                raise FileError(f"{path} holds no image ({', '.join(FORMATS)})")
            found += [(image, image.relative_to(path)) for image in images]
        else:
            found.append((path, Path(path.name)))
    tasks = []
    for image, name in found:
        target = output / name if many else output
        tasks.append(Task(
            image, target, _find_mask(mask, name), _beside(synthetic, name, many, ".png"),
            target.with_name(target.name + ".json") if record else None, overwrite,
            _beside(offsets, name, many, MAPS[0]),
        ))  # fmt: skip
    if not writes:
        return tasks, many
    _refuse_clashes(tasks, many)
    if many:
        for task in tasks:
            _refuse_links(output, task.output)
            if task.record is not None:
                _refuse_links(output, task.record)
            for folder, beside in ((synthetic, task.synthetic), (offsets, task.offsets)):
                if folder is not None and beside is not None:
                    _refuse_links(folder, beside)
    return tasks, many


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


def find_images(folder: Path, others: set[Path]) -> Iterator[Path]:
    """Yield all images in a folder, and what cannot be read; not hidden ones, nor the other folders that lie inside."""
    unreadable: list[Path] = []

    def remember(error: OSError) -> None:
        unreadable.append(Path(str(error.filename)))

    for parent, folders, files in os.walk(folder, onerror=remember):
        stores = [name for name in folders if is_zarr(Path(parent, name))]
        folders[:] = [
            name for name in folders
            if name not in stores and name[0] != "." and Path(parent, name).resolve() not in others
        ]  # fmt: skip
        paths = [Path(parent, name) for name in (*stores, *files)]
        for path in paths:
            broken = path.is_symlink() and not path.exists()  # named when its turn comes; pipes and devices never are
            if path.suffix.lower() in FORMATS and path.name[0] != "." and (path.is_file() or broken or is_zarr(path)):
                yield path
    yield from unreadable


def _beside(folder: Path | None, name: Path, many: bool, suffix: str) -> Path | None:
    return folder if folder is None or not many else (folder / name).with_suffix(suffix)


def _find_mask(mask: Path | None, name: Path) -> Path | None:
    if mask is None or not is_folder(mask):
        return mask
    for suffix in (name.suffix, *FORMATS):
        if (candidate := (mask / name).with_suffix(suffix)).is_file():
            return candidate
    return mask / name  # that it is not there is said when its image's turn comes: others are filled


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
