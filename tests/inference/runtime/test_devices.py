"""What works is reported, and what mends the rest."""

from napari_inpaint.inference.runtime import devices, providers
from napari_inpaint.inference.runtime.devices import check_devices
from napari_inpaint.inference.runtime.providers import (
    CPU,
    CUDA,
    Driver,
)
from tests.inference.runtime.test_providers import FakeRuntime, without_gpu


def test_two_runtimes_are_reported_with_the_command_that_mends_them(monkeypatch):
    both = {"onnxruntime": "1.30", "onnxruntime-gpu": "1.31"}
    for module in (providers, devices):
        monkeypatch.setattr(module, "installed_runtimes", lambda: both)
    report = check_devices()
    assert not report.healthy
    fix = 'pip uninstall -y onnxruntime onnxruntime-gpu && pip install "onnxruntime'
    assert f"only one may stay; fix it with: {fix}" in str(report)


@without_gpu
def test_without_a_gpu_there_is_nothing_to_mend():
    report = check_devices()
    assert report.healthy
    assert "cpu: works, " in str(report)
    assert "cuda: does not work: no NVIDIA driver" in str(report)
    assert str(report).endswith("auto: runs on the CPU")


@without_gpu
def test_a_gpu_without_a_runtime_for_it_gets_the_command(monkeypatch):
    monkeypatch.setattr(devices, "find_cuda_problem", lambda _: "the installed ONNX Runtime has no CUDA support")
    monkeypatch.setattr(devices, "import_onnxruntime", lambda: FakeRuntime(CPU))
    monkeypatch.setattr(devices, "load_driver", lambda: Driver(1, (13, 0)))
    report = check_devices()
    assert not report.healthy
    assert "to use the GPU: pip uninstall -y onnxruntime" in str(report)


def test_every_other_provider_is_tried_and_said_before(monkeypatch):
    names = ("AzureExecutionProvider", "TensorrtExecutionProvider", "XExecutionProvider", "YExecutionProvider")
    monkeypatch.setattr(devices, "import_onnxruntime", lambda: FakeRuntime(*names, CUDA, CPU))
    monkeypatch.setattr(devices, "find_cuda_problem", lambda _: "the GPU is asleep")
    monkeypatch.setattr(devices, "load_driver", lambda: None)
    tried, said = [], []

    def try_apart(name):
        assert said[-1].startswith(f"trying {name}: ")
        tried.append(name)
        return "works, 9.0 ms" if name[0] == "X" else "does not work: no idea"

    monkeypatch.setattr(devices, "try_apart", try_apart)
    report = check_devices(said.append)
    assert tried == ["XExecutionProvider", "YExecutionProvider"]
    assert report.lines[-5:] == (
        "AzureExecutionProvider: not tried: it sends images to a server of Azure, and is no device of this machine",
        "TensorrtExecutionProvider: does not work: the GPU is asleep",
        "XExecutionProvider: works, 9.0 ms; use it with: --device XExecutionProvider",
        "YExecutionProvider: does not work: no idea",
        "auto: runs on the CPU",
    )
    assert report.healthy, "what nobody asked for need not work"
