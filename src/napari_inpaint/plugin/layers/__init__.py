"""Between napari's layers and the engine's arrays."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_inpaint.plugin.layers.frame import Slices as Slices
    from napari_inpaint.plugin.layers.job import read_job as read_job

_HOMES = {"Slices": "frame", "read_job": "job"}
__all__ = ["Slices", "read_job"]


def __getattr__(name: str) -> Any:
    """Import what copied snippets use when they use it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
