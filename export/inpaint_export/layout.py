"""The layout ``nhwc-uint8``: one picture and its mask as other programs hold them in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from napari_inpaint.inference.contract import BYTE_LAYOUT, COMPLETION, FILLED, IMAGE, LAYOUTS, MASK

if TYPE_CHECKING:
    from collections.abc import Sequence

FLOAT, BYTE, BOOL = ir.DataType.FLOAT, ir.DataType.UINT8, ir.DataType.BOOL


def to_bytes(model: ir.Model) -> None:
    """Change a model of layout ``nchw-float`` into one that takes and gives bytes, in place.

    The picture is filled where the mask is not 0, and is what it was everywhere else.
    """
    graph, axes = model.graph, LAYOUTS[BYTE_LAYOUT]
    image, mask = (ir.Value(name=name, shape=ir.Shape(axes.inputs[name]), type=ir.TensorType(BYTE))
                   for name in (IMAGE, MASK))  # fmt: skip
    completion = next(value for value in graph.outputs if value.name == COMPLETION)
    completion.name = "finish.completion"
    before, after = ir.tape.Tape(), ir.tape.Tape()

    def add(tape: ir.tape.Tape, operator: str, inputs: Sequence[ir.Value], name: str, dtype: ir.DataType,
            **attributes: int | list[int]) -> ir.Value:  # fmt: skip
        output = ir.Value(name=name, type=ir.TensorType(dtype))
        return tape.op(operator, inputs, attributes, name=name, output=output)

    def constant(value: float | list[int], dtype: type[np.generic], name: str) -> ir.Value:
        tensor = ir.tensor(np.array(value, dtype), name=name)
        graph.register_initializer(ir.Value(name=name, const_value=tensor))
        return graph.initializers[name]

    white = constant(255, np.float32, "white")
    x = add(before, "Cast", [image], "input.float", FLOAT, to=FLOAT)  # H, W, 3
    x = add(before, "Div", [x, white], "input.scaled", FLOAT)  # H, W, 3
    x = add(before, "Transpose", [x], "input.channels_first", FLOAT, perm=[2, 0, 1])  # 3, H, W
    x = add(before, "Unsqueeze", [x, constant([0], np.int64, "axis_0")], "input.image", FLOAT)  # 1, 3, H, W
    hole = add(before, "Cast", [mask], "input.hole", BOOL, to=BOOL)  # H, W
    m = add(before, "Cast", [hole], "input.hole_float", FLOAT, to=FLOAT)  # H, W
    m = add(before, "Unsqueeze", [m, constant([0, 1], np.int64, "axes_01")], "input.mask", FLOAT)  # 1, 1, H, W

    y = add(after, "Squeeze", [completion, graph.initializers["axis_0"]], "output.completion", FLOAT)  # 3, H, W
    y = add(after, "Transpose", [y], "output.channels_last", FLOAT, perm=[1, 2, 0])  # H, W, 3
    y = add(after, "Mul", [y, white], "output.scaled", FLOAT)  # H, W, 3
    y = add(after, "Round", [y], "output.rounded", FLOAT)  # H, W, 3
    y = add(after, "Cast", [y], "output.bytes", BYTE, to=BYTE)  # H, W, 3
    hole = add(after, "Unsqueeze", [hole, constant([2], np.int64, "axis_2")], "output.hole", BOOL)  # H, W, 1
    filled = add(after, "Where", [hole, y, image], FILLED, BYTE)  # H, W, 3
    filled.shape = ir.Shape(axes.outputs[FILLED])

    for old, new in zip(graph.inputs, (x, m), strict=True):
        old.replace_all_uses_with(new)
    graph.inputs[:] = [image, mask]
    graph.outputs[:] = [filled]
    graph.insert_before(graph[0], before.nodes)
    graph.extend(after.nodes)
    RemoveUnusedNodesPass()(model)
