"""Layers in half precision; everything before and after them stays in float32."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from inpaint_export.graph.editing import change_weight, weight
from inpaint_export.graph.naming import in_layers

FLOAT, HALF = ir.DataType.FLOAT, ir.DataType.FLOAT16


def to_half(model: ir.Model) -> None:
    """Change the layers' weights and arithmetic to float16, in place.

    The smooth start, the residual's sum and the composite stay in float32, so known pixels are not rounded. Sizes and
    scales of resizing layers stay what the standard wants.

    Raises
    ------
    ValueError
        When a weight is larger than half precision can hold.
    """
    graph = model.graph
    layers = [node for node in graph if in_layers(node)]
    halves: dict[ir.Value, ir.Value] = {}
    for node in layers:
        operands = node.inputs[:1] if node.op_type == "Resize" else node.inputs
        for index, value in enumerate(operands):
            if value is None or value.dtype != FLOAT:
                continue
            if value.is_initializer():
                largest = float(np.abs(weight(value)).max(initial=0))
                if largest > float(np.finfo(np.float16).max):
                    raise ValueError(f"{value.name} reaches {largest:g}, half precision 65504: use --precision fp32")
                change_weight(value, weight(value).astype(np.float16))
            elif (producer := value.producer()) is None or not in_layers(producer):
                if value not in halves:
                    cast = ir.node("Cast", [value], {"to": HALF}, name=f"{node.name}.to_half")
                    node.prepend(cast)
                    halves[value] = _named(cast, HALF)
                node.replace_input_with(index, halves[value])
    for node in layers:
        for output in node.outputs:
            if output.dtype != FLOAT:
                continue
            output.dtype = HALF
            outside = [use for use in output.uses() if not in_layers(use.node)]
            if outside:
                cast = ir.node("Cast", [output], {"to": FLOAT}, name=f"{node.name}.to_float")
                node.append(cast)
                restored = _named(cast, FLOAT)
                for use in outside:
                    use.node.replace_input_with(use.idx, restored)


def _named(node: ir.Node, dtype: ir.DataType) -> ir.Value:
    """Return a node's output, named like the node."""
    output = node.outputs[0]
    output.name, output.dtype = node.name, dtype
    return output
