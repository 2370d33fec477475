"""Average pools as every runtime understands them."""

from __future__ import annotations

import onnx_ir as ir


def pad_pools(graph: ir.Graph) -> None:
    """Rewrite every average pool that rounds its output's size up, in place: padding takes the place of rounding.

    Each output stays the mean of the pixels that exist; only the order of the sums may change. OpenVINO refuses a
    picture that is smaller than a window, as the top of the smooth start's pyramid is, unless it is padded.

    Raises
    ------
    ValueError
        When a pool has padding already, or its windows do not lie side by side.
    """
    for node in graph:
        if node.op_type != "AveragePool" or not node.attributes.get_int("ceil_mode", 0):
            continue
        kernel = list(node.attributes["kernel_shape"].as_ints())
        unit = [1] * len(kernel)
        strides, dilations = (list(node.attributes.get_ints(name, unit)) for name in ("strides", "dilations"))
        if strides != kernel or dilations != unit or any(node.attributes.get_ints("pads", [])):
            raise ValueError(f"{node.name}: only average pools whose windows lie side by side can be rewritten")
        pads = [0] * len(kernel) + [side - 1 for side in kernel]
        node.attributes.update(
            ceil_mode=ir.AttrInt64("ceil_mode", 0),
            count_include_pad=ir.AttrInt64("count_include_pad", 0),
            pads=ir.AttrInt64s("pads", pads),
        )
