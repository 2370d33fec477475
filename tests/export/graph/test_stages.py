"""Both stages in one file."""

import threading

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
from inpaint_export.graph.stages import make_optional
from inpaint_export.precision.half import to_half
from inpaint_export.precision.quantize import to_int8
from inpaint_training.checkpoints.checkpoint import Progress, read_checkpoint, write_checkpoint
from inpaint_training.checkpoints.describe import describe
from inpaint_training.evaluation.inpainter import CheckpointInpainter
from inpaint_training.recipes.library import load_recipe
from napari_inpaint import Inpainter
from napari_inpaint.inference.cancelling import FillCancelledError
from napari_inpaint.inference.runtime.providers import CUDA, make_options
from napari_inpaint.inference.runtime.session import Session
from napari_inpaint.models import bundled_models

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


def test_the_first_stage_is_a_branch_that_runs_only_when_it_is_wanted(model, spec, two_stages):
    nodes = len(model.graph)
    make_optional(model)
    graph = to_file(model, spec).graph
    assert [(x.name, len(x.type.tensor_type.shape.dim)) for x in graph.input] == [
        ("image", 4),
        ("mask", 4),
        ("refine", 0),
    ]
    (choice,) = (node for node in graph.node if node.op_type == "If")
    branches = {attribute.name: attribute.g for attribute in choice.attribute}
    assert [node.op_type for node in branches["then_branch"].node] == ["Identity"]
    first = [node.name for node in branches["else_branch"].node]
    assert {f"coarse.{name}.conv" for name in two_stages.network.coarse.layers._modules} <= set(first)
    outside = [node.name for node in graph.node]
    assert not any(name.startswith("coarse.") for name in outside)
    assert {"refine.conv_1.conv", "refine.output_17.conv"} <= set(outside)
    assert len(first) + len(outside) == nodes
    assert {tensor.name for tensor in branches["else_branch"].initializer} >= {"coarse.conv_1.conv.weight"}


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (72, 72), (130, 257), (529, 80)])
@pytest.mark.parametrize("refine", [None, False, True])
def test_equals_pytorch_at_any_size_with_one_stage_or_both(model, spec, two_stages, size, refine):
    make_optional(model)
    given = feeds(*size)
    flag = [] if refine is None else [torch.tensor(refine)]
    with torch.no_grad():
        expected = ExportWrapper(two_stages.network)(*map(torch.from_numpy, given.values()), *flag)
    more = {} if refine is None else {"refine": np.array(refine)}
    got = open_session(model, spec).run(None, given | more)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b.numpy(), atol=2e-5)
    known = np.broadcast_to(given["mask"] == 0, got[1].shape)
    np.testing.assert_array_equal(got[1][known], given["image"][known])


def test_attention_is_finite_where_nothing_is_known(model, spec):
    make_optional(model)
    given = feeds(80, 96) | {"mask": np.ones((1, 1, 80, 96), np.float32)}
    assert all(np.isfinite(x).all() for x in open_session(model, spec).run(None, given))


def test_half_precision_is_in_the_convolutions_of_both_stages_and_not_in_attention(model, spec):
    given = feeds(96, 104)
    expected = open_session(model, spec).run(None, given)
    to_half(model)
    make_optional(model)
    got = open_session(model, spec).run(None, given)
    hole = np.broadcast_to(given["mask"] > 0, got[1].shape)
    assert np.abs(got[1] - expected[1])[hole].mean() < 0.02  # of noise, where many cells look alike
    kinds = {node.name: node for node in model.graph}
    similarity = next(node for name, node in kinds.items() if name.startswith("attend.matmul"))
    assert similarity.outputs[0].dtype == ir.DataType.FLOAT
    assert kinds["refine.conv_1.conv"].inputs[1].dtype == ir.DataType.FLOAT16


def test_eight_bits_are_in_the_convolutions_of_both_stages(model, spec, crops):
    given = feeds(96, 104)
    expected = open_session(model, spec).run(None, given)
    to_int8(model, crops[:4])
    make_optional(model)
    session = open_session(model, spec)
    for refine in (False, True):
        got = session.run(None, given | {"refine": np.array(refine)})
        assert np.isfinite(got[1]).all()
    got = session.run(None, given)
    hole = np.broadcast_to(given["mask"] > 0, got[1].shape)
    assert np.abs(got[1] - expected[1])[hole].mean() < 0.08  # of noise
    (choice,) = (node for node in model.graph if node.op_type == "If")
    coarse = {node.name: node for node in choice.attributes["else_branch"].as_graph()}
    both = coarse | {node.name: node for node in model.graph}
    for stage in ("coarse", "refine"):
        kernels = {
            name: both[f"{stage}.{name}.conv"].inputs[1].producer() for name in ("conv_1", "conv_12", "output_17")
        }
        assert kernels["conv_12"].op_type == "DequantizeLinear"
        assert kernels["output_17"] is None


