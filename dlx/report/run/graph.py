"""The network as TensorBoard's Graph page draws it: a node for each layer, with its width.

# O outputs
"""

from collections.abc import Iterable
from typing import Any

from dlx.models.design import Design
from dlx.nn.layers import Blueprint, Spec
from dlx.tracking.protos import AttrValue, GraphDef, TensorShapeProto


def network_graph(design: Design, shape: tuple[int, ...]) -> Any:
    """Return a `GraphDef` from the inputs, rows of a shape, to the cost.

    A node is named after the layer's number, kind and width. An edge carries the shape of what
    flows, (rows, O); a block is a box around its layers, in which `join` puts their ends together.
    """
    graph, head = GraphDef(), design.head
    by_width = "x".join(map(str, shape))
    inputs = _add(graph, f"inputs {by_width}", "inputs", [], shape)
    last = _add_layers(graph, design.layers, inputs, "")
    output = head.output if isinstance(head.output, str) else head.output.name
    outputs = (head.num_outputs,)
    given = _add(graph, f"{output} {head.num_outputs}", "output", [last], outputs)
    targets = _add(graph, "targets", "targets", [], ())
    _add(graph, "cost", "cost", [given, targets], (), {"loss": head.loss.name})
    return graph


def _add_layers(graph: Any, layers: Blueprint, source: str, scope: str) -> str:
    """Add layers, first to last, after the node `source`; return the name of the last node."""
    for spec in layers:
        if not spec.changes:
            continue
        name = f"{scope}{_title(spec)}"
        ends: Iterable[str] = [source]
        if any(spec.inside):
            ends = [_add_layers(graph, stack, source, f"{name}/") for stack in spec.inside]
            name = f"{name}/join"
        shapes = {key: size for key, size in spec.shapes(1).items() if key.startswith(("W", "U"))}
        facts = {**spec.facts(), **shapes}
        source = _add(graph, name, spec.kind, ends, (spec.outputs,), facts)
    return source


def _title(spec: Spec) -> str:
    activation = spec.facts().get("activation")
    kind = spec.kind if spec.kind != "dense" or activation is None else activation
    return f"{spec.name} {kind} {spec.outputs}"


def _add(
    graph: Any,
    name: str,
    kind: str,
    sources: Iterable[str],
    shape: tuple[int, ...],
    facts: dict[str, Any] | None = None,
) -> str:
    node = graph.node.add(name=name, op=kind, input=dict.fromkeys(sources))
    sizes = [TensorShapeProto.Dim(size=size) for size in (-1, *shape)]
    flows = AttrValue.ListValue(shape=[TensorShapeProto(dim=sizes)])
    node.attr["_output_shapes"].list.CopyFrom(flows)
    for key, value in (facts or {}).items():
        if value:
            node.attr[key].s = str(value).encode()
    return name
