"""From a checkpoint to an ONNX model."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING

import onnx
import torch

from inpaint_export.graph import CompletionGraph
from inpaint_training.spec import describe
from napari_inpaint.inference.contract import AXES, INPUTS, OUTPUTS

if TYPE_CHECKING:
    from inpaint_training.config import ExportableNetwork
    from napari_inpaint.inference.contract import ModelSpec

__all__ = ["OPSET", "describe", "name_axes", "to_onnx"]

OPSET = 18
"""The oldest opset that the graph needs; older runtimes read it too."""

DESCRIPTION = """Fills holes in images. Inputs: image, float32 RGB in 0..1, (N, 3, H, W); mask, float32 (N, 1, H, W),
1 inside holes, 0 where pixels are known. Outputs: completion, the network's image; composite, the image with its holes
filled from the completion. Any N, H, W >= 1. What lies under a hole does not matter."""


def to_onnx(network: ExportableNetwork, spec: ModelSpec, opset: int = OPSET) -> onnx.ModelProto:
    """Return the network with pre- and post-processing as an ONNX model that describes itself.

    Parameters
    ----------
    network
        In evaluation mode.
    spec
        What the file says about itself.
    opset
        At least 18.

    Raises
    ------
    ValueError
        When the opset is not supported.
    """
    if not OPSET <= opset <= onnx.defs.onnx_opset_version():
        raise ValueError(f"--opset must be {OPSET} to {onnx.defs.onnx_opset_version()}, not {opset}")
    side = network.minimum_side + network.size_multiple
    example = (torch.rand(2, 3, side, side + 8), torch.zeros(2, 1, side, side + 8))
    dynamic = {name: {axis: torch.export.Dim.DYNAMIC for axis, size in enumerate(AXES[name]) if isinstance(size, str)}
               for name in INPUTS}  # fmt: skip
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it reports every missing optional package
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # and uses deprecated parts of itself
        program = torch.onnx.export(
            CompletionGraph(network).eval(), example, input_names=list(INPUTS), output_names=list(OUTPUTS),
            dynamic_shapes=dynamic, opset_version=opset, dynamo=True, verbose=False,
        )  # fmt: skip
    assert program is not None
    model = program.model_proto
    written = model.opset_import[0].version
    if written != opset:
        raise ValueError(f"torch.onnx writes opset {written} instead of {opset}: choose another --opset")
    name_axes(model)
    model.producer_name, model.doc_string = "napari-inpaint", DESCRIPTION
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, spec.to_metadata())
    return model


def name_axes(model: onnx.ModelProto) -> None:
    """Give inputs and outputs the axes of the contract, and drop the exporter's traces."""
    for value in (*model.graph.input, *model.graph.output):
        for dimension, size in zip(value.type.tensor_type.shape.dim, AXES[value.name], strict=True):
            if isinstance(size, str):
                dimension.dim_param = size
            else:
                dimension.dim_value = size
        value.doc_string = ""
        del value.metadata_props[:]
    del model.graph.value_info[:]  # their sizes are the exporter's symbols
    model.graph.name, model.graph.doc_string = "completion", ""
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for function in model.functions:
        function.doc_string = ""
