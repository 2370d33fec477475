import pytest

import inpaint_export
from inpaint_export import export


def test_public_names_exist():
    assert set(inpaint_export.__all__) <= set(dir(inpaint_export))
    with pytest.raises(AttributeError, match="nonsense"):
        _ = inpaint_export.nonsense


def test_a_checkpoint_is_exported_without_a_word(quick, checkpoint, tmp_path, capsys):
    lines = []
    exported = export(checkpoint, str(tmp_path / "m.onnx"), say=lines.append)
    assert capsys.readouterr().out == ""
    assert exported.model.stat().st_size == exported.size
    assert exported.spec.precision == "fp32"
    assert exported.milliseconds["CPU"] > 0
    assert any(line.rstrip().endswith("pass") for line in lines)


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("m.zip", {}, "ends in .onnx"), ("m.onnx", {"precision": "int8"}, "go together"),
        ("m.onnx", {"precision": "fp4"}, "no precision 'fp4'"), ("m.onnx", {"layout": "x"}, "no layout 'x'"),
        ("m.onnx", {"bioimageio": "m.zip", "layout": "nhwc-uint8"}, "takes the layout"),
        ("nowhere/m.onnx", {}, "is no folder"),
    ],
)  # fmt: skip
def test_errors_come_before_any_work(tmp_path, model, options, message):
    with pytest.raises(ValueError, match=message):
        export(tmp_path / "no checkpoint", tmp_path / model, **options)
