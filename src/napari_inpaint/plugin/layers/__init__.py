"""Between napari's layers and the engine's arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_inpaint.plugin.layers.frame import Slices as Slices
    from napari_inpaint.plugin.layers.job import read_job as read_job

__all__ = ["Slices", "read_job"]


def __getattr__(name: str) -> Any:
    """Import what copied snippets use when they use it."""
    if name == "Slices":
        from napari_inpaint.plugin.layers.frame import Slices

        return Slices
    if name == "read_job":
        from napari_inpaint.plugin.layers.job import read_job

        return read_job
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
