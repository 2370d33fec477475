"""Fill holes in images of any dtype and dimension with a neural network.

>>> from napari_inpaint import fill
>>> result = fill(image, boxes=[(64, 64, 192, 192)])  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_inpaint.inference.cancelling import FillCancelledError as FillCancelledError
    from napari_inpaint.inference.inpainter import Inpainter as Inpainter
    from napari_inpaint.inference.inpainter import fill as fill
    from napari_inpaint.inference.inputs.boxes import Box as Box

__version__ = "0.1.0"
__all__ = ["Box", "FillCancelledError", "Inpainter", "__version__", "fill"]


def __getattr__(name: str) -> Any:
    """Import the public names when they are first used, so that importing the package costs nothing."""
    if name == "Box":
        from napari_inpaint.inference.inputs.boxes import Box

        return Box
    if name == "FillCancelledError":
        from napari_inpaint.inference.cancelling import FillCancelledError

        return FillCancelledError
    if name in ("Inpainter", "fill"):
        from napari_inpaint.inference import inpainter

        return getattr(inpainter, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted([*globals(), *__all__])
