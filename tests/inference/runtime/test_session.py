import os
import shutil
import subprocess
import sys
import threading

import numpy as np
import onnx
import onnxruntime
import pytest

from napari_inpaint import Box, FillCancelledError, Inpainter
from napari_inpaint.inference.runtime import session as session_module
from napari_inpaint.inference.runtime.providers import CPU, CUDA, find_cuda_problem
from napari_inpaint.inference.runtime.session import Session
from napari_inpaint.models import bundled_models
from tests.inference.runtime.test_providers import FakeRuntime

BUNDLED = bundled_models()["compact"]["fp32"]


def case(count, side=64):
    rng = np.random.default_rng(0)
    mask = np.zeros((count, 1, side, side), np.float32)
    mask[..., 10:40, 20:50] = 1
    return rng.random((count, 3, side, side), np.float32), mask


class SmallDevice:
    """Stands for the session of a device that has memory for so many windows."""

    def __init__(self, session, windows):
        self.session, self.windows, self.calls = session, windows, []

    def run(self, names, feeds, options):
        self.calls.append(len(feeds["image"]))
        if self.calls[-1] > self.windows:
            raise RuntimeError("BFCArena: Failed to allocate memory for requested buffer of size 1\nmore lines")
        return self.session.run(names, feeds, options)


def on_small_device(windows):
    session = Session(BUNDLED, "cpu")
    session.runtime, session.provider = SmallDevice(session.runtime, windows), "SmallExecutionProvider"
    return session


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


@pytest.mark.skipif(not find_cuda_problem(onnxruntime), reason="CUDA works here")
def test_without_a_gpu_auto_runs_on_the_cpu_and_cuda_is_refused():
    session = Session(BUNDLED, "auto")
    assert session.provider == CPU
    assert session.cuda_problem == ""  # a machine without a GPU hears nothing about it
    with pytest.raises(ValueError, match=r"device 'cuda' cannot be used: .*; or use device='auto' or 'cpu'"):
        Session(BUNDLED, "cuda")


def test_a_model_with_weights_in_other_files_is_refused(tmp_path, monkeypatch):
    onnx.save(onnx.load(BUNDLED), tmp_path / "m.onnx", save_as_external_data=True, location="weights.bin")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"m\.onnx keeps weights in other files"):
        Session(tmp_path / "m.onnx")


def test_a_batch_that_is_too_large_for_a_device_is_halved():
    image, mask = case(5)
    session = on_small_device(windows=2)
    completion = session.complete(image, mask)
    assert session.runtime.calls == [5, 2, 3, 1, 2]
    assert session.batch_size(64, 64) < on_small_device(windows=2).batch_size(64, 64) / 2  # remembered
    np.testing.assert_array_equal(completion, Session(BUNDLED, "cpu").complete(image, mask))
    assert session.provider == "SmallExecutionProvider"


def test_a_window_that_is_too_large_for_a_device_goes_to_the_cpu_with_a_warning():
    image, mask = case(2)
    session = on_small_device(windows=0)
    with pytest.warns(RuntimeWarning, match=r"Small\w+ has too little memory .*CPU\w+ goes on"):
        completion = session.complete(image, mask)
    np.testing.assert_array_equal(completion, Session(BUNDLED, "cpu").complete(image, mask))
    assert session.provider == CPU
    assert session.cuda_problem == "SmallExecutionProvider ran out of memory"
    session.complete(image, mask)  # without another warning


def test_other_failures_of_a_device_are_not_hidden():
    session = on_small_device(windows=1)
    session.runtime.run = lambda *_: (_ for _ in ()).throw(RuntimeError("an illegal memory access"))
    with pytest.raises(RuntimeError, match=r"Small\w+ could not .* 64 x 64 pixels: an illegal .*; use device="):
        session.complete(*case(1))


