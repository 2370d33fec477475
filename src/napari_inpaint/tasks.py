"""From the words of inpaint-fill to files: what is read, and where its result goes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_inpaint.files import FORMATS, FileError

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Task:
    """One image to fill."""

    input: Path
    output: Path
    mask: Path | None
    synthetic: Path | None
    """Where the mask of what was made up goes."""
    record: Path | None

    @property
    def written(self) -> tuple[Path, ...]:
        """All files that it writes."""
        return tuple(path for path in (self.output, self.synthetic, self.record) if path is not None)


def plan_tasks(
    inputs: Sequence[Path], output: Path, mask: Path | None, synthetic: Path | None, record: bool
) -> tuple[list[Task], bool]:
    """Say what becomes of what.

    Parameters
    ----------
    inputs
        Files and folders; folders are searched for images, whose structure is kept in the output.
    output
        A file for one file, a folder for several, and for a folder.
    mask
        One for all, or a folder of masks that are called like the images, whatever their format.
    synthetic
        A file, or a folder, as ``output``.
    record
        Whether a record goes to a JSON file beside every output.

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
    there = output.resolve()

    def is_result(image: Path, folder: Path) -> bool:
        """Return whether an image is of an earlier run, whose output is inside the input."""
        return there != folder.resolve() and there in image.resolve().parents

    many = len(inputs) > 1 or inputs[0].is_dir() or output.is_dir()
    found: list[tuple[Path, Path]] = []
    for path in inputs:
        if path.is_dir():
            images = sorted(
                each for each in path.rglob("*")
                if each.suffix.lower() in FORMATS and each.is_file() and not is_result(each, path)
            )  # fmt: skip
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
            target.with_name(target.name + ".json") if record else None,
        ))  # fmt: skip
    _refuse_clashes(tasks, many)
    return tasks, many


def _beside(folder: Path, name: Path, many: bool) -> Path:
    return (folder / name).with_suffix(".png") if many else folder


def _find_mask(mask: Path | None, name: Path) -> Path | None:
    if mask is None or not mask.is_dir():
        return mask
    for suffix in (name.suffix, *FORMATS):
        if (candidate := (mask / name).with_suffix(suffix)).is_file():
            return candidate
    return mask / name  # that it is not there is said when its image's turn comes: others are filled


def _refuse_clashes(tasks: Sequence[Task], many: bool) -> None:
    written: dict[Path, Path] = {}
    inputs = {task.input.resolve() for task in tasks}
    for task in tasks:
        for path in task.written:
            place = path.resolve()
            if place in inputs and (many or path != task.output):  # one file may be replaced, where that is asked for
                raise FileError(f"{path} is an input too: write to another folder")
            if place in written:
                raise FileError(f"{task.input} and {written[place]} would both be written to {path}")
            written[place] = task.input
