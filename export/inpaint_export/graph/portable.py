"""Operators that some runtimes refuse, as others that all understand and that compute the same."""

from __future__ import annotations

import onnx_ir as ir

from inpaint_export.graph.editing import add_node

UNIT = [1, 1]


def to_portable(graph: ir.Graph) -> None:
    """Rewrite what OpenVINO and OpenCV do not run, in place.

    Raises
    ------
    ValueError
        When an average pool that rounds up has padding already, or windows that do not lie side by side.
    """
    for node in list(graph):
        if node.op_type == "AveragePool" and node.attributes.get_int("ceil_mode"):
            pad_pool(node)
        elif node.op_type == "Clip" and node.outputs[0].dtype == ir.DataType.INT64:
            bound_integers(graph, node)


def pad_pool(node: ir.Node) -> None:
    """Let padding take the place of rounding up: OpenVINO refuses pictures smaller than a window, unless padded.

    The top of the smooth start's pyramid is one. Each output stays the mean of the pixels that exist; only the order in
    which they are summed may change.
    """
    kernel = list(node.attributes["kernel_shape"].as_ints())
    strides, dilations = (list(node.attributes.get_ints(name, UNIT)) for name in ("strides", "dilations"))
    if strides != kernel or dilations != UNIT or any(node.attributes.get_ints("pads", [])):
        raise ValueError(f"{node.name}: only average pools whose windows lie side by side can be rewritten")
    node.attributes.update(
        ceil_mode=ir.AttrInt64("ceil_mode", 0),
        count_include_pad=ir.AttrInt64("count_include_pad", 0),
        pads=ir.AttrInt64s("pads", [0, 0, *(side - 1 for side in kernel)]),
    )


def bound_integers(graph: ir.Graph, node: ir.Node) -> None:
    """Put ``Max`` and ``Min`` in the place of ``Clip``, which OpenCV has for floats only."""
    tape, y = ir.tape.Tape(), node.inputs[0]
    for operator, bound in zip(("Max", "Min"), node.inputs[1:], strict=False):
        if bound is not None:
            name = (node.name or "").replace("clip", operator.lower() + "imum")
            y = add_node(tape, operator, [y, bound], name, ir.DataType.INT64)
    assert y is not None
    graph.insert_before(node, tape.nodes)
    node.outputs[0].replace_all_uses_with(y)
    graph.remove(node, safe=True)
