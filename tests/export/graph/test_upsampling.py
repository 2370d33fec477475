"""Convolutions in place of a transposed one give the same numbers."""

import numpy as np
import onnx_ir as ir
import pytest
import torch

from inpaint_export.graph.upsampling import to_subpixel


def transposed_convolution(pads, bias, stride=2):
    """Return a model of one layer, and its weights."""
    rng = np.random.default_rng(0)
    weight, shift = rng.normal(size=(3, 5, 4, 4)).astype(np.float32), rng.normal(size=5).astype(np.float32)
    values = [ir.Value(name="up.weight", const_value=ir.tensor(weight, name="up.weight"))]
    if bias:
        values.append(ir.Value(name="up.bias", const_value=ir.tensor(shift, name="up.bias")))
    x = ir.Value(name="x", shape=ir.Shape(["N", 3, "H", "W"]), type=ir.TensorType(ir.DataType.FLOAT))
    node = ir.node("ConvTranspose", [x, *values], {"strides": [stride] * 2, "pads": [pads] * 4}, name="up.conv")
    act = ir.node("Identity", [node.outputs[0]])  # an output's name must not change
    act.outputs[0].name, act.outputs[0].type = "y", ir.TensorType(ir.DataType.FLOAT)
    act.outputs[0].shape = ir.Shape(["N", 5, "H2", "W2"])
    graph = ir.Graph([x], [act.outputs[0]], nodes=[node, act], initializers=values, opset_imports={"": 18}, name="g")
    return ir.Model(graph, ir_version=10), weight, shift * bias


@pytest.mark.parametrize("form", ["interleave", "depth-to-space", "depth-to-space-3x3"])
@pytest.mark.parametrize("pads", [1, 3])
@pytest.mark.parametrize("bias", [False, True])
def test_every_form_equals_the_transposed_convolution(open_model, form, pads, bias):
    model, weight, shift = transposed_convolution(pads, bias)
    to_subpixel(model, form)
    session = open_model(model)
    assert not any(node.op_type == "ConvTranspose" for node in model.graph)
    for size in ((2, 3, 5, 7), (1, 3, 3, 3), (1, 3, 16, 4)):
        x = torch.randn(size)
        expected = torch.nn.functional.conv_transpose2d(
            x, torch.from_numpy(weight), torch.from_numpy(shift.astype(np.float32)), stride=2, padding=pads
        )
        np.testing.assert_allclose(session.run(None, {"x": x.numpy()})[0], expected.numpy(), atol=1e-5)


def test_other_transposed_convolutions_are_refused():
    model, *_ = transposed_convolution(1, True, stride=1)
    with pytest.raises(ValueError, match=r"up\.conv: only transposed convolutions of kernel 4 and stride 2"):
        to_subpixel(model)
