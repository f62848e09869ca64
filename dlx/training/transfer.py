"""Weights that a run takes from one that was trained before.

# I inputs, O outputs
"""

from pathlib import Path

from torch import Tensor

from dlx.config.types import FromRun
from dlx.errors import ConfigError, DlxError
from dlx.models.design import Design
from dlx.runs import find
from dlx.training.saved import open_saved

RUNS_DIR = Path("runs")


def take(given: FromRun, design: Design) -> dict[str, Tensor]:
    """Return weights and statistics of a trained run for a network's layers of the same name.

    Args:
        given: which run, and which of its layers
        design: of the network that takes them

    Returns:
        tensors by their names on the run axis

    Raises:
        ConfigError: there is no such run, or a layer is not there or has another shape
    """
    try:
        saved = open_saved(find(given.run, RUNS_DIR).path)
        state, source = saved.state, saved.design
    except DlxError as error:
        raise ConfigError(f"model.from_run: {error}") from error
    theirs = {layer.name: layer.structure for layer in source.layers}
    mine = {layer.name: layer.structure for layer in design.layers}
    if given.layers == "hidden":
        names = _alike(_hidden(design), _hidden(source), mine, theirs)
        if not names:
            first = _hidden(design)[:1] or ["1"]
            raise ConfigError(f"model.from_run: {_differs(first[0], mine, theirs, saved.path)}")
    else:
        names = list(mine) if given.layers == "all" else given.layers
        for name in names:
            if mine.get(name) is None or mine[name] != theirs.get(name):
                raise ConfigError(
                    f"model.from_run.layers: {_differs(name, mine, theirs, saved.path)}"
                )
    return {name: value for name, value in state.items() if name.split(".")[0] in names}


def layers_of(start: dict[str, Tensor]) -> tuple[str, ...]:
    """Return the names of the layers, those inside blocks too, that tensors belong to."""
    return tuple(dict.fromkeys(name.rpartition(".")[0] for name in start))


def _hidden(design: Design) -> list[str]:
    """Return the names of the layers up to the code, or before the output."""
    names = [layer.name for layer in design.layers]
    return names[: names.index(design.code) + 1] if design.code else names[:-1]


def _alike(
    mine: list[str],
    theirs: list[str],
    my_shapes: dict[str, object],
    their_shapes: dict[str, object],
) -> list[str]:
    """Return the first names, as far as both networks have layers of equal shapes."""
    found: list[str] = []
    for name, other in zip(mine, theirs, strict=False):
        if name != other or my_shapes[name] != their_shapes[name]:
            break
        found.append(name)
    return found


def _differs(name: str, mine: dict[str, object], theirs: dict[str, object], source: Path) -> str:
    """Say how a layer differs in two networks."""
    words = [
        f"layer {name} is {_shape(shapes.get(name))} {where}"
        for shapes, where in ((mine, "here"), (theirs, f"in {source}"))
    ]
    return f"{' and '.join(words)}; name others in model.from_run.layers, or change the model"


def _shape(structure: object) -> str:
    if structure is None:
        return "missing"
    assert isinstance(structure, tuple)
    return " ".join(str(each) for each in structure if each is not None)
