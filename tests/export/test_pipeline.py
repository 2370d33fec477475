"""What is exported, and what is refused instead."""

import re
import shutil

import onnx
import pytest
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


def test_a_network_of_fixed_size_is_refused(tmp_path, capsys):
    recipe = load_recipe("context-encoder", ["--network.width", "0.0625"])
    folder = write_checkpoint(tmp_path / "step", recipe, Progress(step=1), recipe.network.build().state_dict())
    assert main([str(folder), str(tmp_path / "x.onnx")]) == 1
    assert "128 x 128 pixels only" in capsys.readouterr().err
    assert not (tmp_path / "x.onnx").exists()
