"""The layout ``nhwc-uint8``: one picture and its mask as other programs hold them in memory."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from inpaint_export.graph.editing import add_node, constant
from napari_inpaint.inference.runtime.contract import BYTE_LAYOUT, COMPLETION, FILLED, IMAGE, LAYOUTS, MASK

FLOAT, BYTE, BOOL = ir.DataType.FLOAT, ir.DataType.UINT8, ir.DataType.BOOL


def to_bytes(model: ir.Model) -> None:
    """Change a model of layout ``nchw-float`` into one that takes and gives bytes, in place.

    The picture is filled where the mask is not 0, and is what it was everywhere else.
    """
    graph, layout = model.graph, LAYOUTS[BYTE_LAYOUT]
    image, mask = (ir.Value(name=name, shape=ir.Shape(layout.inputs[name]), type=ir.TensorType(BYTE))
                   for name in (IMAGE, MASK))  # fmt: skip
    completion = next(value for value in graph.outputs if value.name == COMPLETION)
    completion.name = "finish.completion"
    before, after = ir.tape.Tape(), ir.tape.Tape()

    white = constant(graph, np.array(255, np.float32), "white")
    axis_0, axes_01, axis_2 = (constant(graph, np.array(axes, np.int64), f"axes {axes}") for axes in ([0], [0, 1], [2]))
    x = add_node(before, "Cast", [image], "input.float", FLOAT, to=FLOAT)  # H, W, 3
    x = add_node(before, "Div", [x, white], "input.scaled", FLOAT)  # H, W, 3
    x = add_node(before, "Transpose", [x], "input.channels_first", FLOAT, perm=[2, 0, 1])  # 3, H, W
    x = add_node(before, "Unsqueeze", [x, axis_0], "input.image", FLOAT)  # 1, 3, H, W
    hole = add_node(before, "Cast", [mask], "input.hole", BOOL, to=BOOL)  # H, W
    m = add_node(before, "Cast", [hole], "input.hole_float", FLOAT, to=FLOAT)  # H, W
    m = add_node(before, "Unsqueeze", [m, axes_01], "input.mask", FLOAT)  # 1, 1, H, W

    y = add_node(after, "Squeeze", [completion, axis_0], "output.completion", FLOAT)  # 3, H, W
    y = add_node(after, "Transpose", [y], "output.channels_last", FLOAT, perm=[1, 2, 0])  # H, W, 3
    y = add_node(after, "Mul", [y, white], "output.scaled", FLOAT)  # H, W, 3
    y = add_node(after, "Round", [y], "output.rounded", FLOAT)  # H, W, 3
    y = add_node(after, "Cast", [y], "output.bytes", BYTE, to=BYTE)  # H, W, 3
    hole = add_node(after, "Unsqueeze", [hole, axis_2], "output.hole", BOOL)  # H, W, 1
    filled = add_node(after, "Where", [hole, y, image], FILLED, BYTE)  # H, W, 3
    filled.shape = ir.Shape(layout.outputs[FILLED])

    for old, new in zip(graph.inputs, (x, m), strict=True):
        old.replace_all_uses_with(new)
    graph.inputs[:] = [image, mask]
    graph.outputs[:] = [filled]
    graph.insert_before(graph[0], before.nodes)
    graph.extend(after.nodes)
    RemoveUnusedNodesPass()(model)
