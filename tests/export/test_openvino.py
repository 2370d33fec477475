"""Files compute in OpenVINO what they compute in ONNX Runtime; `make test-openvino` brings OpenVINO."""

import os
import subprocess
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest

from inpaint_export.graph.convert import OPSETS, to_onnx
from inpaint_export.precision.calibrate import to_feeds
from inpaint_export.precision.half import to_half
from inpaint_export.precision.quantize import to_int8
from inpaint_export.verify import make_case
from inpaint_training.checkpoints.checkpoint import read_checkpoint
from napari_inpaint.inference.runtime.providers import CPU, make_options

PYTHON = os.environ.get("OPENVINO_PYTHON", "")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not PYTHON, reason="run by 'make test-openvino'")]

COMPACT = Path(__file__).parents[2] / "weights" / "compact"
SIZES = ((1, 1), (17, 300), (255, 301), (256, 256))
HOLES = (("none",), ("all",), ("box",), ("strokes",), ("none", "box"), ("all", "edges"))
"""Holes of the pictures that are completed at once."""

EXACT = {
    "fp32": 1e-5,  # sums in another order: 3e-7 was seen
    "fp16": 1e-3,  # and where that rounds a value to another half-precision number: 4e-5 was seen
    "int8": 5e-2,  # and where it moves a value to the next of 255 steps: 1e-2 was seen
}
TOLERANCES = {
    "openvino": EXACT,
    "onnxruntime": EXACT,
    # In bfloat16 on CPUs that have it, with 8 bits after the point: 1e-2 was seen.
    "openvino by default": dict.fromkeys(EXACT, 5e-2),
}
"""Largest differences of any pixel from ONNX Runtime on the CPU; holes differ by at most half of it on average."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, crops):
    """The model compact as it is exported now, in every precision, and the pictures to complete."""
    folder = tmp_path_factory.mktemp("openvino")
    exported = ir.to_proto(to_onnx(read_checkpoint(COMPACT).network))
    for precision, opset in OPSETS.items():
        proto = onnx.ModelProto.FromString(exported.SerializeToString())
        proto.opset_import[0].version = opset
        model = ir.from_proto(proto)
        if precision == "fp16":
            to_half(model)
        elif precision == "int8":
            to_int8(model, crops[::2])
        ir.save(model, folder / f"{precision}.onnx")
    np.savez(folder / "cases.npz", **{f"{name} {n}": array for n, feeds in enumerate(make_feeds())
                                      for name, array in feeds.items()})  # fmt: skip
    return folder


def make_feeds():
    for height, width in SIZES:
        for holes in HOLES:
            feeds = [to_feeds(make_case(height, width, hole)) for hole in holes]
            yield {name: np.concatenate([each[name] for each in feeds]) for name in feeds[0]}


@pytest.mark.parametrize("precision", EXACT)
@pytest.mark.parametrize("runtime", TOLERANCES)
def test_openvino_agrees(folder, runtime, precision):
    model, outputs = folder / f"{precision}.onnx", folder / f"{precision} {runtime}.npz"
    script = Path(__file__).with_name("run_in_openvino.py")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([PYTHON, script, runtime, model, folder / "cases.npz", outputs], env=environment, check=True)
    got, most = np.load(outputs), TOLERANCES[runtime][precision]
    session = onnxruntime.InferenceSession(model, make_options(onnxruntime), providers=[CPU])
    for n, feeds in enumerate(make_feeds()):
        hole = np.broadcast_to(feeds["mask"] >= 0.5, feeds["image"].shape)
        for name, wanted in zip(("completion", "composite"), session.run(None, feeds), strict=True):
            difference = np.abs(got[f"{name} {n}"] - wanted)
            assert difference.max() <= most
            assert not hole.any() or difference[hole].mean() <= most / 2
        np.testing.assert_array_equal(got[f"composite {n}"][~hole], feeds["image"][~hole])
