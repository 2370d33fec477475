"""The command: what it prints, what it writes, and what it refuses."""

import hashlib
import re
import shutil
import sys
import zipfile

import numpy as np
import onnx
import pytest
import yaml
from PIL import Image
from safetensors.torch import load_file, save_file

import inpaint_export.pipeline
import inpaint_export.verify
from inpaint_export.cli import main
from inpaint_export.graph.editing import change_weight
from inpaint_training.checkpoints.checkpoint import Progress, write_checkpoint
from inpaint_training.recipes.library import load_recipe
from napari_inpaint.inference.runtime.contract import ModelSpec
from napari_inpaint.samples import THE_CREST


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg"):
        shutil.copy(THE_CREST.path, folder / name)
    return folder


def read_spec(path):
    return ModelSpec.from_metadata({p.key: p.value for p in onnx.load(path).metadata_props})


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("layout", ["nchw-float", "nhwc-uint8"])
def test_every_precision_in_every_layout(quick, checkpoint, photos, tmp_path, capsys, precision, layout, windows):
    words = [str(checkpoint), str(tmp_path / "m.onnx"), "--precision", precision, "--layout", layout]
    assert main(words + (["--calibrate", str(photos)] if precision == "int8" else [])) == 0
    out = capsys.readouterr().out
    assert len(re.findall(r" pass$", out, re.MULTILINE)) == 2 * (7 if layout == "nchw-float" else 5)
    assert ("a loss of" in out) == (precision == "int8")
    assert re.search(r"MB, \d+ ms per 256 px window on CPU", out)
    spec = read_spec(tmp_path / "m.onnx")
    assert (spec.precision, spec.layout) == (precision, layout)
    assert spec.value_range == ("0..1" if layout == "nchw-float" else "0..255")


@pytest.mark.parametrize("change", ["TOLERANCES", "LARGEST_LOSS"])
def test_a_failing_proof_leaves_no_file(quick, checkpoint, photos, tmp_path, capsys, monkeypatch, change):
    if change == "TOLERANCES":
        monkeypatch.setitem(inpaint_export.verify.TOLERANCES, "int8", inpaint_export.verify.Tolerance(-1.0, 1.0))
    else:
        monkeypatch.setattr(inpaint_export.pipeline, "LARGEST_LOSS", -100.0)
    target = tmp_path / "out"
    target.mkdir()
    words = [str(checkpoint), str(target / "m.onnx"), "--precision", "int8", "--calibrate", str(photos)]
    assert main([*words, "--bioimageio", str(target / "m.zip")]) == 1
    captured = capsys.readouterr()
    assert captured.err.endswith("nothing written\n")
    assert ("FAIL" in captured.out) == (change == "TOLERANCES")
    assert list(target.iterdir()) == []


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


def test_a_truncated_checkpoint_is_refused(quick, checkpoint, tmp_path, capsys):
    folder = tmp_path / "step"
    shutil.copytree(checkpoint, folder)
    weights = folder / "generator.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert main([str(folder), str(tmp_path / "m.onnx")]) == 1
    assert "is damaged" in capsys.readouterr().err


@pytest.mark.parametrize(("value", "message"), [(float("nan"), "no numbers"), (1e5, "use --precision fp32")])
def test_weights_that_cannot_be_written_are_refused(quick, checkpoint, tmp_path, capsys, monkeypatch, value, message):
    folder = tmp_path / "step"
    shutil.copytree(checkpoint, folder)
    weights = load_file(folder / "generator.safetensors")
    weights["layers.conv_5.conv.weight"][0, 0] = value
    save_file(weights, folder / "generator.safetensors")

    def to_onnx(network, opset):
        model = original(network, opset)
        change_weight(
            model.graph.initializers["conv_5.conv.weight"], network.layers.conv_5.conv.weight.detach().numpy()
        )
        return model

    original = inpaint_export.pipeline.to_onnx
    monkeypatch.setattr(inpaint_export.pipeline, "to_onnx", to_onnx)
    assert main([str(folder), str(tmp_path / "m.onnx"), "--precision", "fp16"]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "m.onnx").exists()


