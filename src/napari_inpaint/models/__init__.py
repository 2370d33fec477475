"""The bundled models: ONNX files, described in MODEL_CARD.md."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

DEFAULT = "compact"
"""The best bundled model."""


def bundled_models() -> dict[str, Path]:
    """Return the bundled models' files by name."""
    folder = Path(str(files(__name__)))
    return {path.stem: path for path in sorted(folder.glob("*.onnx"))}
