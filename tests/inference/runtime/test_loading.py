import json
import threading
from pathlib import Path

import pytest

from napari_inpaint.inference.runtime import loading
from napari_inpaint.inference.runtime.loading import describe_cpu, fastest_on_cpu, find_model, open_session
from napari_inpaint.inference.runtime.providers import CPU, CUDA
from napari_inpaint.models import DEFAULT, bundled_models

FILES = bundled_models()["compact"]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A CPU that says nothing of its instruction sets, and a cache of its own."""
    monkeypatch.setattr(loading.platformdirs, "user_cache_dir", lambda *_, **__: str(tmp_path / "cache"))
    monkeypatch.setattr(loading, "read_cpu", lambda: ("", ()))
    loading.is_int8_fast.cache_clear()
    yield tmp_path / "cache" / "precision.json"
    loading.is_int8_fast.cache_clear()


def pretend_speeds(monkeypatch, **seconds):
    measured = []

    def measure(session, side):
        assert (session.spec.name, side) == (loading.PROBE, loading.PROBE_SIDE)
        measured.append(session.spec.precision)
        return seconds[session.spec.precision]

    monkeypatch.setattr(loading, "measure", measure)
    return measured


def test_models_are_found_by_name_and_by_path():
    assert find_model("compact") == FILES
    assert set(FILES) == {"fp32", "fp16", "int8"}
    for precision, path in FILES.items():
        assert find_model(f"compact.{precision}") == find_model(path) == find_model(str(path)) == {"": path}
        assert open_session(path, "cpu").spec.precision == precision


@pytest.mark.parametrize("name", ["nonsense", "compact.fp8", "compact.", ".fp32", "", "a" * 5000])
def test_an_unknown_model_names_the_bundled_ones(name):
    with pytest.raises(ValueError, match=rf"no model '{name}'.*compact"):
        find_model(name)


@pytest.mark.parametrize(
    ("fp32", "int8", "chosen"), [(3, 1, "int8"), (1, 1, "fp32"), (1, 3, "fp32"), (1.05, 1, "fp32")]
)
def test_the_fastest_precision_is_measured_once_said_and_kept(cache, monkeypatch, caplog, fp32, int8, chosen):
    caplog.set_level("INFO")
    measured = pretend_speeds(monkeypatch, fp32=fp32, int8=int8)
    assert fastest_on_cpu(FILES, None) == chosen
    assert open_session("compact", "cpu").spec.precision == chosen
    loading.is_int8_fast.cache_clear()  # as in another process
    assert open_session("compact", "cpu").spec.precision == chosen
    assert sorted(measured) == ["fp32", "int8"]
    assert [*json.loads(cache.read_text(encoding="utf-8")).values()] == [chosen == "int8"]
    assert [record.message for record in caplog.records] == [
        "measuring whether this CPU is faster in int8; this takes about a second"
    ]
    fastest_on_cpu(FILES, 1)  # another number of threads is measured by itself
    assert len(measured) == 4


@pytest.mark.parametrize("flag", sorted(loading.FAST_INT8))
def test_where_the_instructions_decide_nothing_is_measured(cache, monkeypatch, flag):
    measured = pretend_speeds(monkeypatch)
    monkeypatch.setattr(loading, "read_cpu", lambda: ("some CPU", ("fpu", flag)))
    assert fastest_on_cpu(FILES, None) == "int8"
    assert measured == []
    assert not cache.exists()


def test_one_process_chooses_for_all(cache, monkeypatch):
    pretend_speeds(monkeypatch, fp32=1, int8=1)
    assert loading.choose_model("compact", "cpu", 1) == "compact.fp32"
    assert loading.choose_model(None, "cpu", 1) == f"{loading.DEFAULT}.fp32"
    assert loading.choose_model("compact.int8", "cpu", 1) == "compact.int8"
    assert loading.choose_model(FILES["int8"], "cpu", 1) == FILES["int8"]
    monkeypatch.setattr(loading, "choose_providers", lambda *_: ([CUDA, CPU], ""))
    assert loading.choose_model("compact", "auto", 1) == "compact"


def test_the_default_is_bundled(monkeypatch):
    monkeypatch.setattr(loading, "DEFAULT", DEFAULT)
    assert find_model(None) == bundled_models()[DEFAULT]


def test_without_fp32_half_precision_stands_for_it(cache, monkeypatch):
    pretend_speeds(monkeypatch, fp32=1, int8=2)
    files = {precision: FILES[precision] for precision in ("fp16", "int8")}
    assert fastest_on_cpu(files, None) == "fp16"


@pytest.mark.parametrize("content", ["", "[1]", '{"x": 3}', "{", "[" * 200_000, "null"])
def test_a_broken_cache_is_replaced(cache, monkeypatch, content):
    cache.parent.mkdir()
    cache.write_text(content)
    pretend_speeds(monkeypatch, fp32=3, int8=1)
    assert fastest_on_cpu(FILES, None) == "int8"
    assert True in json.loads(cache.read_text(encoding="utf-8")).values()


def test_a_cache_that_cannot_be_written_does_no_harm(cache, monkeypatch):
    cache.parent.write_text("a file where the folder should be")
    measured = pretend_speeds(monkeypatch, fp32=3, int8=1)
    assert fastest_on_cpu(FILES, None) == fastest_on_cpu(FILES, None) == "int8"
    assert len(measured) == 2, "once in a process"


def test_what_is_in_one_precision_only_is_not_measured(cache, monkeypatch):
    measured = pretend_speeds(monkeypatch)
    assert fastest_on_cpu({"fp32": FILES["fp32"]}, None) == "fp32"
    assert fastest_on_cpu({"fp16": FILES["fp16"]}, None) == "fp16"
    assert measured == []


class FakeSession:
    def __init__(self, path, device, threads, provider):
        self.path, self.device, self.provider = path, device, provider


@pytest.mark.parametrize(("provider", "starts", "file"), [
    (CUDA, True, "fp16"), (CUDA, False, "int8"), ("XExecutionProvider", True, "fp32"), (CPU, True, "int8"),
])  # fmt: skip
def test_the_precision_suits_the_device(cache, monkeypatch, provider, starts, file):
    monkeypatch.setattr(loading, "choose_providers", lambda *_: ([provider, CPU], ""))
    monkeypatch.setattr(loading, "_open", lambda path, *rest: FakeSession(path, *rest, provider if starts else CPU))
    pretend_speeds(monkeypatch, fp32=3, int8=1)
    assert open_session("compact").path == FILES[file]


def test_a_session_is_shared_by_all_who_ask_for_the_same():
    opened, threads = [], [threading.Thread(target=lambda: opened.append(open_session("compact.fp32", "cpu")))
                           for _ in range(4)]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(session) for session in opened}) == 1
    assert open_session("compact.fp32", "cpu", 1) is not opened[0]


def test_a_file_that_was_replaced_is_opened_again(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(FILES["fp32"].read_bytes())
    first = open_session(path, "cpu")
    path.write_bytes(FILES["int8"].read_bytes())
    assert (first.spec.precision, open_session(path, "cpu").spec.precision) == ("fp32", "int8")


def test_the_cpu_has_a_description():
    assert describe_cpu().strip()


def test_a_model_that_was_bundled_is_to_be_found_elsewhere(tmp_path, monkeypatch):
    for name in ("landscape-refined", "landscape-refined.int8"):
        with pytest.raises(ValueError, match=r"inpaint-export weights/landscape-refined landscape-refined\.onnx"):
            find_model(name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "landscape-refined.onnx").touch()
    assert find_model("landscape-refined.onnx") == {"": Path("landscape-refined.onnx")}
