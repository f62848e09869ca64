"""Time the steps of both engines: one run alone, and many in one cohort; and their evaluations.

    DLX_DATA=... python benchmarks/engine.py
    python benchmarks/engine.py --networks xor-relu digits --rounds 5
    python benchmarks/engine.py --evaluations

Both engines train the same runs in one process and take turns; the figures are medians of the
rounds, in microseconds of wall time per step of a run, without evaluations. `--evaluations` times
epochs of MNIST (50,000 rows) in their place, with the evaluation at their end, of cost and accuracy
on 10,000 train and 10,000 dev rows.
"""

import argparse
import statistics
import time
from typing import Any

import torch

from dlx.api.inputs import data_directory, read_config
from dlx.config.load import assign
from dlx.config.shipped import locate
from dlx.data.pipeline import load_of
from dlx.denormals import flushed_denormals
from dlx.tracking.evaluations import Evaluation
from dlx.training.job import Job, prepare
from dlx.training.trainer import Listener, Trainer

MNIST = {"data.limit": 4000, "optimizer.name": "adam", "train.batch_size": 128}
AUTOENCODER = {"model": {"name": "autoencoder", "encoder": [256, 64]}, "data.standardize": False}
# Config, what is changed in it, runs in a cohort, and run-steps of a measurement of each engine.
NETWORKS: dict[str, tuple[str, dict[str, Any], list[int], dict[str, int]]] = {
    **{
        f"xor-{activation}": (
            "gates/xor",
            {"model.hidden": [10] * 9, "model.activation": activation, "optimizer.name": "adam"},
            [1, 2, 3, 5, 16, 64, 512],
            {"native": 300_000, "torch": 3_000},
        )
        for activation in ("sigmoid", "relu")
    },
    **{
        name: (
            "digits",
            {"model.hidden": [64, 64], "model.dropout": dropout, "train.batch_size": 64},
            [1, 2, 3, 16, 64],
            {"native": 16_000, "torch": 3_000},
        )
        for name, dropout in (("digits", 0.0), ("digits-dropout", 0.2))
    },
    "mnist": (
        "mnist",
        {**MNIST, "model.hidden": [256, 256], "model.dropout": 0.0},
        [1, 2, 3, 16],
        {"native": 800, "torch": 500},
    ),
    "autoencoder": (
        "mnist_autoencoder",
        {**MNIST, **AUTOENCODER},
        [1, 16],
        {"native": 400, "torch": 300},
    ),
}


class Clock(Listener):
    """Notes the time between two blocks of steps, and that of evaluations."""

    def __init__(self) -> None:
        self.marks: list[tuple[float, int]] = []
        self.evaluations: list[float] = []

    def advanced(self, trainer: Trainer) -> None:
        """Note where training stands."""
        self.marks.append((time.perf_counter(), trainer.step))

    def evaluated(self, trainer: Trainer, evaluation: Evaluation) -> None:
        """Note how long it took; the evaluation before the first step is left out."""
        if self.marks:
            self.evaluations.append(time.perf_counter() - self.marks[-1][0])

    @property
    def seconds_per_step(self) -> float:
        """Seconds between the first mark and the last one, by step."""
        (start, first), (end, last) = self.marks[0], self.marks[-1]
        return (end - start) / (last - first)


def jobs_of(network: str, engine: str, runs: int, steps: int) -> list[Job]:
    """Return runs of a network at as many seeds, which share one copy of the data."""
    name, changes, _, _ = NETWORKS[network]
    config = assign(
        read_config(locate(name)),
        {
            **changes,
            "train.engine": engine,
            "train.device": "cpu",
            "train.steps": steps,
            "log.level": "minimal",
            "log.every": steps,
        },
    )
    splits = load_of(config, data_directory(None))
    return [
        prepare(assign(config, {"seed": seed, "name": f"run-{seed}"}), splits)
        for seed in range(runs)
    ]


def measured(network: str, engine: str, runs: int) -> float:
    """Return microseconds per step of a run."""
    steps = max(NETWORKS[network][3][engine] // runs, 20)
    clock = Clock()
    Job.trainer(jobs_of(network, engine, runs, steps), is_new=True).fit(clock)
    return clock.seconds_per_step / runs * 1e6


def of_an_epoch(engine: str) -> tuple[float, float]:
    """Return the seconds of an epoch of MNIST with its evaluation, and those of the evaluation."""
    config = assign(
        read_config(locate("mnist")),
        {
            "model.hidden": [256, 256],
            "model.dropout": 0.0,
            "optimizer.name": "adam",
            "data.split.stop": 0,
            "train.batch_size": 128,
            "train.epochs": 3,
            "train.early_stopping": None,
            "train.engine": engine,
            "train.device": "cpu",
            "log.level": "minimal",
        },
    )
    splits = load_of(config, data_directory(None))
    clock = Clock()
    Job.trainer([prepare(config, splits)], is_new=True).fit(clock)
    (start, _), (end, _) = clock.marks[0], clock.marks[-1]
    evaluation = statistics.median(clock.evaluations)
    # From the first block on, three epochs and two evaluations.
    return (end - start - sum(clock.evaluations[:-1])) / 3 + evaluation, evaluation


def print_evaluations(rounds: int) -> None:
    """Measure and print the share of evaluation in an epoch."""
    times: dict[str, list[tuple[float, float]]] = {"native": [], "torch": []}
    for _ in range(rounds):
        for engine, values in times.items():
            values.append(of_an_epoch(engine))
    print("| engine | epoch, s | evaluation, s | share |")
    print("|---|---|---|---|")
    for engine, values in times.items():
        epoch, evaluation = (statistics.median(own) for own in zip(*values, strict=True))
        print(f"| {engine} | {epoch:.2f} | {evaluation:.3f} | {evaluation / epoch:.0%} |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--evaluations", action="store_true", help="time these in an MNIST epoch")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.evaluations:
        with flushed_denormals():
            print_evaluations(options.rounds)
        return
    print("| network | runs | native, µs | torch, µs | torch / native |")
    print("|---|---|---|---|---|")
    with flushed_denormals():
        for network in options.networks:
            for runs in NETWORKS[network][2]:
                times: dict[str, list[float]] = {"native": [], "torch": []}
                for _ in range(options.rounds):
                    for engine, values in times.items():
                        values.append(measured(network, engine, runs))
                native, other = (statistics.median(values) for values in times.values())
                print(
                    f"| {network} | {runs} | {native:,.1f} | {other:,.0f} | {other / native:.1f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
