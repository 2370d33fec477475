"""Both stages in one file."""

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
import torch

import inpaint_export.pipeline
import inpaint_export.verify
from inpaint_export.cli import main
from inpaint_export.graph.convert import to_file, to_onnx
from inpaint_export.graph.graph import ExportWrapper
from inpaint_export.precision.half import to_half
from inpaint_export.precision.quantize import to_int8
from inpaint_training.checkpoints.checkpoint import Progress, read_checkpoint, write_checkpoint
from inpaint_training.checkpoints.describe import describe
from inpaint_training.evaluation.inpainter import CheckpointInpainter
from inpaint_training.recipes.library import load_recipe
from napari_inpaint import Inpainter
from napari_inpaint.inference.runtime.providers import make_options

pytestmark = pytest.mark.slow  # PyTorch takes a minute to export two stages


@pytest.fixture(scope="module")
def two_stages(tmp_path_factory):
    """A checkpoint of two small stages that both do something."""
    recipe = load_recipe("compact-two-stage", ["--network.width", "0.125", "--name", "pair", "--licence", "CC0-1.0"])
    torch.manual_seed(0)
    network = recipe.network.build()
    for stage in (network.coarse, network.refine):
        torch.nn.init.normal_(stage.layers.output_17.conv.weight, std=0.05)
    folder = tmp_path_factory.mktemp("run")
    return read_checkpoint(write_checkpoint(folder, recipe, Progress(step=1, images=1), network.state_dict(), {}))


@pytest.fixture(scope="module")
def proto(two_stages):
    return ir.to_proto(to_onnx(two_stages.network, 19))


@pytest.fixture
def model(proto):
    return ir.from_proto(proto)


@pytest.fixture
def spec(two_stages):
    return describe(two_stages)


def open_session(model, spec):
    data = to_file(model, spec).SerializeToString()
    return onnxruntime.InferenceSession(data, make_options(onnxruntime), providers=["CPUExecutionProvider"])


def feeds(height, width, seed=0):
    rng = np.random.default_rng(seed)
    mask = np.zeros((1, 1, height, width), np.float32)
    mask[..., height // 4 : height // 2 + 1, width // 3 : width * 2 // 3 + 1] = 1
    return {"image": rng.random((1, 3, height, width), np.float32), "mask": mask}


def test_inputs_are_the_usual_ones_and_names_begin_with_the_stage(model, spec, two_stages):
    graph = to_file(model, spec).graph
    assert [x.name for x in graph.input] == ["image", "mask"]
    assert [x.name for x in graph.output] == ["completion", "composite"]
    names, weights = {node.name for node in graph.node}, {tensor.name for tensor in graph.initializer}
    for stage in ("coarse", "refine"):
        for name, _ in getattr(two_stages.network, stage).layers.named_children():
            assert f"{stage}.{name}.conv" in names
            assert f"{stage}.{name}.conv.weight" in weights
    assert any(name.startswith("attend.") for name in names)


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (72, 72), (130, 257), (529, 80)])
def test_equals_pytorch_at_any_size(model, spec, two_stages, size):
    given = feeds(*size)
    with torch.no_grad():
        expected = ExportWrapper(two_stages.network)(*map(torch.from_numpy, given.values()))
    got = open_session(model, spec).run(None, given)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b.numpy(), atol=2e-5)
    known = np.broadcast_to(given["mask"] == 0, got[1].shape)
    np.testing.assert_array_equal(got[1][known], given["image"][known])


def test_attention_is_finite_where_nothing_is_known(model, spec):
    given = feeds(80, 96) | {"mask": np.ones((1, 1, 80, 96), np.float32)}
    assert all(np.isfinite(x).all() for x in open_session(model, spec).run(None, given))


