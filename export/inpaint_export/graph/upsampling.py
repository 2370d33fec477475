"""Transposed convolutions as convolutions that int8 kernels exist for; for ConvTranspose there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import onnx_ir as ir

from inpaint_export.graph.editing import add_node, change_weight, constant, weight

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Form = Literal["interleave", "depth-to-space", "depth-to-space-3x3"]
FAR = np.iinfo(np.int32).max
"""A slice's end beyond every picture."""
PHASES = ((0, 0), (0, 1), (1, 0), (1, 1))
"""Row and column of an output pixel, modulo 2."""


def to_subpixel(model: ir.Model, form: Form = "interleave") -> None:
    """Rewrite every transposed convolution of kernel 4 and stride 2, in place and exactly.

    Every output pixel of such a convolution sees 2 x 2 input pixels; which ones, depends on whether its row and column
    are even or odd. These four phases become 4 C channels of one convolution at the input's size (Shi et al. 2016,
    Figure 3).

    Parameters
    ----------
    form
        ``depth-to-space-3x3``: a 3 x 3 convolution, then ``DepthToSpace``; 5 of 9 weights are zeros.
        ``depth-to-space``: a 2 x 2 convolution, as many multiplications as before; the phases are slices of its
        output, shifted by their row and column. ``interleave``: the same, but the slices are joined in channels-last
        order, where that means copying runs of C values; ``DepthToSpace`` moves them one by one.
        `benchmarks/export.py` measures them.
    """
    for node in list(model.graph):
        if node.op_type == "ConvTranspose":
            Subpixel(model.graph, node).replace(form)


class Subpixel:
    """One transposed convolution, and what takes its place."""

    def __init__(self, graph: ir.Graph, node: ir.Node) -> None:
        kernel = weight(node.inputs[1])
        self.pads = node.attributes["pads"].as_ints()
        sizes = (*kernel.shape[2:], *node.attributes["strides"].as_ints())
        # 3 of each side are cut off when a border of one pixel was reflected, 1 without a border.
        if sizes != (4, 4, 2, 2) or len(set(self.pads)) != 1 or self.pads[0] not in (1, 3):
            raise ValueError(f"{node.name}: only transposed convolutions of kernel 4 and stride 2 can be rewritten")
        self.graph, self.node, self.tape = graph, node, ir.tape.Tape()
        self.stem = (node.name or "").rpartition(".")[0]
        self.channels = kernel.shape[1]

    def replace(self, form: Form) -> None:
        """Put the new nodes in the old one's place."""
        y = self.convolve(kernel=3 if form == "depth-to-space-3x3" else 2)
        if form == "interleave":
            y = self.interleave(y)
        else:
            if form == "depth-to-space":
                slices = [self.slice(y, phase, channel_axis=1) for phase in PHASES]
                y = self.add("Concat", slices, "concat", axis=1)
            y = self.add("DepthToSpace", [y], "depth_to_space", blocksize=2, mode="DCR")
        self.graph.insert_before(self.node, self.tape.nodes)
        self.node.outputs[0].replace_all_uses_with(y)
        self.graph.remove(self.node, safe=True)

    def convolve(self, kernel: int) -> ir.Value:
        """Return the phases: (N, 4 C, H + 1, W + 1) of a 2 x 2 kernel, (N, 4 C, H, W) of a 3 x 3 kernel."""
        x, taps, *bias = self.node.inputs
        change_weight(taps, phase_kernels(weight(taps), kernel))
        for value in bias:
            change_weight(value, np.tile(weight(value), 4))
        border = 1 if self.pads[0] == 1 else 0
        return self.add("Conv", [x, taps, *bias], "conv", kernel_shape=[kernel] * 2, pads=[border] * 4)

    def interleave(self, y: ir.Value) -> ir.Value:
        """Join the phases of a 2 x 2 kernel in channels-last order; return (N, C, 2 H, 2 W)."""
        y = self.add("Transpose", [y], "channels_last", perm=[0, 2, 3, 1])  # N, H + 1, W + 1, 4 C
        rows = []
        for row in (0, 1):
            pair = [self.slice(y, (row, column), channel_axis=3) for column in (0, 1)]  # N, H, W, C each
            pixels = self.add("Concat", pair, f"row_{row}.concat", axis=3)  # N, H, W, 2 C
            shape = self.constant([0, 0, -1, self.channels], "row.shape")
            rows.append(self.add("Reshape", [pixels, shape], f"row_{row}"))  # N, H, 2 W, C
        width = self.add("Shape", [rows[0]], "width", dtype=ir.DataType.INT64, start=2, end=4)  # 2 W, C
        shape = self.add("Concat", [self.constant([0, -1], "height"), width], "shape", dtype=ir.DataType.INT64, axis=0)
        y = self.add("Concat", rows, "concat", axis=2)  # N, H, 4 W, C
        y = self.add("Reshape", [y, shape], "reshape")  # N, 2 H, 2 W, C
        return self.add("Transpose", [y], "channels_first", perm=[0, 3, 1, 2])  # N, C, 2 H, 2 W

    def slice(self, y: ir.Value, phase: tuple[int, int], channel_axis: int) -> ir.Value:
        """Return a phase's channels, without the row and the column that only others need."""
        number, place = PHASES.index(phase), "".join(map(str, phase))
        axes = self.constant([2, 3, 1] if channel_axis == 1 else [1, 2, 3], "slice.axes")
        start = self.constant([*phase, number * self.channels], f"slice_{place}.start")
        stop = self.constant([*(FAR if shift else -1 for shift in phase), (number + 1) * self.channels],
                             f"slice_{place}.stop")  # fmt: skip
        return self.add("Slice", [y, start, stop, axes], f"slice_{place}")

    def add(self, operator: str, inputs: Sequence[ir.Value | None], name: str,
            dtype: ir.DataType = ir.DataType.FLOAT, **attributes: int | str | list[int]) -> ir.Value:  # fmt: skip
        """Add a node of the layer; return its output."""
        return add_node(self.tape, operator, inputs, f"{self.stem}.{name}", dtype, **attributes)

    def constant(self, values: list[int], name: str) -> ir.Value:
        """Return a constant of the layer."""
        return constant(self.graph, np.array(values, np.int64), f"{self.stem}.{name}")


def phase_kernels(transposed: NDArray[np.float32], kernel: int) -> NDArray[np.float32]:
    """Return the kernels of the four phases.

    Parameters
    ----------
    transposed : array of shape (channels in, channels out, 4, 4)
        Of the transposed convolution.
    kernel
        2, or 3 for the same kernels with zeros around them.

    Returns
    -------
    array of shape (4 * channels out, channels in, kernel, kernel)
        Phases from top left to bottom right, each with all its channels: the order of ``DepthToSpace`` in mode DCR.
    """
    channels_in, channels_out = transposed.shape[:2]
    kernels = np.zeros((4, channels_out, channels_in, kernel, kernel), transposed.dtype)
    for number, (row, column) in enumerate(PHASES):
        taps = transposed[:, :, [3 - row, 1 - row]][:, :, :, [3 - column, 1 - column]]  # in, out, 2, 2
        y, x = (row, column) if kernel == 3 else (0, 0)
        kernels[number, :, :, y : y + 2, x : x + 2] = taps.transpose(1, 0, 2, 3)
    return kernels.reshape(-1, channels_in, kernel, kernel)
