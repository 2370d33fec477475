"""A provider is tried by running the bundled model on it, whatever it does to the process."""

import json
import re
import sys
import types
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from napari_inpaint.inference.runtime import trying
from napari_inpaint.inference.runtime.providers import CPU
from napari_inpaint.inference.runtime.trying import share_time, try_apart, try_here
from napari_inpaint.models import DEFAULT, bundled_models

X = "XExecutionProvider"
META = onnxruntime.InferenceSession(bundled_models()[DEFAULT]["fp16"], providers=[CPU]).get_modelmeta()


class FakeSession:
    """Of a runtime with the provider X."""

    ran = (X,)
    starts = X
    error = None
    value = 0.5

    def __init__(self, data, options, providers, enable_fallback):
        assert (providers, enable_fallback) == ([X, CPU], False)
        self.prefix = options.profile_file_prefix
        self.get_providers = lambda: [self.starts, CPU]
        self.get_modelmeta = lambda: META

    def run(self, names, feeds):
        if self.error:
            raise RuntimeError(self.error)
        assert feeds["mask"].any()
        return [np.full_like(feeds["image"], self.value)]

    def end_profiling(self):
        events = [{"dur": 30, "args": {"provider": name}} for name in self.ran]
        path = Path(f"{self.prefix}.json")
        path.write_text(json.dumps([{"name": "session", "dur": 5}, *events]), encoding="utf-8")
        return str(path)


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        ({}, r"works, \d+\.\d ms for a window of 256 x 256 pixels in fp16; it runs the whole model"),
        ({"ran": (X, CPU, CPU, CPU)}, r"works, .*; of the network's time CPUExecutionProvider 75%"),
        ({"ran": (CPU,)}, r"does not work: it leaves the whole model to CPUExecutionProvider"),
        ({"starts": CPU}, r"does not work: it did not start, CPUExecutionProvider would run instead"),
        ({"value": np.nan}, r"does not work: what it computes is no image"),
        ({"error": "[ORT] : 1 : FAIL : node Status Message: no memory."}, r"does not work: no memory"),
        ({"error": "x failed\n\nthe cause.\n"}, r"does not work: the cause"),
    ],
)
def test_what_came_of_it_is_said(monkeypatch, behaviour, said):
    session = type("Behaving", (FakeSession,), behaviour)
    options = types.SimpleNamespace(add_session_config_entry=lambda *_: None)
    fake = types.SimpleNamespace(InferenceSession=session, SessionOptions=lambda: options, __version__="9.9")
    monkeypatch.setitem(sys.modules, "onnxruntime", fake)
    assert re.fullmatch(said, try_here(X))


def test_a_provider_that_works_is_timed_in_a_process_of_its_own():
    said = try_apart(CPU)
    assert said.startswith("works, ")
    assert said.endswith("it runs the whole model")


def test_one_that_is_not_there_is_no_crash():
    assert try_apart("NoSuchExecutionProvider").startswith("does not work: ")


def test_one_that_never_ends_is_stopped():
    said = try_apart(CPU, patience=0.01)
    assert said.startswith("does not work: it had not completed a window after 0.01 s, and was stopped; ")
    assert said.endswith(f"--device {CPU}")


def test_a_crash_is_told_from_an_answer(monkeypatch):
    crashing = "import sys, os; sys.stderr.write('its last words\\n'); sys.stderr.flush(); os.abort()"
    monkeypatch.setattr(trying, "COMMAND", [sys.executable, "-c", crashing])
    assert try_apart(X).startswith("does not work: trying it ended with status ")
    assert try_apart(X).endswith("; it said: its last words")


def test_libraries_that_are_not_there_are_named(monkeypatch):
    lost = (
        "import sys; sys.stderr.write('Failed with error: libnvinfer.so.10: cannot open shared object file\\n');"
        "print('noise'); print('napari-inpaint: does not work: please install it')"
    )
    monkeypatch.setattr(trying, "COMMAND", [sys.executable, "-c", lost])
    assert try_apart(X) == "does not work: please install it; a library is missing: libnvinfer.so.10"


def test_time_is_shared_among_those_that_ran_nodes():
    assert share_time([]) == {}
    events = [{"dur": 3, "args": {"provider": "A"}}, {"dur": 9, "args": {"op_name": "x"}}, {"dur": 8},
              {"dur": 1, "args": {"provider": "B"}}]  # fmt: skip
    assert share_time(events) == {"A": 0.75, "B": 0.25}
