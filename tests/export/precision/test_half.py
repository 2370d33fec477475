"""Half precision changes the layers only, and never turns a fill black."""

import shutil

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest

from inpaint_export.graph.naming import in_layers
from inpaint_export.precision.calibrate import sample, to_feeds
from inpaint_export.precision.equalize import convolutions
from inpaint_export.precision.half import to_half
from inpaint_training.evaluation.cases import Protocol, iterate_cases
from napari_inpaint.inference.runtime.providers import find_cuda_problem
from napari_inpaint.samples import THE_CREST

NO_CUDA = find_cuda_problem(onnxruntime)


def test_the_layers_are_half_and_the_rest_is_not(tiny):
    to_half(tiny)
    for node in tiny.graph:
        floats = {x.dtype for x in (*node.inputs, *node.outputs) if x is not None and x.dtype is not None}
        floats &= {ir.DataType.FLOAT, ir.DataType.FLOAT16}
        if node.op_type == "Cast" and in_layers(node):
            assert len(floats) == 2
        elif in_layers(node):
            assert floats == {ir.DataType.FLOAT16}, node.name
        else:
            assert ir.DataType.FLOAT16 not in floats, node.name
    assert [node.name for node in tiny.graph if node.op_type == "Cast" and in_layers(node)] == [
        "conv_1.pad.to_half", "output_17.conv.to_float"]  # fmt: skip


def test_known_pixels_are_not_rounded_and_fills_are_near(compact, open_model, crops):
    exact = open_model(compact)
    to_half(compact)
    half = open_model(compact)
    for case in crops[:4]:
        feeds = to_feeds(case)
        got, wanted = (session.run(["composite"], feeds)[0] for session in (half, exact))
        assert got.dtype == np.float32
        np.testing.assert_array_equal(got[0][:, ~case.mask], feeds["image"][0][:, ~case.mask])
        np.testing.assert_allclose(got, wanted, atol=5e-3)


def many_crops(tmp_path, count):
    shutil.copy(THE_CREST.path, tmp_path / "crest.jpg")
    crops = list(iterate_cases(tmp_path, Protocol(crops=count, holes=(24, 144))))
    assert len(crops) == count
    return crops


def check_fills(session, exact, crops):
    for case in crops:
        feeds = to_feeds(case)
        got, wanted = (s.run(["completion"], feeds)[0][0][:, case.mask] for s in (session, exact))
        assert np.isfinite(got).all()
        # black where the hole is not: the mean of what is painted stays what it is in float32
        assert abs(got.mean() - wanted.mean()) < 2e-3
        assert np.abs(got - wanted).max() < 2e-2


@pytest.mark.slow
def test_no_fill_of_500_is_black_or_not_a_number(compact, open_model, tmp_path):
    crops = many_crops(tmp_path, 500)
    exact = open_model(compact)
    samples = sample(compact, [node.outputs[0] for node in convolutions(compact)], crops)
    to_half(compact)
    check_fills(open_model(compact), exact, crops)
    # A CPU computes half precision in float32, so what a GPU could overflow is looked at by itself.
    largest = max(float(np.maximum(-seen.low, seen.high).max()) for seen in samples)
    assert largest < np.finfo(np.float16).max / 100


@pytest.mark.gpu
@pytest.mark.skipif(bool(NO_CUDA), reason=f"no CUDA: {NO_CUDA}")
def test_no_fill_of_500_is_black_on_cuda(compact, open_model, tmp_path):
    exact = open_model(compact)
    to_half(compact)
    session = onnxruntime.InferenceSession(
        ir.to_proto(compact).SerializeToString(), providers=["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    assert session.get_providers()[0] == "CUDAExecutionProvider"
    check_fills(session, exact, many_crops(tmp_path, 500))
