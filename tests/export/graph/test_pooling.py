"""A pool with padding gives the means that one with ceil_mode gave."""

import numpy as np
import onnx_ir as ir
import pytest
import torch

from inpaint_export.graph.pooling import pad_pools


def pool(opset=18, **attributes):
    """Return a model of one average pool with windows of 2 x 2."""
    x, y = (ir.Value(name=name, shape=ir.Shape(["N", 3, *sides]), type=ir.TensorType(ir.DataType.FLOAT))
            for name, sides in (("x", ("H", "W")), ("y", ("h", "w"))))  # fmt: skip
    settings = {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1} | attributes
    node = ir.node("AveragePool", [x], settings, outputs=[y], name="start.pool")
    return ir.Model(ir.Graph([x], [y], nodes=[node], opset_imports={"": opset}, name="g"), ir_version=10)


@pytest.mark.parametrize("opset", [18, 19])
@pytest.mark.parametrize("include", [0, 1])
def test_the_means_are_those_of_the_pixels_that_exist(open_model, opset, include):
    model = pool(opset, count_include_pad=include, pads=[0, 0, 0, 0])
    pad_pools(model.graph)
    session = open_model(model)
    for size in ((2, 3, 4, 6), (1, 3, 5, 8), (1, 3, 7, 3), (1, 3, 1, 2), (1, 3, 1, 1)):
        x = torch.rand(size)
        expected = torch.nn.functional.avg_pool2d(x, 2, ceil_mode=True).numpy()
        np.testing.assert_allclose(session.run(None, {"x": x.numpy()})[0], expected, rtol=1e-6)


def test_pools_that_round_down_stay():
    model = pool(ceil_mode=0)
    pad_pools(model.graph)
    assert "pads" not in model.graph[0].attributes


@pytest.mark.parametrize("other", [{"strides": [1, 1]}, {"pads": [1, 1, 1, 1]}, {"dilations": [2, 2]}])
def test_windows_that_overlap_or_leave_gaps_are_refused(other):
    model = pool(19, **other)
    with pytest.raises(ValueError, match=r"start\.pool: only average pools whose windows lie side by side"):
        pad_pools(model.graph)


def test_no_exported_pool_rounds_up(converted):
    """What OpenVINO and other runtimes read differently, or refuse."""
    pools = [node for node in ir.from_proto(converted).graph if node.op_type == "AveragePool"]
    assert pools
    assert not any(node.attributes.get_int("ceil_mode", 0) for node in pools)
    assert all(list(node.attributes["pads"].as_ints()) == [0, 0, 1, 1] for node in pools)
