"""Fill holes in images of any dtype and dimension with a neural network.

>>> from napari_inpaint import fill
>>> result = fill(image, boxes=[(64, 64, 192, 192)])  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_inpaint.inference.cancelling import FillCancelledError as FillCancelledError
    from napari_inpaint.inference.copying.origins import INVENTED as INVENTED
    from napari_inpaint.inference.copying.origins import read_offsets as read_offsets
    from napari_inpaint.inference.default import fill as fill
    from napari_inpaint.inference.inpainter import Inpainter as Inpainter
    from napari_inpaint.inference.inputs.boxes import Box as Box

__version__ = "0.1.0"
_HOMES = {
    "Box": "napari_inpaint.inference.inputs.boxes",
    "FillCancelledError": "napari_inpaint.inference.cancelling",
    "INVENTED": "napari_inpaint.inference.copying.origins",
    "Inpainter": "napari_inpaint.inference.inpainter",
    "fill": "napari_inpaint.inference.default",
    "read_offsets": "napari_inpaint.inference.copying.origins",
}
__all__ = ["INVENTED", "Box", "FillCancelledError", "Inpainter", "__version__", "fill", "read_offsets"]


def __getattr__(name: str) -> Any:
    """Import the public names when they are first used, so that importing the package costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted([*globals(), *__all__])
