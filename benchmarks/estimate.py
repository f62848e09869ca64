"""Compares how long `dlx ablate --dry-run` says that ablations take with how long they take.

    DLX_DATA=... python benchmarks/estimate.py [--rounds 3]

Whole ablations in this process, the cases in turn, round after round; the table has medians. The
estimate should be within a factor of two. Needs an idle machine.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from dlx import api
from dlx.api import Ablation

CASES: dict[str, tuple[dict[str, Any], list[str], int]] = {
    "XOR, nine layers, 240 runs": (
        {"data": "xor", "model": {"hidden": [10] * 9}, "train": {"steps": 2000}},
        ["model.activation=sigmoid,tanh,relu", "optimizer.lr=0.001,0.01,0.1,1"],
        20,
    ),
    "digits, 64-64, 60 runs": (
        {"data": "digits", "model": {"hidden": [64, 64]}, "train": {"epochs": 30}},
        ["model.activation=relu,tanh", "model.dropout=0,0.2,0.5"],
        10,
    ),
    "digits, one run": (
        {"data": "digits", "model": {"hidden": [64, 64]}, "train": {"epochs": 200}},
        ["model.activation=relu"],
        1,
    ),
    "MNIST, 256-256, 4 runs": (
        {"data": "mnist", "model": {"hidden": [256, 256]}, "train": {"epochs": 2}},
        ["model.activation=relu,tanh"],
        2,
    ),
}


def trained(config: dict[str, Any], varied: list[str], seeds: int, folder: Path) -> Ablation:
    """Train an ablation in one process."""
    return api.ablate(config, varied=varied, seeds=seeds, runs_dir=folder, jobs=1)


def main() -> None:
    """Print the estimates beside the medians of what was measured."""
    parser = argparse.ArgumentParser(description="Compares estimates with measurements.")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    estimates: dict[str, float] = {}
    measured: dict[str, list[float]] = {name: [] for name in CASES}
    for name, (config, varied, seeds) in CASES.items():
        read = api.read_ablation(config, varied=varied, seeds=seeds)
        estimates[name] = api.preview_ablation(api.plan_ablation(read, jobs=1))["seconds"]
    for _ in range(arguments.rounds):
        for name, (config, varied, seeds) in CASES.items():
            with tempfile.TemporaryDirectory() as folder:
                began = time.perf_counter()
                trained(config, varied, seeds, Path(folder))
                measured[name].append(time.perf_counter() - began)
    print("| case | estimate (s) | measured (s) | ratio |\n|---|---|---|---|")
    for name, seconds in measured.items():
        median = statistics.median(seconds)
        ratio = estimates[name] / median
        print(f"| {name} | {estimates[name]:.1f} | {median:.1f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
