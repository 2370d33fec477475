from pathlib import Path

import pytest
import torch

from inpaint_training.checkpoints.checkpoint import read_checkpoint
from inpaint_training.checkpoints.start import find_start, read_model_weights
from inpaint_training.recipes.library import load_recipe
from napari_inpaint.models import bundled_models

ROOT = Path(__file__).parents[3]


@pytest.mark.skipif(not (ROOT / "weights").is_dir(), reason="the source distribution has no weights")
def test_a_bundled_name_means_its_checkpoint_in_a_clone(monkeypatch):
    monkeypatch.chdir(ROOT)
    start = find_start(Path("landscape"))
    assert start.folder == Path("weights/landscape")
    assert start.critics


@pytest.mark.skipif(not (ROOT / "weights").is_dir(), reason="the source distribution has no weights")
def test_a_model_file_holds_all_weights_of_its_checkpoint():
    checkpoint = read_checkpoint(ROOT / "weights" / "compact")
    weights = checkpoint.network.state_dict()
    for precision, error in (("fp32", 0), ("fp16", 2e-3)):
        read = read_model_weights(bundled_models()["compact"][precision], checkpoint.recipe.network)
        assert read.keys() == weights.keys()
        assert all(torch.allclose(read[name], weights[name], rtol=error, atol=error / 100) for name in read)


def test_elsewhere_it_means_the_best_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_start(Path("compact")) == bundled_models()["compact"]["fp32"]
    assert find_start(Path("landscape")) == bundled_models()["landscape"]["fp16"]


def test_what_cannot_be_started_from_is_refused_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    network = load_recipe("compact").network
    with pytest.raises(ValueError, match=r"neither a checkpoint, a run, a model file nor a bundled model \(compact"):
        find_start(Path("nonsense"))
    with pytest.raises(ValueError, match="weights of int8, which are rounded too much"):
        read_model_weights(bundled_models()["compact"]["int8"], network)
    with pytest.raises(ValueError, match="holds another network than the recipe asks for"):
        read_model_weights(bundled_models()["landscape"]["fp16"], network)
    (tmp_path / "x.onnx").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="is no model file"):
        read_model_weights(find_start(Path("x.onnx")), network)
