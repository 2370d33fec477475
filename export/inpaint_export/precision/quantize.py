"""Layers in eight bits: static, in the QDQ form that ONNX Runtime fuses into integer kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from inpaint_export.graph.editing import change_weight, constant, leaky_slope, weight
from inpaint_export.graph.upsampling import to_subpixel
from inpaint_export.precision.calibrate import Samples, sample
from inpaint_export.precision.equalize import (
    ACTIVATIONS,
    MOVEMENTS,
    convolutions,
    equalize,
    final_convolutions,
    split_signs,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from inpaint_export.graph.upsampling import Form
    from inpaint_training.evaluation.cases import Case

LEVELS = 255
"""Steps of an eight-bit value."""
LOW_SHARES = np.geomspace(0.02, 1, 16)
"""Parts of a value's negative range that are tried."""
HIGH_SHARES = LOW_SHARES[8:]
"""Parts of its positive range: a layer passes positive values on as they are, so little of them may be cut."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How a value is written in eight bits: real = scale * (stored - zero)."""

    scale: np.float32
    zero: np.uint8

    @classmethod
    def of_range(cls, low: float, high: float) -> Scale:
        """Return the scale that reaches from low <= 0 to high >= 0; zero is always exact."""
        scale = np.float32(max(high - low, 1e-8) / LEVELS)
        return cls(scale, np.uint8(np.clip(round(-low / scale), 0, LEVELS)))

    def round(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what is left of values after writing and reading them."""
        stored: NDArray[np.float32] = np.clip(np.rint(x / self.scale) + self.zero, 0, LEVELS)
        return (stored - np.float32(self.zero)) * self.scale


def to_int8(model: ir.Model, cases: Sequence[Case], form: Form | None = "interleave") -> None:
    """Quantise the layers, in place: uint8 values with a scale each, int8 weights with a scale for every channel.

    The smooth start, attention and the last convolution of a stage stay in float. Between two convolutions padding,
    slicing and DepthToSpace move bytes; a ReLU is part of the rounding, a LeakyReLU has an integer kernel. What has
    none (ELU, sums, resizing) is computed in float.

    Parameters
    ----------
    model
        In float32.
    cases
        Crops of photos with holes, as the model was trained on; never those that it is measured on.
    form
        Of transposed convolutions, see `to_subpixel`; None leaves them as they are, in float.
    """
    split_signs(model)
    equalize(model, cases)
    if form:
        to_subpixel(model, form)
    convs = [node for node in convolutions(model) if node.op_type == "Conv"]
    sources = {conv: _source(conv.inputs[0]) for conv in convs}
    final = final_convolutions(model)
    goals = {conv: _goal(conv.outputs[0], set(sources.values())) for conv in convs if conv not in final}
    values = list(dict.fromkeys([*sources.values(), *goals.values()]))
    watched = [_before_activation(value) for value in values]
    seen = dict(zip(values, sample(model, watched, cases), strict=True))
    scales = {value: choose_scale(value, samples) for value, samples in seen.items()}
    for conv, value in sources.items():
        correct_bias(model.graph, conv, value, scales[value], seen[value], rounded_weights=conv in goals)
    writer = Writer(model.graph, scales)
    for conv, value in sources.items():
        writer.store_input(conv, scales[value])
        if conv in goals:
            writer.quantize(conv, scales[value], scales[goals[conv]])
    writer.measure_twins()
    model.graph.sort()
    RemoveUnusedNodesPass()(model)  # which looks from the end


def _source(value: ir.Value | None) -> ir.Value:
    """Return the value that movements made this one of."""
    assert value is not None
    producer = value.producer()
    if producer is not None and producer.op_type in MOVEMENTS and _moves_one(producer):
        return _source(producer.inputs[0])
    return value


def _moves_one(node: ir.Node) -> bool:
    """Return whether a movement moves one value: a Concat may join slices of one, or several."""
    return node.op_type != "Concat" or len({_source(value) for value in node.inputs}) == 1


def _goal(value: ir.Value, sources: set[ir.Value]) -> ir.Value:
    """Return what other convolutions see of a convolution's output; the output itself when they see none of it."""
    for use in value.uses():
        output = use.node.outputs[0]
        if use.node.op_type in ACTIVATIONS and output in sources:
            return output
        if use.node.op_type in MOVEMENTS and _moves_one(use.node) and (goal := _goal(output, sources)) in sources:
            return goal
    return value


def _before_activation(value: ir.Value) -> ir.Value:
    producer = value.producer()
    if producer is not None and producer.op_type in ACTIVATIONS:
        assert producer.inputs[0] is not None
        return producer.inputs[0]
    return value


def activate(value: ir.Value, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Apply the activation that produces a value, if one does, to numbers."""
    producer = value.producer()
    if producer is None or producer.op_type not in ACTIVATIONS:
        return x
    slope = leaky_slope(producer) if producer.op_type == "LeakyRelu" else 0
    return np.where(x < 0, slope * x, x).astype(np.float32)


def choose_scale(value: ir.Value, samples: Samples) -> Scale:
    """Return the scale that keeps a value best, in the mean square, *after* its activation.

    A convolution's output and what its activation makes of it share the scale, so that positive values are rounded
    once. Before a LeakyReLU, far negative values may be cut: it makes them small anyway.

    Parameters
    ----------
    value
        What a convolution sees, before padding.
    samples
        Of the value, before its activation.
    """
    x = np.concatenate([samples.inside.ravel(), samples.anywhere.ravel(), samples.low, samples.high])
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    wanted = activate(value, x)
    relu = not (wanted < 0).any()
    tries = [Scale.of_range(share_low * low, share_high * high)
             for share_low in ((0.0,) if relu else LOW_SHARES) for share_high in HIGH_SHARES]  # fmt: skip
    return min(tries, key=lambda scale: float(np.mean((scale.round(activate(value, scale.round(x))) - wanted) ** 2)))


def correct_bias(
    graph: ir.Graph, conv: ir.Node, value: ir.Value, scale: Scale, samples: Samples, rounded_weights: bool
) -> None:
    """Add to a convolution's bias what rounding its input and its weights takes away inside holes, on average.

    Nagel et al. 2019, Section 4.2. Small negative values, which round to zero, would otherwise darken or brighten the
    whole fill.
    """
    bias = conv.inputs[2] if len(conv.inputs) > 2 else None
    kernel = weight(conv.inputs[1])  # C', C, k, k
    true = activate(value, samples.inside)  # C, n
    rounded = scale.round(activate(value, scale.round(samples.inside)))  # C, n
    if rounded_weights:
        stored, weight_scale = quantize_weight(kernel, weight(bias) if bias else np.zeros(len(kernel)), scale)
        kept = stored * weight_scale[:, None, None, None]
    else:
        kept = kernel
    missing = np.einsum("ochw,c->o", kernel, true.mean(1)) - np.einsum("ochw,c->o", kept, rounded.mean(1))
    if bias is None:
        bias = constant(graph, np.zeros(len(kernel), np.float32), f"{conv.name}.bias")
        conv.resize_inputs(3)
        conv.replace_input_with(2, bias)
    change_weight(bias, (weight(bias) + missing).astype(np.float32))


def quantize_weight(
    kernel: NDArray[np.float32], bias: NDArray[np.floating], input_scale: Scale
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return int8 weights and the scale of every output channel.

    A bias is stored in 32 bits with the product of this scale and the input's, so a channel of tiny weights gets a
    scale that its bias fits into.
    """
    fitting = np.abs(bias) / (2.0**30 * input_scale.scale)
    scale = np.maximum.reduce([np.abs(kernel).max((1, 2, 3)) / 127, fitting, np.full(len(kernel), 1e-12)])
    scale = scale.astype(np.float32)
    return np.rint(kernel / scale[:, None, None, None]).astype(np.int8), scale


class Writer:
    """Writes the quantised form of a graph's convolutions.

    Parameters
    ----------
    scales
        Of what convolutions see, before movements.
    """

    def __init__(self, graph: ir.Graph, scales: dict[ir.Value, Scale]) -> None:
        self.graph = graph
        self.scales = scales
        self.stored: dict[ir.Value, ir.Value] = {}
        """The uint8 twin of a float value."""

    def store_input(self, conv: ir.Node, scale: Scale) -> None:
        """Have a convolution read its input from eight bits."""
        value = conv.inputs[0]
        assert value is not None
        conv.replace_input_with(0, self.read(self.store(value), scale))

    def quantize(self, conv: ir.Node, scale: Scale, output_scale: Scale) -> None:
        """Quantise a convolution's weights and its output; ``scale`` is that of its input."""
        _, kernel, bias = conv.inputs
        assert kernel is not None and bias is not None
        stored, weight_scale = quantize_weight(weight(kernel), weight(bias), scale)
        bias_scale = weight_scale * scale.scale
        stored_bias = np.rint(weight(bias) / bias_scale).astype(np.int32)
        conv.replace_input_with(1, self.read_weight(kernel, stored, weight_scale))
        conv.replace_input_with(2, self.read_weight(bias, stored_bias, bias_scale))
        output = conv.outputs[0]
        uses = list(output.uses())
        name = f"{conv.name}.stored"
        self.stored[output] = self.add("QuantizeLinear", output, output_scale, name, ir.DataType.UINT8)
        read = self.read(self.stored[output], output_scale)
        for use in uses:
            use.node.replace_input_with(use.idx, read)

    def store(self, value: ir.Value) -> ir.Value:
        """Return the uint8 twin of a value."""
        if value not in self.stored:
            self.stored[value] = self.make_twin(value)
        return self.stored[value]

    def make_twin(self, value: ir.Value) -> ir.Value:
        """Move the twin of what a movement moves, activate a twin, or store the value as it is."""
        node = value.producer()
        name = f"{value.name}.stored"
        if node is not None and node.op_type == "DequantizeLinear":
            assert node.inputs[0] is not None
            return node.inputs[0]
        if node is not None and node.op_type in MOVEMENTS and _moves_one(node):
            # Slice, Pad: the first input is moved, the others tell how
            moved = len(node.inputs) if node.op_type == "Concat" else 1
            inputs = [self.store(x) if i < moved and x is not None else x for i, x in enumerate(node.inputs)]
            twin = ir.node(node.op_type, inputs, dict(node.attributes), name=node.name)
            return self.insert(twin, node.name or name, ir.DataType.UINT8)
        scale = self.scales[value]
        if node is not None and node.op_type in ACTIVATIONS and self.is_stored(node.inputs[0]):
            assert node.inputs[0] is not None
            if node.op_type == "Relu" and scale.zero == 0:
                return self.store(node.inputs[0])  # storing cut the negative values off
            node.replace_input_with(0, self.read(self.store(node.inputs[0]), scale))
        return self.add("QuantizeLinear", value, scale, name, ir.DataType.UINT8)

    def measure_twins(self) -> None:
        """Have shapes asked from twins, so that nobody computes a float value for its shape alone."""
        for node in self.graph:
            if node.op_type == "Shape" and node.inputs[0] in self.stored:
                node.replace_input_with(0, self.stored[node.inputs[0]])

    def is_stored(self, value: ir.Value | None) -> bool:
        """Return whether a value is that of a quantised convolution, moved or not."""
        producer = _source(value).producer()
        return producer is not None and producer.op_type == "DequantizeLinear"

    def read(self, stored: ir.Value, scale: Scale) -> ir.Value:
        """Return the float value of a uint8 twin."""
        return self.add("DequantizeLinear", stored, scale, f"{(stored.name or '').removesuffix('.stored')}.read",
                        ir.DataType.FLOAT)  # fmt: skip

    def read_weight(self, value: ir.Value, stored: NDArray[np.integer], scale: NDArray[np.float32]) -> ir.Value:
        """Replace a weight by a stored one and its scales; return its float value."""
        name = value.name or ""
        change_weight(value, stored)
        scales = constant(self.graph, scale, f"{name}.scale")
        zero = constant(self.graph, np.zeros(len(scale), stored.dtype), f"{name}.zero")
        node = ir.node("DequantizeLinear", [value, scales, zero], {"axis": 0}, name=f"{name}.read")
        return self.insert(node, f"{name}.read", ir.DataType.FLOAT)

    def add(self, operator: str, value: ir.Value, scale: Scale, name: str, dtype: ir.DataType) -> ir.Value:
        """Append a node that stores or reads a value."""
        numbers = [constant(self.graph, np.asarray(scale.scale), f"scale {scale.scale:.9g}"),
                   constant(self.graph, np.asarray(scale.zero), f"zero {scale.zero}")]  # fmt: skip
        return self.insert(ir.node(operator, [value, *numbers], name=name), name, dtype)

    def insert(self, node: ir.Node, name: str, dtype: ir.DataType) -> ir.Value:
        """Append a node, which is sorted to its place at the end; return its output."""
        self.graph.append(node)
        node.outputs[0].name, node.outputs[0].type = name, ir.TensorType(dtype)
        return node.outputs[0]
