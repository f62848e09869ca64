"""What the sides of `benchmarks/ablate.py` train: networks, choices, seeds and data.

Data come from a file that the benchmark writes, so that all sides see the same rows.
"""

import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

STARTED = time.time()


@dataclass(frozen=True)
class Case:
    """An ablation: every activation under every optimizer at every seed.

    Attributes:
        data: name of the data set in dlx
        sizes: inputs, hidden widths and outputs
        activations: by their names in dlx
        optimizers: name and settings
        seeds: of every variant
        epochs: passes over the training rows
        batch: rows of a batch; None: all of them
        evaluations: of train and dev rows over a run, after the first
        options: more of the config
    """

    data: str
    sizes: tuple[int, ...]
    activations: tuple[str, ...]
    optimizers: tuple[dict[str, Any], ...]
    seeds: int
    epochs: int
    batch: int | None
    evaluations: int
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def runs(self) -> int:
        """All of them."""
        return len(self.activations) * len(self.optimizers) * self.seeds


SGD = {"name": "sgd", "lr": 0.03}
MOMENTUM = {"name": "momentum", "lr": 0.003, "momentum": 0.9}
ADAM = {"name": "adam", "lr": 0.001}
RMSPROP = {"name": "rmsprop", "lr": 0.001}
FOUR = ("sigmoid", "tanh", "relu", "leaky_relu")

CASES = {
    "xor": Case("xor", (2, *[10] * 9, 1), FOUR, (SGD, MOMENTUM, ADAM, RMSPROP), 32, 2000, None, 50),
    "digits": Case("digits", (64, 64, 64, 10), FOUR, (MOMENTUM, ADAM), 16, 200, 64, 20),
    "mnist": Case(
        "mnist", (784, 256, 256, 10), ("relu",), (ADAM,), 16, 10, 128, 10, {"split": {"dev": 10000}}
    ),
}


def load(path: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return inputs and targets of train and dev."""
    arrays = np.load(path)
    return {part: (arrays[f"{part}_x"], arrays[f"{part}_y"]) for part in ("train", "dev")}


def sample(case: Case, runs: int) -> list[tuple[int, int, int]]:
    """Return activation, optimizer and seed, by number, of some runs: as many of each variant."""
    per_variant = max(runs // (len(case.activations) * len(case.optimizers)), 1)
    return [
        (activation, optimizer, seed)
        for seed in range(min(per_variant, case.seeds))
        for activation in range(len(case.activations))
        for optimizer in range(len(case.optimizers))
    ]


def show(start: float, seconds: list[float], accuracies: dict[str, list[float]]) -> None:
    """Print what a side measured, as the last line of standard output.

    Args:
        start: seconds from the start of the process to the first run
        seconds: of each run
        accuracies: of dev rows at the end, by variant
    """
    report = {"start": start, "seconds": seconds, "accuracies": accuracies}
    print(json.dumps(report), file=sys.stdout)


def arguments() -> tuple[Case, dict[str, tuple[np.ndarray, np.ndarray]], int, Path]:
    """Return what the command line says: case, data, runs to train, a folder to write to."""
    name, data, runs, folder = sys.argv[1:5]
    return CASES[name], load(data), int(runs), Path(folder)
