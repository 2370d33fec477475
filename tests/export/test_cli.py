"""The command: what it prints, what it writes, and what it refuses."""

import sys

import pytest

import inpaint_export.pipeline
from inpaint_export.cli import main
from napari_inpaint.samples import THE_CREST


def test_errors_are_sentences(quick, checkpoint, tmp_path, capsys):
    (tmp_path / "there.onnx").write_bytes(b"mine")
    (tmp_path / "folder.onnx").mkdir()
    int8 = [str(checkpoint), str(tmp_path / "m.onnx"), "--precision", "int8", "--calibrate"]
    for words, message in (
        ([str(tmp_path), str(tmp_path / "m.onnx")], "neither a checkpoint nor a run"),
        ([str(checkpoint), str(tmp_path / "there.onnx")], "--overwrite"),
        ([str(checkpoint), str(tmp_path / "folder.onnx"), "--overwrite"], "is a folder"),
        ([str(checkpoint), str(tmp_path / "no" / "m.onnx")], "is no folder"),
        ([str(checkpoint), str(tmp_path / "m.onnx"), "--opset", "17"], "not 17"),
        ([*int8, str(tmp_path / "no")], "no such"),
        ([*int8, str(THE_CREST.path)], "at least 2"),
    ):  # fmt: skip
        assert main(words) == 1
        captured = capsys.readouterr().err
        assert message in captured
        assert captured.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.onnx", "there.onnx"]
    assert (tmp_path / "there.onnx").read_bytes() == b"mine"


@pytest.mark.parametrize(
    "words",
    [
        ["--precision", "int8"],
        ["--calibrate", "photos"],
        ["--precision", "int4"],
        ["--layout", "nhwc-uint8", "--bioimageio", "m.zip"],
        ["--bioimageio", "m"],
        ["--bioimageio", ""],
        ["--precision", "int8", "--calibrate", ""],
    ],
)
def test_wrong_usage_exits_with_2(checkpoint, tmp_path, capsys, words):
    with pytest.raises(SystemExit) as stop:
        main([str(checkpoint), str(tmp_path / "m.onnx"), *words])
    assert stop.value.code == 2
    assert not list(tmp_path.iterdir())


def test_a_missing_extra_is_named(checkpoint, tmp_path, capsys, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("inpaint_export.")]:
        if name != "inpaint_export.cli":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnx_ir", None)
    assert main([str(checkpoint), str(tmp_path / "m.onnx")]) == 1
    assert (
        capsys.readouterr().err
        == 'inpaint-export: onnx_ir is missing or too old: pip install "napari-inpaint[export]"\n'
    )


class OtherLibraryError(Exception):
    """As ONNX Runtime's, which are no RuntimeErrors."""


@pytest.mark.parametrize("kind", [OtherLibraryError, RuntimeError, MemoryError])
def test_a_library_that_fails_is_quoted_in_a_line(quick, checkpoint, tmp_path, capsys, monkeypatch, kind):
    def fail(*_):
        raise kind("Failed to allocate memory\nand a long trace")

    monkeypatch.setattr(OtherLibraryError, "__module__", "onnxruntime.capi.state")
    monkeypatch.setattr(inpaint_export.pipeline, "compare", fail)
    assert main([str(checkpoint), str(tmp_path / "m.onnx")]) == 1
    message = capsys.readouterr().err
    assert message == "inpaint-export: Failed to allocate memory (is there enough memory?); nothing written\n"
    assert not list(tmp_path.iterdir())


def test_a_stop_leaves_nothing(quick, checkpoint, tmp_path, capsys, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(inpaint_export.pipeline, "time_window", stop)  # the last thing before writing
    assert main([str(checkpoint), str(tmp_path / "m.onnx")]) == 1
    assert capsys.readouterr().err == "inpaint-export: stopped, nothing written\n"
    assert not list(tmp_path.iterdir())
