"""What starts do: a sparse one for wide layers, the identity for long sequences."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dlx
from dlx.config.shipped import shipped
from tests.guarded import LEARNING

pytestmark = [pytest.mark.slow(*LEARNING), pytest.mark.usefixtures("one_thread")]


def test_a_sparse_start_neither_saturates_wide_layers_nor_lets_them_fade(tmp_path: Path) -> None:
    def train_cost(*overrides: str) -> float:
        run = dlx.train(shipped()["sparse"], ["log.points=2", *overrides], runs_dir=tmp_path)
        return run.metrics["train"]["cost"]

    sparse = train_cost()
    assert sparse < 0.1
    for std in (1.0, 0.01):
        assert train_cost(f"model.init={{name: normal, std: {std}}}") > 5 * sparse


def adding_problem(rows: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return sequences of (number, mark), and the sum of the two marked numbers of each.

    One mark is in the first half, the other in the second: (N, steps, 2) and (N,).

    Reference:
        Le, Jaitly and Hinton (2015), section 4.1
    """
    generator = np.random.default_rng(0)
    values, marks = generator.uniform(size=(rows, steps)), np.zeros((rows, steps))
    for first in (0, steps // 2):
        marks[np.arange(rows), first + generator.integers(0, steps // 2, rows)] = 1
    return np.stack([values, marks], 2), (values * marks).sum(1)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_relu_rnn_that_starts_as_the_identity_remembers_what_tanh_forgets(
    seed: int, tmp_path: Path
) -> None:
    inputs, targets = adding_problem(1500, 30)
    np.savez(tmp_path / "adding.npz", inputs=inputs, targets=targets)
    config: dict[str, Any] = {
        "name": "adding",
        "data": {"name": "npz", "path": str(tmp_path / "adding.npz"), "split_seed": 0},
        "model": {
            "name": "recurrent",
            "cell": "rnn",
            "hidden": [32],
            "activation": "relu",
            "init": {"name": "normal", "std": 0.1},
            "recurrent_init": "identity",
        },
        "optimizer": {"name": "adam", "lr": 0.005},
        "train": {"epochs": 15, "batch_size": 50, "clip_norm": 1.0},
        "log": {"level": "minimal", "points": 2},
        "seed": seed,
    }

    def explained(*overrides: str) -> float:
        return dlx.train(config, overrides, runs_dir=tmp_path).metrics["test"]["r2"]

    assert explained() > 0.7
    assert explained("model.recurrent_init=orthogonal", "model.activation=tanh") < 0.2
