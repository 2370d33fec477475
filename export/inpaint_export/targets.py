"""What is exported, and the files that are written: nothing of the user's is lost, nothing is left half-written."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_inpaint.inference.runtime.contract import FLOAT_LAYOUT, LAYOUTS, PRECISIONS
from napari_inpaint.io.atomic import stage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path
PROOFS = ("quick", "full")
"""Comparisons with PyTorch: of small pictures, or of large ones too."""


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """What is exported, and where to; `inpaint-export --help` says what each means."""

    checkpoint: Path
    model: Path
    precision: str = "fp32"
    calibrate: Path | None = None
    layout: str = FLOAT_LAYOUT
    opset: int | None = None
    bioimageio: Path | None = None
    overwrite: bool = False
    proof: str = "full"

    @property
    def targets(self) -> list[Path]:
        """What is written."""
        return [path for path in (self.model, self.bioimageio) if path]

    def check(self) -> None:
        """Raise `ValueError` when options do not fit together."""
        for value, known, what in (
            (self.precision, PRECISIONS, "precision"), (self.layout, LAYOUTS, "layout"), (self.proof, PROOFS, "proof"),
        ):  # fmt: skip
            if value not in known:
                raise ValueError(f"no {what} {value!r}: choose one of {', '.join(known)}")
        if (self.precision == "int8") != (self.calibrate is not None):
            raise ValueError("--precision int8 and --calibrate PHOTOS go together")
        if self.bioimageio and self.layout != FLOAT_LAYOUT:
            raise ValueError(f"--bioimageio takes the layout {FLOAT_LAYOUT} only: its programs give batches of float "
                             "images")  # fmt: skip
        for path, suffix in ((self.model, ".onnx"), (self.bioimageio, ".zip")):
            if path and path.suffix != suffix:
                raise ValueError(f"{path}: name a file that ends in {suffix}")


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
