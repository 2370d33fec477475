"""The file for bytes computes what the file for floats computes."""

import hypothesis.strategies as st
import numpy as np
import onnx
import pytest
from hypothesis import given, settings

from inpaint_export.graph.convert import to_file
from inpaint_export.graph.layout import to_bytes
from inpaint_training.checkpoints.checkpoint import read_checkpoint
from inpaint_training.checkpoints.describe import describe
from napari_inpaint import Inpainter
from napari_inpaint.inference.runtime.contract import BYTE_LAYOUT, LAYOUTS


@pytest.fixture(scope="session")
def sessions(tiny_proto, open_model):
    """Of both layouts."""
    import onnx_ir as ir

    model = ir.from_proto(tiny_proto)
    floats = open_model(model)
    to_bytes(model)
    return floats, open_model(model)


@settings(max_examples=25)
@given(height=st.integers(1, 90), width=st.integers(1, 90), density=st.floats(0, 1), seed=st.integers(0, 99))
def test_bytes_are_floats_rounded(sessions, height, width, density, seed):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, 3), np.uint8)
    mask = (rng.random((height, width)) < density) * rng.integers(1, 256, (height, width))
    mask = mask.astype(np.uint8)  # any number but 0 is a hole
    floats, in_bytes = sessions
    filled = in_bytes.run(None, {"image": image, "mask": mask})[0]
    x = image.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255)
    composite = floats.run(["composite"], {"image": x, "mask": (mask > 0)[None, None].astype(np.float32)})[0]
    np.testing.assert_allclose(filled, composite[0].transpose(1, 2, 0) * 255, atol=0.501)
    np.testing.assert_array_equal(filled[mask == 0], image[mask == 0])


def test_tensors_are_those_of_the_contract(sessions):
    layout = LAYOUTS[BYTE_LAYOUT]
    _, session = sessions
    assert {x.name: tuple(x.shape) for x in session.get_inputs()} == layout.inputs
    assert {x.name: tuple(x.shape) for x in session.get_outputs()} == layout.outputs
    assert {x.type for x in (*session.get_inputs(), *session.get_outputs())} == {f"tensor({layout.element})"}


def test_the_engine_says_which_layout_it_takes(tiny, checkpoint, tmp_path):
    to_bytes(tiny)
    spec = describe(read_checkpoint(checkpoint)).with_layout(BYTE_LAYOUT)
    onnx.save(to_file(tiny, spec), tmp_path / "bytes.onnx")
    with pytest.raises(ValueError, match=r"bytes\.onnx has the layout 'nhwc-uint8'.*--layout nchw-float"):
        _ = Inpainter(tmp_path / "bytes.onnx").session
