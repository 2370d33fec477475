"""Names that a person can read."""

import onnx


def test_nodes_and_weights_are_named_after_the_layers(exported, tiny_network):
    graph = onnx.load(exported).graph
    names = [node.name for node in graph.node]
    assert len(set(names)) == len(names)
    for layer in dict(tiny_network.layers.named_children()):
        assert {f"{layer}.pad", f"{layer}.conv"} <= set(names)
    assert {"dilated_4.conv.weight", "up_13.conv.bias"} <= {tensor.name for tensor in graph.initializer}
    others = {name.partition(".")[0] for name in names} - set(dict(tiny_network.layers.named_children()))
    assert others == {"prepare", "start", "finish"}
