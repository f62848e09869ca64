"""Checks of a data source.

# N rows, I inputs
"""

import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dlx.config.types import Choice
from dlx.data import default_directory
from dlx.data.dataset import Dataset
from dlx.data.pipeline import load, load_chosen
from dlx.errors import DataError
from dlx.testing.runs import chosen


def check_data_source(
    source: str | Callable[..., Dataset], data_dir: Path | None = None, **options: Any
) -> None:
    """Check that a data source returns rows that can be split and trained on.

    It returns the same bytes every time, and neither uses nor changes the global generators of
    Python, NumPy and torch. Types and shapes are those of `Dataset`. The rows can be split. Options
    may be those of split and preprocessing too.
    """
    named = chosen("data", source, options)
    what = f"data source {named.name}"
    folder = data_dir or default_directory()
    first = _read(what, named, folder)
    before = _global_states()  # only now, since modules that the source imports may draw too
    again = _read(what, named, folder)
    assert _global_states() == before, (
        f"{what}: it draws from a global generator; make a generator, seeded by an option"
    )
    assert again == first, f"{what}: it returns other numbers when it is read again"


def _read(what: str, named: Choice, folder: Path) -> str:
    """Read and check the rows; return the fingerprint of their splits."""
    _check_types(what, load_chosen(named, folder))
    try:
        return load(named, folder).fingerprint
    except DataError as error:
        raise AssertionError(f"{what}: {error}") from error


def _global_states() -> tuple[str, bytes, bytes]:
    return (
        repr(random.getstate()),
        repr(np.random.get_state(legacy=False)).encode(),
        torch.get_rng_state().numpy().tobytes(),
    )


def _check_types(what: str, dataset: Dataset) -> None:
    assert isinstance(dataset, Dataset), (
        f"{what}: it returns a {type(dataset).__name__}; return a dlx.data.dataset.Dataset"
    )
    wanted = {"inputs": ("float32", "uint8"), "targets": ("int64", "float32")}
    for name, allowed in wanted.items():
        array = getattr(dataset, name)
        assert isinstance(array, np.ndarray), (
            f"{what}: its {name} are a {type(array).__name__}; return a numpy array"
        )
        assert array.dtype.name in allowed, (
            f"{what}: its {name} are {array.dtype.name}; return {' or '.join(allowed)}"
        )
    if dataset.classes is None:
        assert dataset.targets.ndim == 2 and dataset.targets.dtype == np.float32, (
            f"{what}: targets of shape {dataset.targets.shape}, {dataset.targets.dtype.name}; "
            "numbers to predict are (N, T) float32, and classes have names"
        )
    width = math.prod(dataset.inputs.shape[1:])
    assert dataset.features is None or len(dataset.features) == width, (
        f"{what}: {len(dataset.features or ())} names of features for {width} inputs"
    )
