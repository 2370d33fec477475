"""The exported file keeps the contract, and computes what PyTorch computes."""

import copy

import onnx
import pytest
import torch
from torch import nn

from inpaint_export.graph.convert import choose_opset, fold_batch_norms
from inpaint_training.networks.completion import CompletionNetwork
from inpaint_training.networks.pggan import PgganNetwork
from napari_inpaint import Inpainter
from napari_inpaint.inference.runtime.contract import FLOAT_LAYOUT, LAYOUTS, ModelSpec


def test_names_axes_and_opset(exported):
    model = onnx.load(exported)
    layout = LAYOUTS[FLOAT_LAYOUT]
    assert [x.name for x in model.graph.input] == list(layout.inputs)
    assert [x.name for x in model.graph.output] == list(layout.outputs)
    for value in (*model.graph.input, *model.graph.output):
        shape = tuple(d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim)
        assert shape == (layout.inputs | layout.outputs)[value.name]
        assert value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
        assert not value.metadata_props
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 18)]
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
    assert (spec.precision, spec.layout) == ("fp32", FLOAT_LAYOUT)
    assert "3 photos" in spec.data


def test_the_engine_takes_the_file(exported, photo):
    inpainter = Inpainter(exported, device="cpu")
    result = inpainter.fill(photo, boxes=[(100, 100, 150, 180)])
    assert (result != photo).any()
    assert inpainter.last_record["model"] == "tiny"


@pytest.mark.parametrize("network", [CompletionNetwork(0.0625, norm="batch"), PgganNetwork(0.0625)])
def test_batch_norms_become_weights(network):
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):  # as if it had been trained
            for x in (module.weight, module.running_var):
                nn.init.uniform_(x, 0.5, 2)
            for x in (module.bias, module.running_mean):
                nn.init.normal_(x)
    if isinstance(network, CompletionNetwork):  # a residual of zero would hide everything
        nn.init.normal_(network.layers.output_17.conv.weight, std=0.02)
    network.double().eval()
    before = copy.deepcopy(network.state_dict())
    folded = fold_batch_norms(network)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    image, mask = torch.rand(1, 3, 72, 80).double(), torch.zeros(1, 1, 72, 80).double()
    mask[..., 20:50, 20:50] = 1
    with torch.inference_mode():
        torch.testing.assert_close(folded(image, mask), network(image, mask), atol=1e-9, rtol=0)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_each_precision_has_its_oldest_opset():
    assert (choose_opset(None, "fp32"), choose_opset(None, "int8"), choose_opset(20, "fp16")) == (18, 19, 20)
    with pytest.raises(ValueError, match="not 28"):  # which onnx knows, and ONNX Runtime does not
        choose_opset(28, "fp32")
    with pytest.raises(ValueError, match=r"must be 19 to .* for int8, not 18"):
        choose_opset(18, "int8")
