"""What can be calibrated with."""

from PIL import Image

from inpaint_export.cli import main


def test_black_photos_do_not_calibrate(quick, checkpoint, tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    for name in "abcd":
        Image.new("RGB", (400, 400)).save(tmp_path / "photos" / f"{name}.png")
    words = [str(checkpoint), str(tmp_path / "m.onnx"), "--precision", "int8", "--calibrate", str(tmp_path / "photos")]
    assert main(words) == 1
    assert "too few photos" in capsys.readouterr().err