def test_weights_that_do_not_fit_the_recipe_are_named(quick, checkpoint, tmp_path, capsys):
    folder = tmp_path / "step"
    shutil.copytree(checkpoint, folder)
    recipe = folder / "recipe.yaml"
    recipe.write_text(recipe.read_text(encoding="utf-8").replace("width: 0.125", "width: 0.25", 1))
    assert main([str(folder), str(tmp_path / "m.onnx")]) == 1
    assert re.search(r"is damaged: .*: size mismatch", capsys.readouterr().err)


def test_black_photos_do_not_calibrate(quick, checkpoint, tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    for name in "abcd":
        Image.new("RGB", (400, 400)).save(tmp_path / "photos" / f"{name}.png")
    words = [str(checkpoint), str(tmp_path / "m.onnx"), "--precision", "int8", "--calibrate", str(tmp_path / "photos")]
    assert main(words) == 1
    assert "too few photos" in capsys.readouterr().err


def test_a_file_that_appears_meanwhile_is_kept(quick, checkpoint, tmp_path, capsys, monkeypatch):
    def appear(*_):
        (tmp_path / "m.onnx").write_bytes(b"mine")
        return 1.0

    monkeypatch.setattr(inpaint_export.pipeline, "time_window", appear)
    assert main([str(checkpoint), str(tmp_path / "m.onnx")]) == 1
    assert "exists: name another file" in capsys.readouterr().err
    assert (tmp_path / "m.onnx").read_bytes() == b"mine"


def test_a_network_of_fixed_size_is_refused(tmp_path, capsys):
    recipe = load_recipe("context-encoder", ["--network.width", "0.0625"])
    folder = write_checkpoint(tmp_path / "step", recipe, Progress(step=1), recipe.network.build().state_dict())
    assert main([str(folder), str(tmp_path / "x.onnx")]) == 1
    assert "128 x 128 pixels only" in capsys.readouterr().err
    assert not (tmp_path / "x.onnx").exists()


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


@pytest.mark.skipif(sys.platform != "linux", reason="needs a folder that even root cannot write to")
def test_a_target_that_cannot_be_written_is_said_before_anything_is_computed(checkpoint, capsys, monkeypatch):
    monkeypatch.setattr(inpaint_export.pipeline, "read_checkpoint", None)
    assert main([str(checkpoint), "/proc/m.onnx"]) == 1
    assert capsys.readouterr().err.startswith("inpaint-export: /proc/m.onnx cannot be written: ")


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


def test_a_package_for_the_zoo(quick, checkpoint, tmp_path):
    model, package = tmp_path / "m.onnx", tmp_path / "m.zip"
    assert main([str(checkpoint), str(model), "--bioimageio", str(package)]) == 0
    with zipfile.ZipFile(package) as archive:
        archive.extractall(tmp_path / "zoo")
    folder = tmp_path / "zoo"
    description = yaml.safe_load((folder / "rdf.yaml").read_text(encoding="utf-8"))
    assert (folder / "model.onnx").read_bytes() == model.read_bytes()
    assert description["license"] == "CC0-1.0"
    assert [x["id"] for x in description["inputs"]] == ["image", "mask"]
    assert [x["id"] for x in description["outputs"]] == ["completion", "composite"]
    assert description["weights"]["onnx"]["opset_version"] == 19
    for item in [x["test_tensor"] for x in description["inputs"] + description["outputs"]] + [
        description["weights"]["onnx"]
    ]:
        assert hashlib.sha256((folder / item["source"]).read_bytes()).hexdigest() == item["sha256"]
    for name in (description["documentation"], *description["covers"]):
        assert (folder / name).stat().st_size > 0
    image, mask, composite = (np.load(folder / f"{name}.npy") for name in ("image", "mask", "composite"))
    np.testing.assert_array_equal(np.where(mask > 0, 0, composite), np.where(mask > 0, 0, image))


def test_the_zoo_wants_a_licence(quick, checkpoint, tmp_path, capsys):
    folder = tmp_path / "step"
    shutil.copytree(checkpoint, folder)
    recipe = folder / "recipe.yaml"
    recipe.write_text(recipe.read_text(encoding="utf-8").replace("licence: CC0-1.0", "licence: not stated"))
    assert main([str(folder), str(tmp_path / "m.onnx"), "--bioimageio", str(tmp_path / "m.zip")]) == 1
    assert "SPDX identifier" in capsys.readouterr().err
