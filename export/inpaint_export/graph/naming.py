"""Names that a person can read in a graph viewer: ``dilated_4.conv`` instead of ``node_conv2d_7``."""

from __future__ import annotations

import ast
import re
from collections import Counter
from typing import TYPE_CHECKING

from napari_inpaint.inference.runtime.contract import COARSE, REFINE

if TYPE_CHECKING:
    import onnx_ir as ir

PARTS = ("input", "prepare", "start", "attend", "finish", "output")
"""First words of the names of all nodes that are no layers of the network, from the image to the composite."""

LAYERS = re.compile(r"network\.(\w+\.)?layers\.")
"""Of the network, or of one of its stages."""
SCOPES = "pkg.torch.onnx.name_scopes"


def in_layers(node: ir.Node) -> bool:
    """Return whether a node with a readable name belongs to the network's layers."""
    return (node.name or "").partition(".")[0] not in PARTS


def name_nodes(graph: ir.Graph) -> None:
    """Name nodes, their outputs and the weights after the modules that PyTorch exported them from.

    Reads what the exporter noted about the modules, so it must run before those notes are deleted.
    """
    taken: Counter[str] = Counter()
    layers_began = False
    for node in graph:
        scopes = ast.literal_eval(node.metadata_props.get(SCOPES, "[]"))
        module = scopes[-2] if len(scopes) > 1 else ""
        if LAYERS.match(module):
            layers_began = True
            name = _layer_name(module, node.op_type.lower())
        else:
            part = "finish" if layers_began else "start" if module in ("network", f"network.{COARSE}") else "prepare"
            part = "attend" if module.startswith(f"network.{REFINE}") else part
            name = f"{part}.{node.op_type.lower()}"
        taken[name] += 1
        node.name = name if taken[name] == 1 else f"{name}_{taken[name]}"
        for index, output in enumerate(node.outputs):
            if not output.is_graph_output():
                output.name = f"{node.name}.{index}" if index else node.name
    for number, (name, value) in enumerate(list(graph.initializers.items())):
        module, _, kind = name.rpartition(".")
        weight = LAYERS.match(module)
        value.name = f"{_layer_name(module, 'conv')}.{kind}" if weight else f"constant_{number}"


def _layer_name(module: str, operator: str) -> str:
    """Return ``dilated_4.conv`` for ``network.layers.dilated_4.conv``, with a stage's name in front where there is one.

    A module with operators of its own lends them its name; numbers, which mean places in a sequence, become
    ``layer_3`` at the front and the operator's name at the end.
    """
    begin = LAYERS.match(module)
    assert begin is not None
    first, *others = module[begin.end() :].split(".")
    words = [f"layer_{first}" if first.isdigit() else first, *(word for word in others if not word.isdigit())]
    leaf = bool(others) and not others[-1].isdigit()
    return (begin[1] or "") + ".".join(words if leaf else [*words, operator])
