"""The files that an export writes: nothing of the user's is lost, nothing is left half-written."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from typing import TYPE_CHECKING

from napari_inpaint.io.atomic import stage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


def check_targets(paths: Iterable[Path], overwrite: bool) -> None:
    """Raise `ValueError` when a file cannot be written, or is there already and must not be replaced."""
    for path in paths:
        if path.is_dir():
            raise ValueError(f"{path} is a folder: name a file")
        if (path.exists() or path.is_symlink()) and not overwrite:
            raise ValueError(f"{path} exists: name another file, or add --overwrite")
        if not path.parent.is_dir():
            raise ValueError(f"{path.parent} is no folder")
        try:
            tempfile.TemporaryFile(dir=path.parent).close()
        except OSError as error:
            raise ValueError(f"{path} cannot be written: {error.strerror}") from error


def write_files(files: Mapping[Path, bytes], overwrite: bool) -> None:
    """Write files; all are on disk, whole, before the first of them gets its name.

    Raises
    ------
    ValueError
        When one cannot be written, or has appeared in the meantime.
    """
    check_targets(files, overwrite)
    with ExitStack() as stack:
        files_on_disk = []
        for path, data in files.items():
            try:
                staged = stack.enter_context(stage(path))
                staged.write(data)
            except OSError as error:
                raise ValueError(f"{path} cannot be written: {error.strerror or error}") from error
            files_on_disk.append(staged)
        for staged in files_on_disk:
            staged.appear()
