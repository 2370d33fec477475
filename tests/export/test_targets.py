"""Nothing of the user's is lost."""

import sys

import pytest

import inpaint_export.pipeline
from inpaint_export.cli import main


def test_a_file_that_appears_meanwhile_is_kept(quick, checkpoint, tmp_path, capsys, monkeypatch):
    def appear(*_):
        (tmp_path / "m.onnx").write_bytes(b"mine")
        return 1.0

    monkeypatch.setattr(inpaint_export.pipeline, "time_window", appear)
    assert main([str(checkpoint), str(tmp_path / "m.onnx")]) == 1
    assert "exists: name another file" in capsys.readouterr().err
    assert (tmp_path / "m.onnx").read_bytes() == b"mine"


@pytest.mark.skipif(sys.platform != "linux", reason="needs a folder that even root cannot write to")
def test_a_target_that_cannot_be_written_is_said_before_anything_is_computed(checkpoint, capsys, monkeypatch):
    monkeypatch.setattr(inpaint_export.pipeline, "read_checkpoint", None)
    assert main([str(checkpoint), "/proc/m.onnx"]) == 1
    assert capsys.readouterr().err.startswith("inpaint-export: /proc/m.onnx cannot be written: ")
