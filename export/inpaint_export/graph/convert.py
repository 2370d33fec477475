"""From a network to an ONNX model in float32."""

from __future__ import annotations

import copy
import logging
import warnings
from importlib.metadata import version
from itertools import pairwise
from typing import TYPE_CHECKING

import onnx
import onnx_ir as ir
import torch
from onnx_ir.passes.common import ClearMetadataAndDocStringPass
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from inpaint_export.graph.graph import ExportWrapper
from inpaint_export.graph.naming import name_nodes
from inpaint_export.graph.portable import to_portable
from napari_inpaint.inference.runtime.contract import FLOAT_LAYOUT, LAYOUTS

if TYPE_CHECKING:
    from inpaint_training.networks.generator import Generator
    from napari_inpaint.inference.runtime.contract import Layout, ModelSpec

OPSETS = {"fp32": 18, "fp16": 18, "int8": 19}
"""The oldest opset that each precision needs; the older, the more runtimes read it. ONNX's reference evaluator knows
DequantizeLinear from 19 on."""
NEWEST_OPSET = 23
"""The newest that PyTorch writes by itself."""


def to_onnx(network: Generator, opset: int = OPSETS["fp32"]) -> ir.Model:
    """Return the network with pre- and post-processing as an ONNX model: float32, layout ``nchw-float``.

    Parameters
    ----------
    network
        In evaluation mode; it is not changed.
    opset
        At least 18.

    Raises
    ------
    ValueError
        When PyTorch cannot write the opset.
    """
    layout = LAYOUTS[FLOAT_LAYOUT]
    side = network.minimum_side + network.size_multiple
    example = (torch.rand(2, 3, side, side + 8), torch.zeros(2, 1, side, side + 8))
    free = torch.export.Dim.DYNAMIC
    dynamic = {
        name: {axis: free for axis, size in enumerate(axes) if isinstance(size, str)}
        for name, axes in layout.inputs.items()
    }
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it reports every missing optional package
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # and uses deprecated parts of itself
        program = torch.onnx.export(
            ExportWrapper(fold_batch_norms(network)).eval(), example, input_names=list(layout.inputs),
            output_names=list(layout.outputs), dynamic_shapes=dynamic, opset_version=opset, dynamo=True, verbose=False,
        )  # fmt: skip
    assert program is not None
    model: ir.Model = program.model
    written = model.graph.opset_imports[""]
    if written != opset:
        raise ValueError(f"torch.onnx writes opset {written} instead of {opset}: choose another --opset")
    name_nodes(model.graph)
    to_portable(model.graph)
    ClearMetadataAndDocStringPass()(model)
    set_axes(model.graph, layout.inputs | layout.outputs)
    return model


def choose_opset(opset: int | None, precision: str) -> int:
    """Return the opset to write: what is asked for, or the oldest that the precision needs.

    Raises
    ------
    ValueError
        When it is too old or too new.
    """
    oldest = OPSETS[precision]
    if opset is not None and not oldest <= opset <= NEWEST_OPSET:
        raise ValueError(f"--opset must be {oldest} to {NEWEST_OPSET} for {precision}, not {opset}")
    return opset or oldest


def to_file(model: ir.Model, spec: ModelSpec) -> onnx.ModelProto:
    """Return what is written to disk: checked, with a description for people and the metadata for programs."""
    model.producer_name, model.producer_version = "napari-inpaint", version("napari-inpaint")
    model.doc_string = describe_tensors(LAYOUTS[spec.layout])
    model.metadata_props.update(spec.to_metadata())
    proto = ir.to_proto(model)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def describe_tensors(layout: Layout) -> str:
    """Return what goes in and comes out, for people who open the file."""
    lines = ["Fills holes in images of any size (H, W >= 1)."]
    for kind, tensors in (("Input", layout.inputs), ("Output", layout.outputs)):
        for name, axes in tensors.items():
            lines.append(f"{kind} {name}, {layout.element} ({', '.join(map(str, axes))}): {layout.meanings[name]}.")
    return "\n".join(lines)


def fold_batch_norms(network: Generator) -> Generator:
    """Return a copy in which every BatchNorm that follows a convolution is part of its weights."""
    network = copy.deepcopy(network)
    for parent in list(network.modules()):
        for (name, conv), (norm_name, norm) in pairwise(list(parent.named_children())):
            if isinstance(conv, nn.Conv2d | nn.ConvTranspose2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(parent, name, fuse_conv_bn_eval(conv, norm, isinstance(conv, nn.ConvTranspose2d)))
                setattr(parent, norm_name, nn.Identity())
    return network


def set_axes(graph: ir.Graph, axes: dict[str, tuple[str | int, ...]]) -> None:
    """Give inputs and outputs the axes of the contract, and drop the sizes that the exporter calls by its own names."""
    for value in (*graph.inputs, *graph.outputs):
        assert value.name is not None
        value.shape = ir.Shape(axes[value.name])
        value.metadata_props.clear()
    for node in graph:
        for output in node.outputs:
            if not output.is_graph_output():
                output.shape = None
    graph.name = "completion"
