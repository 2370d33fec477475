"""Packages for the BioImage Model Zoo."""

import hashlib
import shutil
import zipfile

import numpy as np
import yaml

from inpaint_export.cli import main


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


def test_the_zoo_wants_a_licence_before_any_work(checkpoint, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("inpaint_export.pipeline.to_onnx", None)
    folder = tmp_path / "step"
    shutil.copytree(checkpoint, folder)
    recipe = folder / "recipe.yaml"
    recipe.write_text(recipe.read_text(encoding="utf-8").replace("licence: CC0-1.0", "licence: not stated"))
    assert main([str(folder), str(tmp_path / "m.onnx"), "--bioimageio", str(tmp_path / "m.zip")]) == 1
    assert "SPDX identifier" in capsys.readouterr().err
