"""What takes the place of operators that some runtimes refuse computes the same."""

import itertools

import numpy as np
import onnx_ir as ir
import pytest
import torch

from inpaint_export.graph.portable import to_portable

FLOAT, INT64 = ir.DataType.FLOAT, ir.DataType.INT64


def tensor(name, dtype, *shape):
    return ir.Value(name=name, shape=ir.Shape(shape), type=ir.TensorType(dtype))


def pool(opset=18, **attributes):
    """Return a model of one average pool with windows of 2 x 2."""
    x, y = tensor("x", FLOAT, "N", 3, "H", "W"), tensor("y", FLOAT, "N", 3, "h", "w")
    settings = {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1} | attributes
    node = ir.node("AveragePool", [x], settings, outputs=[y], name="start.pool")
    return ir.Model(ir.Graph([x], [y], nodes=[node], opset_imports={"": opset}, name="g"), ir_version=10)


@pytest.mark.parametrize("opset", [18, 19])
@pytest.mark.parametrize("include", [0, 1])
def test_the_means_are_those_of_the_pixels_that_exist(open_model, opset, include):
    model = pool(opset, count_include_pad=include, pads=[0, 0, 0, 0])
    to_portable(model.graph)
    session = open_model(model)
    for size in ((2, 3, 4, 6), (1, 3, 5, 8), (1, 3, 7, 3), (1, 3, 1, 2), (1, 3, 1, 1)):
        x = torch.rand(size)
        expected = torch.nn.functional.avg_pool2d(x, 2, ceil_mode=True).numpy()
        np.testing.assert_allclose(session.run(None, {"x": x.numpy()})[0], expected, rtol=1e-6)


def test_pools_that_round_down_stay():
    model = pool(ceil_mode=0)
    to_portable(model.graph)
    assert "pads" not in model.graph[0].attributes


@pytest.mark.parametrize("other", [{"strides": [1, 1]}, {"pads": [1, 1, 1, 1]}, {"dilations": [2, 2]}])
def test_windows_that_overlap_or_leave_gaps_are_refused(other):
    model = pool(19, **other)
    with pytest.raises(ValueError, match=r"start\.pool: only average pools whose windows lie side by side"):
        to_portable(model.graph)


@pytest.mark.parametrize(("low", "high"), itertools.product((None, -2), (None, 3)))
def test_integers_keep_their_bounds(open_model, low, high):
    x, clipped, y = tensor("x", INT64, "N"), tensor("prepare.clip_2", INT64, "N"), tensor("y", INT64, "N")
    bounds = [None if bound is None else ir.Value(name=name, const_value=ir.tensor(np.int64(bound), name=name))
              for name, bound in (("low", low), ("high", high))]  # fmt: skip
    clip = ir.node("Clip", [x, *bounds], outputs=[clipped], name="prepare.clip_2")
    end = ir.node("Identity", [clipped], outputs=[y], name="end")
    given = [bound for bound in bounds if bound is not None]
    graph = ir.Graph([x], [y], nodes=[clip, end], initializers=given, opset_imports={"": 18}, name="g")
    to_portable(graph)
    assert "Clip" not in {node.op_type for node in graph}
    values = np.arange(-5, 6)
    got = open_model(ir.Model(graph, ir_version=10)).run(None, {"x": values})[0]
    np.testing.assert_array_equal(got, np.clip(values, low, high) if given else values)


def test_exported_files_have_none_of_them(converted):
    nodes = list(ir.from_proto(converted).graph)
    pools = [node for node in nodes if node.op_type == "AveragePool"]
    assert pools
    assert not any(node.attributes.get_int("ceil_mode", 0) for node in pools)
    assert not any(node.op_type == "Clip" and node.name.startswith("prepare.") for node in nodes)
