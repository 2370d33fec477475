"""Export completion networks to self-describing ONNX files, and prove them equal to PyTorch.

>>> from inpaint_export import export
>>> export("runs/mine", "mine.onnx")  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inpaint_export.api import ExportResult as ExportResult
    from inpaint_export.api import export as export

__all__ = ["ExportResult", "export"]


def __getattr__(name: str) -> Any:
    """Import the public names when they are first used, so that importing the package costs nothing."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("inpaint_export.api"), name)


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted([*globals(), *__all__])
