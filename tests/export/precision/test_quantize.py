"""Eight bits cost little, and nothing between two convolutions is computed in float."""

from collections import Counter

import hypothesis.strategies as st
import numpy as np
import onnx_ir as ir
from hypothesis import given

from inpaint_export.graph.editing import change_weight, weight
from inpaint_export.graph.naming import in_layers
from inpaint_export.precision.calibrate import Samples, to_feeds
from inpaint_export.precision.equalize import MOVEMENTS, convolutions
from inpaint_export.precision.quantize import Scale, choose_scale, quantize_weight, to_int8
from inpaint_export.verify import hole_psnr
from napari_inpaint.inference.runtime.contract import ModelSpec


def complete(session, case):
    return session.run(["completion"], to_feeds(case))[0]


@given(low=st.floats(-1e4, 0), high=st.floats(0, 1e4), share=st.floats(0, 1))
def test_a_scale_keeps_zero_and_rounds_by_half_a_step(low, high, share):
    scale = Scale.of_range(low, high)
    x = np.float32([0, low + share * (high - low)])
    rounded = scale.round(x)
    assert rounded[0] == 0
    # the ends of the range may lie half a step beyond the last one, as zero is moved to a step
    assert abs(rounded[1] - x[1]) <= scale.scale * 1.001
    np.testing.assert_array_equal(scale.round(rounded), rounded)


def test_a_scale_cuts_what_a_leaky_relu_makes_small():
    x = ir.Value(name="x")
    act = ir.node("LeakyRelu", [x], {"alpha": 0.01}).outputs[0]
    values = np.append(np.random.default_rng(0).normal(0, 0.5, 2000), (-100, 2)).astype(np.float32)[None]
    samples = Samples(values, values, values.min(1), values.max(1))
    assert choose_scale(act, samples).scale < 0.2 * Scale.of_range(-100, 2).scale
    relu = ir.node("Relu", [x]).outputs[0]
    assert choose_scale(relu, samples).zero == 0


def test_weights_have_a_scale_for_every_channel():
    kernel = (
        np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
        * np.float32([1, 10, 100, 0])[:, None, None, None]
    )
    stored, scale = quantize_weight(kernel, np.zeros(4), Scale.of_range(0, 1))
    np.testing.assert_allclose(stored * scale[:, None, None, None], kernel, atol=float(scale.max()) / 2 + 1e-9)
    assert np.abs(stored[:3]).max((1, 2, 3)).tolist() == [127, 127, 127]
    assert not stored[3].any()


def test_a_bias_without_weights_is_kept():
    """As of a channel that training has switched off: its scale must hold the bias in 32 bits."""
    kernel, bias = np.zeros((2, 3, 3, 3), np.float32), np.float32([0.5, -70])
    stored, scale = quantize_weight(kernel, bias, Scale.of_range(-1, 3))
    assert not stored.any()
    bias_scale = scale * Scale.of_range(-1, 3).scale
    in_32_bits = np.rint(bias / bias_scale).astype(np.int32)
    np.testing.assert_allclose(in_32_bits * bias_scale, bias, rtol=1e-6)


def test_a_channel_that_is_switched_off_costs_nothing(tiny, open_model, crops):
    conv = convolutions(tiny)[4]
    kernel, bias = weight(conv.inputs[1]).copy(), weight(conv.inputs[2]).copy()
    kernel[0], bias[0] = 0, 2
    change_weight(conv.inputs[1], kernel)
    change_weight(conv.inputs[2], bias)
    wanted = complete(open_model(tiny), crops[1])
    to_int8(tiny, crops[:2])
    np.testing.assert_allclose(complete(open_model(tiny), crops[1]), wanted, atol=0.1)


def test_between_convolutions_bytes_are_moved(tiny, crops):
    to_int8(tiny, crops[:2])
    graph = tiny.graph
    moved = [node for node in graph if in_layers(node) and node.op_type in MOVEMENTS
             and node.outputs[0].dtype != ir.DataType.INT64]  # fmt: skip
    assert {node.outputs[0].dtype for node in moved} == {ir.DataType.UINT8}
    assert Counter(node.op_type for node in moved)["Pad"] == 17
    *convs, last = convolutions(tiny)
    for conv in convs:
        assert [x.producer().op_type for x in conv.inputs] == ["DequantizeLinear"] * 3
        assert {use.node.op_type for use in conv.outputs[0].uses()} == {"QuantizeLinear"}
        weight = conv.inputs[1].producer().inputs[0].const_value
        assert weight.dtype == ir.DataType.INT8
        assert conv.inputs[1].producer().inputs[1].const_value.shape == (weight.shape[0],)
    assert last.name == "output_17.conv"
    assert last.inputs[1].const_value.dtype == ir.DataType.FLOAT
    assert not any(node.op_type == "ConvTranspose" for node in graph)


def test_eight_bits_cost_little_on_a_trained_network(compact, open_model, crops):
    spec = ModelSpec("compact", "compact", 256, 24, 144, 4, 68, 1, "", "")
    calibrating, measuring = crops[::2], crops[1::2]
    before = hole_psnr(open_model(compact), measuring, spec)
    to_int8(compact, calibrating)
    session = open_model(compact)
    assert before - hole_psnr(session, measuring, spec) <= 0.2
    feeds = to_feeds(measuring[0])
    known = ~measuring[0].mask
    np.testing.assert_array_equal(session.run(["composite"], feeds)[0][0][:, known], feeds["image"][0][:, known])


def test_the_same_crops_give_the_same_file(tiny_proto, crops):
    files = []
    for _ in range(2):
        model = ir.from_proto(tiny_proto)
        to_int8(model, crops[:2])
        files.append(ir.to_proto(model).SerializeToString(deterministic=True))
    assert files[0] == files[1]


def test_a_network_whose_activations_do_not_commute_with_factors(tiny, open_model, crops):
    for node in list(tiny.graph):
        if node.op_type == "LeakyRelu":
            elu = ir.node("Elu", node.inputs, name=node.name)
            elu.outputs[0].type = node.outputs[0].type
            node.prepend(elu)
            node.outputs[0].replace_all_uses_with(elu.outputs[0])
            tiny.graph.remove(node, safe=True)
            elu.outputs[0].name = node.name
    wanted = complete(open_model(tiny), crops[1])
    to_int8(tiny, crops[:2])
    assert sum(node.op_type == "QuantizeLinear" for node in tiny.graph) >= 16
    np.testing.assert_allclose(complete(open_model(tiny), crops[1]), wanted, atol=0.1)
