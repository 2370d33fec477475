"""The bundled models: ONNX files, described in MODEL_CARD.md. A file is called NAME.PRECISION.onnx."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

DEFAULT = "landscape"
"""The best bundled model."""
NOT_BUNDLED = ("landscape-refined",)
"""Models that were bundled; their checkpoints are in the repository."""


def bundled_models() -> dict[str, dict[str, Path]]:
    """Return the bundled models' files by name and precision."""
    models: dict[str, dict[str, Path]] = {}
    for path in sorted(Path(str(files(__name__))).glob("*.*.onnx")):
        name, precision = path.stem.rsplit(".", 1)
        models.setdefault(name, {})[precision] = path
    return models
