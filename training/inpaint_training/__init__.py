"""Train completion networks: data sets, networks, recipes, the training loop, evaluation.

>>> from inpaint_training import evaluate, fit, pack
>>> dataset = pack("my-micrographs", "data/mine", native=True)  # doctest: +SKIP
>>> run = fit("compact", dataset, "runs/mine", max_minutes=60)  # doctest: +SKIP
>>> evaluate("other-micrographs", [run]).table  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from napari_inpaint.errors import name_missing

if TYPE_CHECKING:
    from inpaint_training.api import EvaluationResult as EvaluationResult
    from inpaint_training.api import FitResult as FitResult
    from inpaint_training.api import PackResult as PackResult
    from inpaint_training.api import evaluate as evaluate
    from inpaint_training.api import fit as fit
    from inpaint_training.api import pack as pack
    from inpaint_training.progress import CancelledError as CancelledError
    from inpaint_training.progress import ProgressReport as ProgressReport

_HOMES = {
    "CancelledError": "inpaint_training.progress",
    "EvaluationResult": "inpaint_training.api",
    "FitResult": "inpaint_training.api",
    "PackResult": "inpaint_training.api",
    "ProgressReport": "inpaint_training.progress",
    "evaluate": "inpaint_training.api",
    "fit": "inpaint_training.api",
    "pack": "inpaint_training.api",
}
__all__ = ["CancelledError", "EvaluationResult", "FitResult", "PackResult", "ProgressReport", "evaluate", "fit", "pack"]


def __getattr__(name: str) -> Any:
    """Import the public names when they are first used, so that importing the package costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(_HOMES[name]), name)
    except ImportError as error:
        raise ImportError(name_missing(error, "train")) from error


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted([*globals(), *__all__])