def test_the_command_writes_a_file_that_the_engine_refines_large_holes_with(
    two_stages, proto, tmp_path, monkeypatch, photo, capsys
):
    monkeypatch.setattr(inpaint_export.pipeline, "to_onnx", lambda network, opset: ir.from_proto(proto))
    monkeypatch.setattr(inpaint_export.verify, "SIZES", ((1, 1), (70, 75)))
    monkeypatch.setattr(inpaint_export.verify, "REPEATS", 1)
    path = tmp_path / "pair.onnx"
    assert main([str(two_stages.folder), str(path)]) == 0
    assert capsys.readouterr().out.count("box, refined") == 2
    assert "Optional input refine" in onnx.load(path).doc_string
    inpainter = Inpainter(path, device="cpu")
    assert inpainter.session.spec.stages == "coarse,refine"
    with pytest.warns(UserWarning, match="at a lower resolution and refined"):
        filled = inpainter.fill(photo, boxes=[(100, 100, 400, 420)], detail="network")
    assert (filled[:100] == photo[:100]).all()
    assert inpainter.last_record["windows"][0]["factor"] == 3


@pytest.fixture(scope="module")
def pair(two_stages, proto, tmp_path_factory):
    """A file of both stages."""
    model = ir.from_proto(proto)
    make_optional(model)
    path = tmp_path_factory.mktemp("models") / "pair.onnx"
    onnx.save(to_file(model, describe(two_stages)), path)
    return path


def test_stage_two_alone_runs_where_tensors_are_bound(pair):
    session, tensors = Session(pair, "cpu"), feeds(96, 104)
    expected = session.complete(*tensors.values(), refine=True)
    session.provider = CUDA  # takes the path of CUDA; the tensors stay where they are
    np.testing.assert_array_equal(session.complete(*tensors.values(), refine=True), expected)


@pytest.mark.filterwarnings("ignore:a hole is")
def test_a_thin_tail_that_vanishes_at_a_lower_resolution_is_filled(pair):
    image = np.random.default_rng(0).integers(0, 255, (400, 1200), np.uint8)
    mask = np.zeros(image.shape, bool)
    mask[100:260, 20:180] = mask[180, 180:1190] = True
    filled = Inpainter(pair, device="cpu").fill(image, mask, detail="network")
    assert (filled[~mask] == image[~mask]).all()


@pytest.mark.filterwarnings("ignore:a hole is")
def test_the_checkpoint_refines_large_holes_as_the_file_does(pair, two_stages, photo):
    boxes = [(60, 80, 330, 400), (400, 20, 440, 60)]
    fills = [each.fill(photo, boxes=boxes, detail="network") for each in (Inpainter(pair, device="cpu"),
                                                       CheckpointInpainter(two_stages.folder, "cpu"))]  # fmt: skip
    hole = np.zeros(photo.shape[:2], bool)
    for y0, x0, y1, x1 in boxes:
        hole[y0:y1, x0:x1] = True
    difference = np.abs(fills[0].astype(int) - fills[1])
    assert difference[~hole].max() == 0
    assert np.mean(difference[hole] <= 1) > 0.99


@pytest.mark.filterwarnings("ignore:a hole is")
def test_cancel_is_looked_at_before_every_tile(two_stages, photo, monkeypatch):
    inpainter, event, tiles = CheckpointInpainter(two_stages.folder, "cpu"), threading.Event(), []
    complete = inpainter.session.complete

    def complete_once(image, mask, cancel=None, refine=False):
        if refine:
            tiles.append(image.shape)
            event.set()
        return complete(image, mask, cancel, refine)

    monkeypatch.setattr(inpainter.session, "complete", complete_once)
    with pytest.raises(FillCancelledError):
        inpainter.fill(np.tile(photo, (2, 2, 1)), boxes=[(60, 80, 830, 900)], cancel=event)
    assert len(tiles) == 1


@pytest.mark.parametrize("disguise", ["none", "floats"])
def test_a_file_that_only_claims_a_second_stage_is_refused(tmp_path, disguise):
    model = onnx.load(bundled_models()["compact"]["fp32"])
    (stages,) = (entry for entry in model.metadata_props if entry.key == "napari_inpaint.schema")
    stages.value = "2"
    model.metadata_props.add(key="napari_inpaint.stages", value="coarse,refine")
    if disguise == "floats":
        model.graph.input.append(onnx.helper.make_tensor_value_info("refine", onnx.TensorProto.FLOAT, [3]))
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros(3, np.float32), "refine"))
    onnx.save(model, tmp_path / "claims.onnx")
    with pytest.raises(ValueError, match=r"no optional input 'refine' that is a single bool"):
        Inpainter(tmp_path / "claims.onnx", device="cpu").fill(np.zeros((90, 90)), boxes=[(30, 30, 60, 60)])


def test_bytes_go_in_and_out_with_two_stages_too(two_stages, proto, tmp_path, monkeypatch):
    monkeypatch.setattr(inpaint_export.pipeline, "to_onnx", lambda network, opset: ir.from_proto(proto))
    monkeypatch.setattr(inpaint_export.verify, "SIZES", ((1, 1), (70, 75)))
    monkeypatch.setattr(inpaint_export.verify, "REPEATS", 1)
    assert main([str(two_stages.folder), str(tmp_path / "pair.onnx"), "--layout", "nhwc-uint8"]) == 0
