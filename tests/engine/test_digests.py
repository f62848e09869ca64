"""The same bits on every machine: trainings whose ends and evaluations are stored as digests.

Their rows are exact numbers, so that nothing but dlx makes their bits: initial weights, orders,
masks, noise and the steps.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from dlx.cohort import Member
from dlx.data.dataset import Task
from dlx.native import library
from dlx.optimizers.penalties import Penalty
from tests.cohorts import (
    ACTIVATIONS,
    DROPOUTS,
    INITIALIZERS,
    built,
    design,
    member,
    reconstruction,
    task,
)
from tests.engine.networks import covered, trained_exactly

STORED: dict[str, Any] = json.loads(Path(__file__).with_name("digests.json").read_text())
# Measured on the first batch, by torch, whose sums are not the same everywhere: lsuv.
STARTS = [name for name in INITIALIZERS if name != "lsuv"]
PRECISIONS = {"float32": torch.float32, "float64": torch.float64}


def trainings() -> dict[str, tuple[Task, list[Member], int, int]]:
    """Return trainings by name: task, runs, rows and batch size."""
    three, images, plane = task(5, 3), reconstruction(5), task(2, 2)
    blocks: list[Any] = [
        {"name": "maxout", "units": 4, "pieces": 3},
        {"name": "residual", "layers": [7, 5], "activation": "relu"},
        {"name": "branch", "branches": [[3], [4, 2], []], "join": "concat"},
    ]
    optimizers = ("momentum", "nesterov", "adagrad", "rmsprop", "adadelta", "adamw", "lion")
    moments = ("adam", "nadam", "radam", "adamax")
    deep = design(plane, [10] * 9, "sigmoid")
    tied = built("autoencoder", images, encoder=[9, 6], tied=True)
    code: dict[str, Any] = {"code_activation": "sigmoid", "k_sparse": 3}
    code["sparsity"] = {"name": "kl", "weight": 0.1}
    sparse = built("autoencoder", images, encoder=[6], **code)
    corrupted = built("autoencoder", images, encoder=[9, 6], corruption="salt_and_pepper")
    normal = design(three, [17, 6], "relu", batch_norm=True)
    over_units = design(three, [17, 6], "gelu", layer_norm=True, weight_norm=True)
    limits: dict[str, Any] = {"clip_norm": 0.3, "clip_value": 0.1, "max_norm": 0.9}
    limits |= {"penalty": Penalty(0.001, 0.01), "average": {"name": "ema", "decay": 0.9}}
    cases: dict[str, tuple[Task, list[Member], int, int]] = {
        "gates": (plane, [member("gates", deep, num_steps=300)], 4, 4),
        "activations": (
            three,
            [member(name, design(three, [17, 6], name), num_steps=40) for name in ACTIVATIONS],
            45,
            16,
        ),
        "optimizers": (
            three,
            [member(name, normal, name, num_steps=40, weight_decay=0.01) for name in optimizers],
            45,
            45,
        ),
        "moments": (
            three,
            [member(name, over_units, name, num_steps=40) for name in moments],
            45,
            45,
        ),
        "limits": (three, [member("limits", normal, num_steps=40, **limits)], 45, 45),
        "blocks": (
            three,
            [member("blocks", built("mlp", three, hidden=blocks), num_steps=40)],
            45,
            45,
        ),
        "tied": (images, [member("tied", tied, num_steps=40)], 45, 45),
        "sparse": (images, [member("sparse", sparse, num_steps=40)], 45, 45),
        "regression": (
            task(5, 0),
            [member("regression", design(task(5, 0), [31], "tanh", loss="huber"), num_steps=40)],
            45,
            45,
        ),
        "drawn": (
            three,
            [
                member(
                    init,
                    design(three, [17, 6], init=init, dropout=dropout, noise=0.1),
                    seed=seed,
                    num_steps=40,
                )
                for seed, (init, dropout) in enumerate(zip(STARTS, DROPOUTS * 9, strict=False))
            ],
            45,
            16,
        ),
        "corrupted": (images, [member("corrupted", corrupted, num_steps=40)], 45, 16),
        "wide": (three, [member("wide", design(three, [300, 40], "relu"), num_steps=10)], 150, 150),
    }
    return {
        name: (what, covered(runs), number, size)
        for name, (what, runs, number, size) in cases.items()
    }


def digests(name: str, precision: str) -> dict[str, list[str]]:
    """Train, and return the digests of each run's end and of its evaluations."""
    what, members, num_rows, batch_size = trainings()[name]
    return trained_exactly(members, what, num_rows, batch_size, PRECISIONS[precision])


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", trainings())
def test_a_training_has_the_stored_bits_at_every_level(
    monkeypatch: pytest.MonkeyPatch, name: str, precision: str
) -> None:
    for level in library.levels():
        monkeypatch.setenv(library.LEVEL_VARIABLE, level)
        assert digests(name, precision) == STORED[name][precision], level


def test_the_digests_are_of_this_arithmetic() -> None:
    assert STORED["arithmetic"] == library.ARITHMETIC


if __name__ == "__main__":  # writes the digests anew
    every = {name: {p: digests(name, p) for p in PRECISIONS} for name in trainings()}
    if STORED["arithmetic"] == library.ARITHMETIC:
        changed = [name for name in every if STORED.get(name, every[name]) != every[name]]
        assert not changed, f"other bits of {changed} need another number in dlx/native/library.py"
    written = {"arithmetic": library.ARITHMETIC, **every}
    Path(__file__).with_name("digests.json").write_text(json.dumps(written, indent=1) + "\n")
