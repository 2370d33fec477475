"""Small changes to an ONNX graph, for all who rewrite one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx_ir as ir

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray


def weight(value: ir.Value | None) -> NDArray[np.float32]:
    """Return the values of a weight."""
    assert value is not None and value.const_value is not None
    return value.const_value.numpy()


def change_weight(value: ir.Value | None, array: NDArray[np.generic]) -> None:
    """Give a weight other values."""
    assert value is not None
    tensor = ir.tensor(array, name=value.name)
    value.const_value, value.shape, value.dtype = tensor, ir.Shape(array.shape), tensor.dtype


def constant(graph: ir.Graph, array: NDArray[np.generic], name: str) -> ir.Value:
    """Return a constant of the graph; one that has this name already is taken to be the same."""
    if name not in graph.initializers:
        graph.register_initializer(ir.Value(name=name, const_value=ir.tensor(array, name=name)))
    return graph.initializers[name]


def add_node(tape: ir.tape.Tape, operator: str, inputs: Sequence[ir.Value | None], name: str,
             dtype: ir.DataType = ir.DataType.FLOAT, **attributes: int | str | list[int]) -> ir.Value:  # fmt: skip
    """Record a node; return its output, which has the node's name."""
    output = ir.Value(name=name, type=ir.TensorType(dtype))
    return tape.op(operator, inputs, attributes, name=name, output=output)


def leaky_slope(node: ir.Node) -> float:
    """Return what a LeakyRelu multiplies negative values by."""
    return node.attributes["alpha"].as_float() if "alpha" in node.attributes else 0.01
