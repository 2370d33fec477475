import onnx_ir as ir
import onnxruntime
import pytest

import inpaint_export.pipeline
import inpaint_export.verify
from inpaint_export.cli import main


@pytest.fixture(scope="session")
def exported(tmp_path_factory, checkpoint, converted):
    """What the command wrote; other tests share what PyTorch made, and few sizes are compared."""
    path = tmp_path_factory.mktemp("export") / "tiny.onnx"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inpaint_export.pipeline, "to_onnx", lambda network, opset: ir.from_proto(converted))
        patch.setattr(inpaint_export.verify, "SIZES", ((1, 1), (70, 75)))
        assert main([str(checkpoint), str(path)]) == 0
    return path


@pytest.fixture(scope="session")
def session(exported):
    return onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
