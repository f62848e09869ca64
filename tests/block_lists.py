"""Random lists of blocks, as a config would hold them, for property tests."""

from typing import Any

from hypothesis import strategies as st

widths = st.integers(1, 6)


@st.composite
def _residual(draw: st.DrawFn, inside: st.SearchStrategy[Any]) -> dict[str, Any]:
    return {
        "name": "residual",
        "layers": draw(st.lists(inside, min_size=1, max_size=2)),
        "activation": draw(st.sampled_from(["identity", "relu", "prelu"])),
        "repeat": draw(st.integers(1, 2)),
    }


@st.composite
def _branch(draw: st.DrawFn, inside: st.SearchStrategy[Any]) -> dict[str, Any]:
    join = draw(st.sampled_from(["concat", "sum", "mean"]))
    branches = draw(st.lists(st.lists(inside, max_size=2), min_size=1, max_size=3))
    if join != "concat":
        # A dense layer of the same width at the end of each makes them fit.
        width = draw(widths)
        branches = [[*layers, width] for layers in branches]
    return {"name": "branch", "branches": branches, "join": join}


@st.composite
def _dense(draw: st.DrawFn) -> dict[str, Any]:
    block: dict[str, Any] = {"name": "dense", "units": draw(widths)}
    if draw(st.booleans()):
        block["activation"] = draw(st.sampled_from(["tanh", "prelu", "identity"]))
    if draw(st.booleans()):
        block[draw(st.sampled_from(["batch_norm", "layer_norm", "weight_norm"]))] = draw(
            st.booleans()
        )
    return block


@st.composite
def _maxout(draw: st.DrawFn) -> dict[str, Any]:
    return {"name": "maxout", "units": draw(widths), "pieces": draw(st.integers(2, 3))}


block_lists = st.lists(
    st.recursive(
        widths | _dense() | _maxout(),
        lambda inside: _residual(inside) | _branch(inside),
        max_leaves=5,
    ),
    max_size=3,
)
"""Values of `model.hidden`."""
