import shutil

import numpy as np
import onnx
import onnxruntime
import pytest

from napari_inpaint.inference.session import CPU, CUDA, Session, choose_providers, find_cuda_problem, find_model
from napari_inpaint.models import DEFAULT, bundled_models

BUNDLED = bundled_models()[DEFAULT]


class FakeRuntime:
    def __init__(self, *providers):
        self.get_available_providers = lambda: list(providers)


def test_models_are_found_by_name_and_by_path():
    assert find_model(None) == BUNDLED
    assert find_model("compact") == BUNDLED
    assert find_model(str(BUNDLED)) == BUNDLED


def test_an_unknown_model_names_the_bundled_ones():
    with pytest.raises(ValueError, match=r"no model 'nonsense'.*compact"):
        find_model("nonsense")


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x08" * 5000])
def test_a_file_that_is_no_model_is_refused(tmp_path, content):
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"m\.onnx is not a"):
        Session(path)


def test_a_model_without_our_metadata_is_refused(tmp_path):
    model = onnx.load(BUNDLED)
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "foreign.onnx")
    with pytest.raises(ValueError, match=r"not a napari-inpaint model.*napari_inpaint\.name.*inpaint-export"):
        Session(tmp_path / "foreign.onnx")


def test_a_model_with_other_tensors_is_refused(tmp_path):
    model = onnx.load(BUNDLED)
    value = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    other = onnx.helper.make_model(
        onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "g",
                               [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])], [value]),
        opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9,
    )  # fmt: skip
    other.metadata_props.extend(model.metadata_props)
    onnx.save(other, tmp_path / "other.onnx")
    with pytest.raises(ValueError, match="has tensors"):
        Session(tmp_path / "other.onnx")


def test_the_device_that_runs_is_the_one_that_is_shown():
    session = Session(BUNDLED, "cpu")
    assert session.provider == CPU
    assert session.cuda_problem == ""
    completion = session.complete(np.zeros((1, 3, 5, 6), np.float32), np.zeros((1, 1, 5, 6), np.float32))
    assert completion.shape == (1, 3, 5, 6)


@pytest.mark.skipif(not find_cuda_problem(onnxruntime.get_available_providers()), reason="CUDA works here")
def test_without_a_gpu_auto_falls_back_and_says_why_and_cuda_is_refused():
    session = Session(BUNDLED, "auto")
    assert session.provider == CPU
    assert session.cuda_problem
    with pytest.raises(ValueError, match=r"device 'cuda' cannot be used: .*; use device='auto' or 'cpu'"):
        Session(BUNDLED, "cuda")


def test_provider_names_are_passed_through():
    assert choose_providers("XProvider", FakeRuntime("XProvider", CPU)) == (["XProvider", CPU], "")
    with pytest.raises(ValueError, match="unknown device 'gpu'"):
        choose_providers("gpu", FakeRuntime(CPU))


def test_a_runtime_without_cuda_says_so():
    assert choose_providers("auto", FakeRuntime(CPU)) == ([CPU], "the installed ONNX Runtime has no CUDA support")


def test_threads_must_be_positive():
    with pytest.raises(ValueError, match="threads must be at least 1, not 0"):
        Session(BUNDLED, threads=0)


@pytest.mark.gpu
@pytest.mark.skipif(
    bool(find_cuda_problem(onnxruntime.get_available_providers())), reason="no NVIDIA GPU: the CUDA provider is not run"
)
def test_cuda_runs_and_agrees_with_the_cpu():
    rng = np.random.default_rng(0)
    image, mask = rng.random((2, 3, 256, 256), np.float32), np.zeros((2, 1, 256, 256), np.float32)
    mask[..., 80:180, 60:150] = 1
    cuda = Session(BUNDLED, "cuda")
    assert cuda.provider == CUDA
    np.testing.assert_allclose(cuda.complete(image, mask), Session(BUNDLED, "cpu").complete(image, mask), atol=2e-3)


def test_an_unreadable_file_is_refused(tmp_path):
    shutil.copy(BUNDLED, tmp_path / "m.onnx")
    (tmp_path / "m.onnx").write_bytes(BUNDLED.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"m\.onnx is not a"):
        Session(tmp_path / "m.onnx")
