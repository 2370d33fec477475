"""Networks of two stages in one file: the second can run alone, and the first costs nothing then."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from napari_inpaint.inference.runtime.contract import REFINE

REFINE_MEANING = (
    f"Optional input {REFINE}, bool (): true when the image's holes are filled already, so that only the second stage "
    "runs and refines that fill. False when it is not given."
)


def add_default(graph: ir.Graph) -> None:
    """Make the input `REFINE` optional, where there is one: programs that do not know it get both stages."""
    for value in graph.inputs:
        if value.name == REFINE:
            value.const_value = ir.tensor(np.array(False), name=REFINE)
            graph.register_initializer(value)


def make_optional(model: ir.Model) -> None:
    """Run the first stage only when its completion is wanted, in place.

    The exporter computes both and chooses; here the nodes of the first stage move into a branch of an ``If``.
    """
    graph = model.graph
    wanted = next((value for value in graph.inputs if value.name == REFINE), None)
    if wanted is None:
        return
    (choice,) = (use.node for use in wanted.uses())
    _, given, completion = choice.inputs
    assert given is not None and completion is not None
    own = _sources(completion) - _sources(*graph.outputs, beyond=completion)
    nodes = [node for node in graph if node in own]
    for node in nodes:
        graph.remove(node)
    first = ir.Graph([], [completion], nodes=nodes, name="complete")
    for name, value in list(graph.initializers.items()):
        if value.uses() and all(use.node in own for use in value.uses()):
            first.register_initializer(graph.initializers.pop(name))
    same = ir.node("Identity", [given], name="complete.given")
    same.outputs[0].name, same.outputs[0].type = same.name, given.type
    given_already = ir.Graph([], same.outputs, nodes=[same], name="given")
    branches = ir.node("If", [wanted], {"then_branch": given_already, "else_branch": first}, name="complete")
    branches.outputs[0].name, branches.outputs[0].type = branches.name, completion.type
    graph.insert_before(choice, branches)
    choice.outputs[0].replace_all_uses_with(branches.outputs[0])
    graph.remove(choice, safe=True)


def _sources(*values: ir.Value | None, beyond: ir.Value | None = None) -> set[ir.Node]:
    """Return the nodes that values are computed by, except those that are only needed for one value."""
    found: set[ir.Node] = set()
    waiting = list(values)
    while waiting:
        value = waiting.pop()
        node = value.producer() if value is not None and value is not beyond else None
        if node is not None and node not in found:
            found.add(node)
            waiting += node.inputs
    return found
