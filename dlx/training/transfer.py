"""Weights that a run takes from one that was trained before.

# I inputs, O outputs
"""

from collections.abc import Callable, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from dlx.config import load as config_files
from dlx.config.dump import to_plain
from dlx.config.schema import RunConfig
from dlx.config.types import FromRun
from dlx.data.parts import Splits
from dlx.data.pipeline import Pool, source_of
from dlx.errors import ConfigError, DlxError
from dlx.models.design import Design
from dlx.training.finding import find, find_run
from dlx.training.saved import open_saved

_OTHER_RUN = ("from_run", "from_run.run")


def located(config: RunConfig, runs_dir: Path) -> RunConfig:
    """Return a config whose `model.from_run`, wherever it stands, is the path of a run.

    A name stands for its newest run, which may be another one tomorrow; and only the path says
    again which folder of runs it was looked for in. The `ablation` section may vary the run.
    """
    settings = to_plain(config)
    changed = _with_runs(settings, lambda wanted: _path_of(wanted, runs_dir))
    changes = {key: changed[key] for key in ("model", "ablation") if changed[key] != settings[key]}
    return config_files.assign(config, changes) if changes else config


def _with_runs(value: Any, path_of: Callable[[str], str], *, is_run: bool = False) -> Any:
    """Return a part of a plain config with the path in the place of every run that it names.

    With `is_run`, texts that stand here, not below a key, name runs.
    """
    if isinstance(value, Mapping):
        return {
            key: _with_runs(
                inner, path_of, is_run=key.endswith(_OTHER_RUN) or (is_run and key == "run")
            )
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_with_runs(inner, path_of, is_run=is_run) for inner in value]
    return path_of(value) if is_run and isinstance(value, str) else value


def _path_of(wanted: str, runs_dir: Path) -> str:
    try:
        run = find_run(wanted, runs_dir)
    except DlxError as error:
        raise ConfigError(f"model.from_run: {error}") from error
    return str(run.path.absolute())


def split_of_source(config: RunConfig) -> dict[str, Any]:
    """Return what a config takes over to split its rows as the run that it starts from; by key.

    Nothing where it starts from none, or from one on other data, or says itself how it is split.
    """
    if config.data.split_seed != "auto" or (other := _source_on_same_data(config)) is None:
        return {}
    data = other.data
    seed = other.seed if data.split_seed == "auto" else data.split_seed
    return {"data.split_seed": seed, "data.test_seed": data.test_seed}


def refuse_leaks(config: RunConfig, splits: Splits, pool: Pool) -> None:
    """Refuse a run that would be judged by rows that the run which it starts from has seen."""
    given, other = config.model.source, _source_on_same_data(config)
    if given is None or other is None or splits.shared:
        return
    source = pool.split_for(other)
    watched = [] if source.stop is None else [source.stop.rows]
    seen = np.concatenate([source.unlabelled.train.rows, *watched])
    for name in ("dev", "test", "train_dev"):
        part = splits.parts.get(name)
        count = 0 if part is None else int(np.isin(part.rows, seen).sum())
        if part is not None and count:
            data = other.data
            seed = other.seed if data.split_seed == "auto" else data.split_seed
            test_seed = "null" if data.test_seed is None else data.test_seed
            raise ConfigError(
                f"model.from_run: {count} of the {len(part)} {name} rows were seen in the training "
                f"of {given.run}, and would say too much good of it; split the data "
                f"as there: data.split_seed={seed} data.test_seed={test_seed}, with its data.split"
            )


def _source_on_same_data(config: RunConfig) -> RunConfig | None:
    """Return the config of the run that a config starts from, if that is on the same data."""
    given = config.model.source
    if given is None:
        return None
    try:
        other = open_saved(find(given.run, Path()).path).config
    except DlxError as error:
        raise ConfigError(f"model.from_run: {error}") from error
    return other if source_of(other.data) == source_of(config.data) else None


def take(given: FromRun, design: Design) -> dict[str, Tensor]:
    """Return a trained run's tensors, by their names on the run axis, for layers of the same name.

    ConfigError if there is no such run, or a layer is not there or has another shape.
    """
    try:
        saved = open_saved(find(given.run, Path()).path)
        state, source = saved.state, saved.design
    except DlxError as error:
        raise ConfigError(f"model.from_run: {error}") from error
    source_shapes = {layer.name: layer.structure for layer in source.layers}
    own_shapes = {layer.name: layer.structure for layer in design.layers}
    if given.layers == "hidden":
        own = _hidden(own_shapes, design)
        pairs = zip(own, _hidden(source_shapes, source), strict=False)
        # The first ones, as far as both networks have layers of equal shapes.
        names = [name for (name, _), _ in takewhile(lambda pair: pair[0] == pair[1], pairs)]
        if not names:
            first = own[0][0] if own else "1"
            raise ConfigError(
                f"model.from_run: {_differs(first, own_shapes, source_shapes, saved.path)}"
            )
    else:
        names = list(own_shapes) if given.layers == "all" else given.layers
        for name in names:
            if own_shapes.get(name) is None or own_shapes[name] != source_shapes.get(name):
                raise ConfigError(
                    "model.from_run.layers: "
                    f"{_differs(name, own_shapes, source_shapes, saved.path)}"
                )
    return {name: value for name, value in state.items() if name.split(".")[0] in names}


def layers_of(start: dict[str, Tensor]) -> tuple[str, ...]:
    """Return the names of the layers, those inside blocks too, that tensors belong to."""
    return tuple(dict.fromkeys(name.rpartition(".")[0] for name in start))


def _hidden(shapes: dict[str, object], design: Design) -> list[tuple[str, object]]:
    """Return names and shapes of the layers up to the code, or before the output."""
    end = list(shapes).index(design.code) + 1 if design.code else -1
    return list(shapes.items())[:end]


def _differs(
    name: str, own_shapes: dict[str, object], source_shapes: dict[str, object], source: Path
) -> str:
    own, other = (_shape(shapes.get(name)) for shapes in (own_shapes, source_shapes))
    return (
        f"layer {name} is {own} here and layer {name} is {other} in {source}; name others in "
        "model.from_run.layers, or change the model"
    )


def _shape(structure: object) -> str:
    if structure is None:
        return "missing"
    assert isinstance(structure, tuple)
    return " ".join(str(part) for part in structure if part is not None)
