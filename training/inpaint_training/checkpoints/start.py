"""What training starts from: a checkpoint, a run, a bundled model by its name, or a model file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from inpaint_training.checkpoints.checkpoint import INDEX, RECIPE, Checkpoint, read_checkpoint
from napari_inpaint.errors import first_line
from napari_inpaint.models import bundled_models

if TYPE_CHECKING:
    from torch import Tensor

    from inpaint_training.recipes.recipe import Network

WEIGHTS = Path("weights")
"""Where a clone of the repository has the checkpoints of bundled models; they have critics, model files have none."""
EXACT = ("fp32", "fp16")
"""Precisions of model files that training can start from, the better one first."""


def find_start(path: Path) -> Checkpoint | Path:
    """Return the checkpoint, or the model file, that a path or a name means.

    Parameters
    ----------
    path
        A checkpoint, a run, a model file, or the name of a bundled model, whose checkpoint is looked for in the folder
        `WEIGHTS` before its model file is taken.

    Raises
    ------
    ValueError
        When there is none, or it cannot be read.
    """
    name, bundled = path.as_posix(), bundled_models()
    if path.is_file():
        return path
    if not path.exists() and (WEIGHTS / path / RECIPE).is_file():
        return read_checkpoint(WEIGHTS / path)
    if not path.exists() and name in bundled:
        exact = [bundled[name][precision] for precision in EXACT if precision in bundled[name]]
        if not exact:
            raise ValueError(f"{name} is bundled in {', '.join(bundled[name])} only: name a checkpoint")
        return exact[0]
    if not path.exists() or not ((path / RECIPE).is_file() or (path / INDEX).is_file()):
        raise ValueError(f"{path} is neither a checkpoint, a run, a model file nor a bundled model "
                         f"({', '.join(bundled)})")  # fmt: skip
    return read_checkpoint(path)


def read_model_weights(path: Path, network: Network) -> dict[str, Tensor]:
    """Return the weights of a model file by the names that they have in training.

    Parameters
    ----------
    path
        An ONNX file that `inpaint-export` wrote, of fp32 (its weights are exact) or fp16.
    network
        Which the file must hold.

    Raises
    ------
    ValueError
        When the file is no such model, is of int8, or holds another network.
    ImportError
        When onnx is not installed.
    """
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise ImportError(f'starting from {path} needs onnx: pip install "napari-inpaint[export]"') from error
    try:
        model = onnx.load(path)
        held = {each.name: each for each in model.graph.initializer}
        precision = {each.key: each.value for each in model.metadata_props}.get("napari_inpaint.precision")
    except Exception as error:  # of protobuf's own kinds
        raise ValueError(f"{path} is no model file: {first_line(error)}") from error
    if precision is None:
        raise ValueError(f"{path} is no model file of napari-inpaint, and training cannot start from it")
    if precision not in EXACT:
        raise ValueError(f"{path} has weights of {precision}, which are rounded too much to train on: name a "
                         f"checkpoint, or a file of {' or '.join(EXACT)}")  # fmt: skip
    weights = {}
    for name, own in network.build().state_dict().items():
        found = held.get(name.replace("layers.", "", 1))
        if found is None or tuple(found.dims) != tuple(own.shape):
            shape = "missing" if found is None else tuple(found.dims)
            raise ValueError(f"{path} holds another network than the recipe asks for: {name} is {shape}, not "
                             f"{tuple(own.shape)}")  # fmt: skip
        weights[name] = torch.from_numpy(numpy_helper.to_array(found).copy()).to(own.dtype)
    if not all(x.isfinite().all() for x in weights.values()):
        raise ValueError(f"{path} has weights that are no numbers: take another file")
    return weights
