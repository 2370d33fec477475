"""The files that an export writes: nothing of the user's is lost, nothing is left half-written."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PREFIX = ".inpaint-export-"


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
        partial = {}
        for path, data in files.items():
            try:
                # in the target's folder, so that it only needs a new name at the end
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix=PREFIX, dir=path.parent))
                partial[path] = Path(folder) / "file"
                partial[path].write_bytes(data)
            except OSError as error:
                raise ValueError(f"{path} cannot be written: {error.strerror}") from error
        for path, written in partial.items():
            written.replace(path)
