import os
import subprocess
import sys
from pathlib import Path

import onnxruntime
import pytest

from napari_inpaint.inference.runtime import providers
from napari_inpaint.inference.runtime.devices import check_devices
from napari_inpaint.inference.runtime.providers import (
    CPU,
    CUDA,
    Driver,
    choose_providers,
    find_cuda_problem,
    import_onnxruntime,
)

without_gpu = pytest.mark.skipif(not find_cuda_problem(onnxruntime), reason="there is a GPU: what is said without one")


class FakeRuntime:
    __version__, cuda_version = "9.9", "13.0"

    def __init__(self, *providers):
        self.get_available_providers = lambda: list(providers)


def test_provider_names_are_passed_through():
    assert choose_providers("XProvider", FakeRuntime("XProvider", CPU)) == (["XProvider", CPU], "")
    assert choose_providers(CPU, FakeRuntime("XProvider", CPU)) == ([CPU], "")
    with pytest.raises(ValueError, match="device 'CUDAExecutionProvider' cannot be used: the installed ONNX Runtime"):
        choose_providers(CUDA, FakeRuntime(CPU))
    with pytest.raises(ValueError, match="unknown device 'gpu'"):
        choose_providers("gpu", FakeRuntime(CPU))


def test_a_runtime_without_cuda_says_so_where_there_is_a_gpu(monkeypatch):
    for driver, said in ((None, ""), (Driver(1, (13, 0)), "the installed ONNX Runtime has no CUDA support")):
        monkeypatch.setattr(providers, "load_driver", lambda driver=driver: driver)
        assert choose_providers("auto", FakeRuntime(CPU)) == ([CPU], said)


@pytest.mark.parametrize(
    ("driver", "problem"),
    [
        (None, "no NVIDIA driver is installed"),
        (Driver(0, (13, 0)), "the NVIDIA driver finds no GPU"),
        (Driver(1, (12, 8)), "the NVIDIA driver knows CUDA up to 12.8, ONNX Runtime 9.9 needs 13; fix it with: "
                             'a newer driver, or pip install "onnxruntime-gpu[cuda,cudnn]<1.27"'),
        (Driver(2, (13, 0)), ""),
    ],
)  # fmt: skip
def test_the_driver_is_asked_before_the_provider(monkeypatch, driver, problem):
    monkeypatch.setattr(providers, "load_driver", lambda: driver)
    assert find_cuda_problem(FakeRuntime(CUDA, CPU)) == problem
    said = problem if driver is not None and driver.gpus else ""  # without a GPU there is nothing to say
    assert choose_providers("auto", FakeRuntime(CUDA, CPU)) == ([CPU] if problem else [CUDA, CPU], said)


def test_libraries_that_do_not_load_are_named(monkeypatch, capsys):
    runtime = FakeRuntime(CUDA, CPU)
    said = "Failed to load /a/libcublas.so.13: x\nFailed to load libcublas.so.13: y\nPlease install it\n"
    runtime.preload_dlls = lambda: sys.stdout.write(said)
    monkeypatch.setattr(providers, "load_driver", lambda: Driver(1, (13, 0)))
    fix = 'fix it with: pip install "onnxruntime-gpu[cuda,cudnn]"'
    assert find_cuda_problem(runtime) == f"CUDA's libraries are missing (libcublas.so.13); {fix}"
    with pytest.raises(ValueError, match="device 'cuda' cannot be used: CUDA's libraries are missing"):
        choose_providers("cuda", runtime)
    assert capsys.readouterr().out == ""


def test_a_half_installed_runtime_is_recognised(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", FakeRuntime())
    with pytest.raises(ImportError, match="only half installed; fix it with: pip uninstall -y onnxruntime"):
        import_onnxruntime()
    assert not check_devices().healthy


def test_a_missing_runtime_is_recognised(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r"cannot be imported .*fix it with: pip"):
        import_onnxruntime()


DRIVER = """
int cuInit(unsigned flags) { return 0; }
int cuDeviceGetCount(int *count) { *count = 1; return 0; }
int cuDriverGetVersion(int *version) { *version = VERSION; return 0; }
"""


@without_gpu
@pytest.mark.skipif(sys.platform != "linux", reason="makes a shared object")
@pytest.mark.parametrize(("version", "problem", "remedy"), [
    (99000, "CUDA's libraries are missing (libcublas", 'pip install "onnxruntime-gpu[cuda,cudnn]"'),
    (11080, "the NVIDIA driver knows CUDA up to 11.8", "a newer driver"),
])  # fmt: skip
def test_a_gpu_that_cannot_be_used_is_explained_without_noise(tmp_path, version, problem, remedy):
    """A driver that claims a GPU; CUDA's libraries are not installed."""
    source = tmp_path / "driver.c"
    source.write_text(DRIVER)
    try:
        subprocess.run(
            ["cc", f"-DVERSION={version}", "-shared", "-fPIC", "-o", tmp_path / "libcuda.so.1", source], check=True
        )
    except FileNotFoundError:
        pytest.skip("no C compiler")
    command = [sys.executable, "-m", "napari_inpaint.command.cli"]
    environment = os.environ | {"LD_LIBRARY_PATH": str(tmp_path)}
    report = subprocess.run([*command, "--check-devices"], env=environment, capture_output=True, text=True, check=False)
    assert report.returncode == 1
    assert f"cuda: does not work: {problem}" in report.stdout
    assert f"fix it with: {remedy}" in report.stdout
    assert "auto: runs on the CPU" in report.stdout
    assert report.stderr == ""
    image = Path(providers.__file__).parents[2] / "samples" / "the_crest.jpg"
    fill = [*command, str(image), "-o", str(tmp_path / "out.jpg"), "--box", "100", "100", "200", "200"]
    refused = subprocess.run([*fill, "--device", "cuda"], env=environment, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert f"device 'cuda' cannot be used: {problem}" in refused.stderr
    assert not (tmp_path / "out.jpg").exists()
    silent = subprocess.run(fill, env=environment, capture_output=True, text=True, check=False)
    assert silent.returncode == 0
    assert CPU in silent.stdout
    assert "onnxruntime" not in silent.stderr