@pytest.mark.parametrize("provider", ["XExecutionProvider", CUDA])
def test_a_provider_that_was_asked_for_and_does_not_open_is_to_blame(monkeypatch, provider):
    def open_runtime(data, options, providers, enable_fallback):
        assert enable_fallback == (provider == CUDA)
        raise RuntimeError("it failed\nno device is plugged in.\n")

    fake = FakeRuntime(provider, CPU)
    fake.SessionOptions, fake.InferenceSession = onnxruntime.SessionOptions, open_runtime
    monkeypatch.setattr(session_module, "import_onnxruntime", lambda: fake)
    monkeypatch.setattr(session_module, "choose_providers", lambda *_: ([provider, CPU], ""))
    said = ("is not a model that ONNX Runtime can load: it failed" if provider == CUDA else
            "X\\w+' cannot be used: it does not open .*: no device is plugged in; use device=")  # fmt: skip
    with pytest.raises(ValueError, match=said):
        Session(BUNDLED, provider)


def test_bound_inputs_and_outputs_give_the_same():
    image, mask = case(2)
    session = Session(BUNDLED, "cpu")
    expected = session.complete(image, mask)
    session.provider = CUDA  # takes the path of CUDA; the tensors stay where they are
    np.testing.assert_array_equal(session.complete(image, mask), expected)
    assert session.batch_size(256, 256) > session.batch_size(512, 512) >= 1


def test_a_cpu_completes_one_window_at_a_time():
    assert Session(BUNDLED, "cpu").batch_size(256, 256) == 1


def test_a_running_call_ends_when_the_event_is_set():
    session, cancel = Session(BUNDLED, "cpu", threads=1), threading.Event()
    image, mask = case(1, 2048)  # seconds on any CPU
    threading.Timer(0.1, cancel.set).start()
    with pytest.raises(FillCancelledError):
        session.complete(image, mask, cancel)
    session.complete(*case(1), threading.Event())  # it can be used again


@pytest.mark.gpu
@pytest.mark.skipif(bool(find_cuda_problem(onnxruntime)), reason="no NVIDIA GPU: the CUDA provider is not run")
@pytest.mark.parametrize("path", [path for files in bundled_models().values() for path in files.values()],
                         ids=lambda path: path.stem)  # fmt: skip
def test_cuda_runs_and_agrees_with_the_cpu(path, photo):
    image = np.stack([photo[200:456, 100:356], photo[40:296, 300:556]]).transpose(0, 3, 1, 2) / np.float32(255)
    mask = np.zeros((2, 1, 256, 256), np.float32)
    mask[..., 80:180, 60:150] = 1
    cuda, cpu = Session(path, "cuda"), Session(path, "cpu")
    assert cuda.provider == CUDA
    largest, mean = (2e-2, 1e-3) if cuda.spec.precision == "int8" else (2e-3, 1e-5)
    difference = np.abs(cuda.complete(image, mask) - cpu.complete(image, mask))
    assert difference.max() < largest
    assert difference.mean() < mean


def test_an_unreadable_file_is_refused(tmp_path):
    shutil.copy(BUNDLED, tmp_path / "m.onnx")
    (tmp_path / "m.onnx").write_bytes(BUNDLED.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"m\.onnx is not a"):
        Session(tmp_path / "m.onnx")


def test_onnxruntime_keeps_no_list_of_events(tmp_path):
    code = "from napari_inpaint import Inpainter; Inpainter('compact.fp32', 'cpu').session"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"HOME": str(tmp_path)})
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("model", ["compact", "landscape"])
def test_eight_bits_overflow_on_no_cpu(photo, model):
    """Bright, smooth pixels are where sums of 8-bit products are the largest: an overflow costs 10 dB there."""
    box = Box(60, 400, 160, 500)
    files = bundled_models()[model]
    exact, int8 = (
        Inpainter(files[precision], "cpu").fill(photo, boxes=[box])[box.slices].astype(float)
        for precision in (next(each for each in ("fp32", "fp16") if each in files), "int8")
    )
    truth = photo[box.slices]
    worse = 10 * np.log10(np.mean((int8 - truth) ** 2) / np.mean((exact - truth) ** 2))
    assert worse < 0.5