def test_half_precision_is_in_the_convolutions_of_both_stages_and_not_in_attention(model, spec):
    given = feeds(96, 104)
    expected = open_session(model, spec).run(None, given)
    to_half(model)
    got = open_session(model, spec).run(None, given)
    hole = np.broadcast_to(given["mask"] > 0, got[1].shape)
    assert np.abs(got[1] - expected[1])[hole].mean() < 0.02  # of noise, where many cells look alike
    kinds = {node.name: node for node in model.graph}
    similarity = next(node for name, node in kinds.items() if name.startswith("attend.matmul"))
    assert similarity.outputs[0].dtype == ir.DataType.FLOAT
    for stage in ("coarse", "refine"):
        assert kinds[f"{stage}.conv_1.conv"].inputs[1].dtype == ir.DataType.FLOAT16


def test_eight_bits_are_in_the_convolutions_of_both_stages(model, spec, crops):
    given = feeds(96, 104)
    expected = open_session(model, spec).run(None, given)
    to_int8(model, crops[:4])
    got = open_session(model, spec).run(None, given)
    assert np.isfinite(got[1]).all()
    hole = np.broadcast_to(given["mask"] > 0, got[1].shape)
    assert np.abs(got[1] - expected[1])[hole].mean() < 0.08  # of noise
    nodes = {node.name: node for node in model.graph}
    for stage in ("coarse", "refine"):
        kernels = {
            name: nodes[f"{stage}.{name}.conv"].inputs[1].producer() for name in ("conv_1", "conv_12", "output_17")
        }
        assert kernels["conv_12"].op_type == "DequantizeLinear"
        assert kernels["output_17"] is None


def test_the_command_writes_a_file_that_the_engine_takes(two_stages, proto, tmp_path, monkeypatch, photo):
    monkeypatch.setattr(inpaint_export.pipeline, "to_onnx", lambda network, opset: ir.from_proto(proto))
    monkeypatch.setattr(inpaint_export.verify, "SIZES", ((1, 1), (70, 75)))
    monkeypatch.setattr(inpaint_export.verify, "REPEATS", 1)
    path = tmp_path / "pair.onnx"
    assert main([str(two_stages.folder), str(path)]) == 0
    inpainter = Inpainter(path, device="cpu")
    assert inpainter.session.spec.stages == "coarse,refine"
    with pytest.warns(UserWarning, match="at a lower resolution$"):
        filled = inpainter.fill(photo, boxes=[(100, 100, 400, 420)], detail="network")
    assert (filled[:100] == photo[:100]).all()
    assert inpainter.last_record["windows"][0]["factor"] == 3


@pytest.fixture(scope="module")
def pair(two_stages, proto, tmp_path_factory):
    """A file of both stages."""
    path = tmp_path_factory.mktemp("models") / "pair.onnx"
    onnx.save(to_file(ir.from_proto(proto), describe(two_stages)), path)
    return path


@pytest.mark.filterwarnings("ignore:a hole is")
def test_the_checkpoint_fills_large_holes_as_the_file_does(pair, two_stages, photo):
    boxes = [(60, 80, 330, 400), (400, 20, 440, 60)]
    fills = [each.fill(photo, boxes=boxes, detail="network") for each in (Inpainter(pair, device="cpu"),
                                                       CheckpointInpainter(two_stages.folder, "cpu"))]  # fmt: skip
    hole = np.zeros(photo.shape[:2], bool)
    for y0, x0, y1, x1 in boxes:
        hole[y0:y1, x0:x1] = True
    difference = np.abs(fills[0].astype(int) - fills[1])
    assert difference[~hole].max() == 0
    assert np.mean(difference[hole] <= 1) > 0.99


def test_bytes_go_in_and_out_with_two_stages_too(two_stages, proto, tmp_path, monkeypatch):
    monkeypatch.setattr(inpaint_export.pipeline, "to_onnx", lambda network, opset: ir.from_proto(proto))
    monkeypatch.setattr(inpaint_export.verify, "SIZES", ((1, 1), (70, 75)))
    monkeypatch.setattr(inpaint_export.verify, "REPEATS", 1)
    assert main([str(two_stages.folder), str(tmp_path / "pair.onnx"), "--layout", "nhwc-uint8"]) == 0
