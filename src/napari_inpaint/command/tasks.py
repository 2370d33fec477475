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

    @property
    def written(self) -> tuple[Path, ...]:
        """All files that it writes."""
        return tuple(path for path in (self.output, self.synthetic, self.record) if path is not None)


def plan_tasks(
    inputs: Sequence[Path],
    output: Path | None,
    mask: Path | None,
    synthetic: Path | None,
    record: bool,
    overwrite: bool = False,
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

    Returns
    -------
    tasks
        In the order of their names.
    many
        Whether outputs are files in a folder: then those that are finished may be skipped.

    Raises
    ------
    FileError
        When a folder holds no image, two outputs are one file, or an output is an input.
    """
    writes = output is not None
    output = output or Path("nowhere")
    many = len(inputs) > 1 or is_folder(inputs[0]) or is_folder(output)
    if output == STREAM and (many or record):
        raise FileError("only one image, without a record beside it, can go to standard output: name a file or folder")
    found: list[tuple[Path, Path]] = []
    for path in inputs:
        if is_folder(path):
            images = sorted(find_images(path, {each.resolve() for each in (output, mask, synthetic) if each}))
            if not images:
                raise FileError(f"{path} holds no image ({', '.join(FORMATS)})")
            found += [(image, image.relative_to(path)) for image in images]
        else:
            found.append((path, Path(path.name)))
    tasks = []
    for image, name in found:
        target = output / name if many else output
        tasks.append(Task(
            image, target, _find_mask(mask, name), None if synthetic is None else _beside(synthetic, name, many),
            target.with_name(target.name + ".json") if record else None, overwrite,
        ))  # fmt: skip
    if not writes:
        return tasks, many
    _refuse_clashes(tasks, many)
    if many:
        for task in tasks:
            _refuse_links(output, task.output)
            if task.record is not None:
                _refuse_links(output, task.record)
            if synthetic is not None and task.synthetic is not None:
                _refuse_links(synthetic, task.synthetic)
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


def _beside(folder: Path, name: Path, many: bool) -> Path:
    return (folder / name).with_suffix(".png") if many else folder


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
            if place in inputs and (many or place != task.input.resolve()):  # one may be replaced, where that is asked
                raise FileError(f"{path} is an input too: write to another folder")
            if place in written:
                raise FileError(f"{task.input} and {written[place]} would both be written to {path}")
            written[place] = task.input
