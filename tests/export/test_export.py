"""The exported file keeps the contract, and computes what PyTorch computes."""

import re

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import inpaint_export.verify
from inpaint_export.cli import main
from inpaint_export.graph import CompletionGraph
from inpaint_training.checkpoint import Progress, write_checkpoint
from inpaint_training.recipes import load_recipe
from napari_inpaint import Inpainter
from napari_inpaint.inference.contract import AXES, INPUTS, OUTPUTS, ModelSpec


@pytest.fixture(scope="session")
def exported(tmp_path_factory, checkpoint):
    """The file and what the command printed."""
    path = tmp_path_factory.mktemp("export") / "tiny.onnx"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inpaint_export.verify, "CASES", ((1, 70, 75, "box"), (2, 1, 1, "all"), (1, 90, 68, "none")))
        assert main([str(checkpoint), str(path)]) == 0
    return path


@pytest.fixture(scope="session")
def session(exported):
    return onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])


def test_names_axes_and_opset(exported):
    model = onnx.load(exported)
    assert tuple(x.name for x in model.graph.input) == INPUTS
    assert tuple(x.name for x in model.graph.output) == OUTPUTS
    for value in (*model.graph.input, *model.graph.output):
        shape = tuple(d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim)
        assert shape == AXES[value.name]
        assert value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    assert [(o.domain, o.version >= 18) for o in model.opset_import] == [("", True)]
    assert not any(t.external_data for t in model.graph.initializer)


def test_every_convolution_has_its_reflect_pad(exported):
    nodes = onnx.load(exported).graph.node
    pads = [node for node in nodes if node.op_type == "Pad"]
    assert len(pads) == 17
    assert all(onnx.helper.get_node_attr_value(node, "mode") == b"reflect" for node in pads)
    convolutions = [node for node in nodes if node.op_type in ("Conv", "ConvTranspose")]
    assert {node.input[0] for node in convolutions} == {node.output[0] for node in pads}


def test_the_file_describes_itself(exported):
    metadata = {p.key: p.value for p in onnx.load(exported).metadata_props}
    spec = ModelSpec.from_metadata(metadata)
    assert (spec.name, spec.licence, spec.window, spec.hole_min, spec.hole_max) == ("tiny", "CC0-1.0", 256, 24, 144)
    assert (spec.size_multiple, spec.minimum_side) == (4, 68)
    assert "3 photos" in spec.data


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (3, 67), (68, 68), (69, 71), (7, 300), (257, 130), (72, 512)])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("hole", ["none", "all", "edges", "specks"])
def test_equals_pytorch_at_any_size(session, tiny_network, size, batch, hole):
    rng = np.random.default_rng(0)
    image = rng.random((batch, 3, *size), np.float32)
    mask = np.full((batch, 1, *size), hole == "all", np.float32)
    if hole == "edges":
        mask[..., 0, :] = mask[..., -1, :] = mask[..., 0] = mask[..., -1] = 1
    if hole == "specks":
        mask = (rng.random(mask.shape) < 0.2).astype(np.float32)
    with torch.no_grad():
        expected = CompletionGraph(tiny_network)(torch.from_numpy(image), torch.from_numpy(mask))
    completion, composite = session.run(None, {"image": image, "mask": mask})
    np.testing.assert_allclose(completion, expected[0].numpy(), atol=2e-5)
    np.testing.assert_allclose(composite, expected[1].numpy(), atol=2e-5)
    known = np.broadcast_to(mask == 0, image.shape)
    np.testing.assert_array_equal(composite[known], image[known])


def test_a_nan_under_the_hole_does_not_matter(session):
    image, mask = np.random.default_rng(0).random((1, 3, 80, 90), np.float32), np.zeros((1, 1, 80, 90), np.float32)
    mask[..., 20:40, 30:60] = 0.5  # a hole from 0.5 on
    erased = np.where(mask > 0, np.float32(np.nan), image)
    for a, b in zip(session.run(None, {"image": image, "mask": mask}),
                    session.run(None, {"image": erased, "mask": mask}), strict=True):  # fmt: skip
        np.testing.assert_array_equal(a, b)
        assert np.isfinite(a).all()
    below = np.full_like(mask, 0.49)
    np.testing.assert_array_equal(session.run(["composite"], {"image": image, "mask": below})[0], image)


def test_the_engine_takes_the_file(exported, photo):
    inpainter = Inpainter(exported, device="cpu")
    result = inpainter.fill(photo, boxes=[(100, 100, 150, 180)])
    assert (result != photo).any()
    assert inpainter.last_record["model"] == "tiny"


def test_the_parity_table_is_printed(checkpoint, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(inpaint_export.verify, "CASES", ((1, 70, 75, "box"), (3, 70, 75, "all")))
    assert main([str(checkpoint), str(tmp_path / "m.onnx")]) == 0
    out = capsys.readouterr().out
    assert len(re.findall(r" pass$", out, re.MULTILINE)) == 2
    assert "opset 18" in out


def test_a_failing_comparison_leaves_no_file(checkpoint, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(inpaint_export.verify, "CASES", ((1, 70, 75, "box"),))
    monkeypatch.setattr(inpaint_export.verify, "TOLERANCE", -1.0)
    assert main([str(checkpoint), str(tmp_path / "m.onnx")]) == 1
    assert "FAIL" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_errors_are_sentences(checkpoint, tmp_path, capsys):
    (tmp_path / "there.onnx").write_bytes(b"mine")
    for words, message in (
        ([str(tmp_path), str(tmp_path / "m.onnx")], "neither a checkpoint nor a run"),
        ([str(checkpoint), str(tmp_path / "there.onnx")], "--overwrite"),
        ([str(checkpoint), str(tmp_path / "m.pt")], ".onnx"),
        ([str(checkpoint), str(tmp_path / "no" / "m.onnx")], "is no folder"),
        ([str(checkpoint), str(tmp_path / "m.onnx"), "--opset", "17"], "not 17"),
    ):
        assert main(words) == 1
        assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["there.onnx"]
    assert (tmp_path / "there.onnx").read_bytes() == b"mine"


def test_a_network_of_fixed_size_is_refused(tmp_path, capsys):
    recipe = load_recipe("context-encoder", ["--network.width", "0.0625"])
    folder = write_checkpoint(tmp_path / "step", recipe, Progress(step=1), recipe.network.build().state_dict())
    assert main([str(folder), str(tmp_path / "x.onnx")]) == 1
    assert "128 x 128 pixels only" in capsys.readouterr().err
    assert not (tmp_path / "x.onnx").exists()
