"""Transposed convolutions as convolutions and DepthToSpace, which have int8 kernels; ConvTranspose has none."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Literal

import numpy as np
import onnx_ir as ir

if TYPE_CHECKING:
    from numpy.typing import NDArray

FAR = np.iinfo(np.int32).max
"""A slice's end beyond every picture."""


def to_subpixel(model: ir.Model, kernel: Literal[2, 3] = 2) -> None:
    """Rewrite every transposed convolution of kernel 4 and stride 2, in place and exactly.

    Every output pixel of such a convolution sees 2 x 2 input pixels; which ones, depends on whether its row and column
    are even or odd. These four phases become 4 C channels of one convolution at the input's size (Shi et al. 2016,
    Figure 3).

    Parameters
    ----------
    kernel
        2: a 2 x 2 convolution, of whose output each phase is a slice, shifted by its row and column: the same number of
        multiplications. 3: a 3 x 3 convolution without slices, which multiplies 5 / 9 zeros; here to be measured
        against.
    """
    for node in list(model.graph):
        if node.op_type == "ConvTranspose":
            _replace(model.graph, node, kernel)


def _replace(graph: ir.Graph, node: ir.Node, kernel: int) -> None:
    stem = (node.name or "").rpartition(".")[0]
    x, weight, *bias = node.inputs
    assert x is not None and weight is not None and weight.const_value is not None
    crop = node.attributes["pads"].as_ints()[0]  # 3 behind a reflected border of one pixel, 1 without a border
    if node.attributes["strides"].as_ints() != (2, 2) or crop not in (1, 3) or weight.const_value.shape[2:] != (4, 4):
        raise ValueError(f"{node.name}: only transposed convolutions of kernel 4 and stride 2 can be rewritten")
    channels = weight.const_value.shape[1]
    weight.const_value = ir.tensor(phase_kernels(weight.const_value.numpy(), kernel), name=weight.name)
    weight.shape = ir.Shape(weight.const_value.shape)
    for value in bias:
        assert value is not None and value.const_value is not None
        value.const_value = ir.tensor(np.tile(value.const_value.numpy(), 4), name=value.name)
        value.shape = ir.Shape(value.const_value.shape)

    tape = ir.tape.Tape()

    def add(operator: str, inputs: list[ir.Value | None], name: str, **attributes: int | str | list[int]) -> ir.Value:
        output = ir.Value(name=f"{stem}.{name}", type=ir.TensorType(ir.DataType.FLOAT))
        return tape.op(operator, inputs, attributes, name=output.name, output=output)

    def constant(values: list[int], name: str) -> ir.Value:
        value = ir.Value(name=f"{stem}.{name}", const_value=ir.tensor(np.array(values, np.int64), name=f"{stem}.{name}"))
        graph.register_initializer(value)
        return value

    border = 1 if crop == 1 else 0
    y = add("Conv", [x, weight, *bias], "conv", kernel_shape=[kernel] * 2, pads=[border] * 4)
    if kernel == 2:
        axes = constant([1, 2, 3], "slice.axes")
        phases: list[ir.Value | None] = []
        for number, (row, column) in enumerate(product((0, 1), repeat=2)):
            start = constant([number * channels, row, column], f"slice_{row}{column}.start")
            stop = constant([(number + 1) * channels, FAR if row else -1, FAR if column else -1],
                            f"slice_{row}{column}.stop")  # fmt: skip
            phases.append(add("Slice", [y, start, stop, axes], f"slice_{row}{column}"))
        y = add("Concat", phases, "concat", axis=1)
    y = add("DepthToSpace", [y], "depth_to_space", blocksize=2, mode="DCR")
    graph.insert_before(node, tape.nodes)
    node.outputs[0].replace_all_uses_with(y)
    graph.remove(node, safe=True)


def phase_kernels(weight: NDArray[np.float32], kernel: int) -> NDArray[np.float32]:
    """Return the kernels of the four phases.

    Parameters
    ----------
    weight : array of shape (channels in, channels out, 4, 4)
        Of the transposed convolution.
    kernel
        2, or 3 for the same kernels with zeros around them.

    Returns
    -------
    array of shape (4 * channels out, channels in, kernel, kernel)
        Phases from top left to bottom right, each with all its channels: the order of ``DepthToSpace`` in mode DCR.
    """
    channels_in, channels_out = weight.shape[:2]
    kernels = np.zeros((2, 2, channels_out, channels_in, kernel, kernel), weight.dtype)
    for row, column in product((0, 1), repeat=2):
        taps = weight[:, :, [3 - row, 1 - row]][:, :, :, [3 - column, 1 - column]]  # in, out, 2, 2
        y, x = (row, column) if kernel == 3 else (0, 0)
        kernels[row, column, :, :, y : y + 2, x : x + 2] = taps.transpose(1, 0, 2, 3)
    return kernels.reshape(4 * channels_out, channels_in, kernel, kernel)
