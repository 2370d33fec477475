import itertools
import shutil

import onnx
import onnx_ir as ir
import onnxruntime
import pytest
import torch

import inpaint_export.pipeline
import inpaint_export.verify
from inpaint_export.graph.convert import OPSETS, to_onnx
from inpaint_training.checkpoints.checkpoint import Progress, write_checkpoint
from inpaint_training.evaluation.cases import Protocol, iterate_cases
from inpaint_training.networks.completion import CompletionNetwork
from inpaint_training.recipes.library import load_recipe
from napari_inpaint.inference.runtime.providers import CPU, make_options
from napari_inpaint.models import bundled_models
from napari_inpaint.samples import THE_CREST


@pytest.fixture(scope="session")
def tiny_network():
    torch.manual_seed(0)
    network = CompletionNetwork(0.125).eval()
    for layer in network.layers:
        torch.nn.init.normal_(layer.conv.bias, std=0.05)
    torch.nn.init.normal_(network.layers.output_17.conv.weight, std=0.02)
    return network


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory, tiny_network):
    recipe = load_recipe("compact", ["--network.width", "0.125", "--name", "tiny", "--licence", "CC0-1.0"])
    progress = Progress(step=1, images=10, photos=3, l1_hole=0.1)
    return write_checkpoint(tmp_path_factory.mktemp("run"), recipe, progress, tiny_network.state_dict(), {})


@pytest.fixture(scope="session")
def converted(tiny_network):
    """The tiny network as ONNX; made once, as it takes PyTorch half a minute."""
    return ir.to_proto(to_onnx(tiny_network))


@pytest.fixture(scope="session")
def tiny_proto(converted):
    """The same in the opset of int8, in which its operators are what they were."""
    proto = onnx.ModelProto.FromString(converted.SerializeToString())
    proto.opset_import[0].version = OPSETS["int8"]
    return proto


@pytest.fixture
def tiny(tiny_proto):
    """A fresh copy of it, to be changed."""
    return ir.from_proto(tiny_proto)


@pytest.fixture
def quick(tiny_proto, monkeypatch):
    """Exports of the checkpoint without waiting for PyTorch, compared on few sizes."""
    monkeypatch.setattr(inpaint_export.pipeline, "to_onnx", lambda network, opset: ir.from_proto(tiny_proto))
    monkeypatch.setattr(inpaint_export.verify, "SIZES", ((1, 1), (70, 75)))
    monkeypatch.setattr(inpaint_export.verify, "REPEATS", 1)


@pytest.fixture
def compact():
    """The bundled model: trained weights, in float32."""
    return ir.from_proto(onnx.load(bundled_models()["compact"]["fp32"]))


@pytest.fixture(scope="session")
def crops(tmp_path_factory):
    """Crops of a photo, with holes: even ones to calibrate with, odd ones to measure the loss on."""
    folder = tmp_path_factory.mktemp("photos")
    shutil.copy(THE_CREST.path, folder / "crest.jpg")
    return list(itertools.islice(iterate_cases(folder, Protocol(crops=24, holes=(24, 144))), 24))


@pytest.fixture(scope="session")
def open_model():
    """Opens a session of an editable model, after checking it."""

    def open_checked(model):
        proto = ir.to_proto(model)
        onnx.checker.check_model(proto, full_check=True)
        return onnxruntime.InferenceSession(proto.SerializeToString(), make_options(onnxruntime), providers=[CPU])

    return open_checked
