"""The public function of this package."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from inpaint_export.targets import ExportSettings, check_targets
from napari_inpaint.errors import name_missing
from napari_inpaint.inference.runtime.contract import FLOAT_LAYOUT

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from napari_inpaint.inference.runtime.contract import ModelSpec


@dataclass(frozen=True, slots=True)
class ExportResult:
    """A model file that was written."""

    model: Path
    """Of the ONNX file."""
    package: Path | None
    """Of the package for the BioImage Model Zoo."""
    spec: ModelSpec
    """What the file says about itself."""
    size: int
    """Of the ONNX file, in bytes."""
    milliseconds: dict[str, float]
    """What a window takes, by what runs it."""

    def __fspath__(self) -> str:
        return str(self.model)


def export(
    checkpoint: str | os.PathLike[str],
    model: str | os.PathLike[str],
    *,
    precision: str = "fp32",
    calibrate: str | os.PathLike[str] | None = None,
    layout: str = FLOAT_LAYOUT,
    opset: int | None = None,
    bioimageio: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    proof: str = "full",
    say: Callable[[str], object] | None = None,
) -> ExportResult:
    """Export a trained network to a self-describing ONNX file, and prove it equal to PyTorch.

    Parameters
    ----------
    checkpoint
        A checkpoint, or a run, which stands for its best one; also what `inpaint_training.fit` returns.
    model
        The file to write, which ends in ``.onnx``.
    precision
        ``fp32``, ``fp16`` or ``int8``.
    calibrate
        For int8: training photos, as a folder, a tar archive or a data set.
    layout
        ``nchw-float`` or ``nhwc-uint8``: what the file takes.
    opset
        Of ONNX; the oldest possible by default.
    bioimageio
        A package for the BioImage Model Zoo to write too, which ends in ``.zip``.
    overwrite
        Replace what is there.
    proof
        How much is compared with PyTorch: ``full``, or ``quick`` for small pictures only, in a tenth of the time.
    say
        Is told line by line what was proved.

    Raises
    ------
    ValueError
        When options do not fit together, the checkpoint cannot be read, a file cannot be written, or the proof fails.
        Nothing is written then.
    ImportError
        When the extra ``export`` is not installed.

    Examples
    --------
    >>> from inpaint_export import export
    >>> export("runs/mine", "mine.onnx", precision="fp16").milliseconds  # doctest: +SKIP
    """

    def to_path(path: str | os.PathLike[str] | None) -> Path | None:
        return None if path is None else Path(path)

    settings = ExportSettings(
        Path(checkpoint),
        Path(model),
        precision,
        to_path(calibrate),
        layout,
        opset,
        to_path(bioimageio),
        overwrite,
        proof,
    )
    settings.check()
    check_targets(settings.targets, settings.overwrite)
    try:
        from inpaint_export import pipeline  # torch and onnx take seconds to import
    except ImportError as error:
        raise ImportError(name_missing(error, "export")) from error
    exported = pipeline.export(settings, say or (lambda _: None))
    return ExportResult(settings.model, settings.bioimageio, exported.spec, exported.size, exported.milliseconds)
