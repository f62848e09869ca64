"""Times the step of an autoencoder of MNIST: runs in one cohort against a hand-written torch loop.

    DLX_DATA=... python benchmarks/autoencoder.py [--rounds 7] [--steps 100]

784-256-64-256-784, ReLU, sigmoid outputs under binary cross-entropy, batch 128, Adam, float32, by
both engines of dlx. All sides live in one process, flush tiny numbers to zero and take turns of so
many steps; a round's ratio is a side's time per run-step to the torch loop's in the same round, and
the table shows medians. At 16 seeds it should be 0.6 at most. Needs MNIST and an idle machine.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from dlx.api import prepare
from dlx.cohort import Cohort
from dlx.training.trainer import Trainer

BATCH = 128
CONFIG = {
    "data": "mnist",
    "model": {
        "name": "autoencoder",
        "encoder": [256, 64],
        "activation": "relu",
        "code_activation": "relu",
        "init": "he_normal",
    },
    "optimizer": {"name": "adam", "lr": 0.001},
    "train": {"steps": 10**6, "batch_size": BATCH, "device": "cpu"},
}
LOOP = "hand-written torch loop"


def cohort_of(num_runs: int, engine: str) -> Callable[[], int]:
    """Return what makes steps of so many runs of other seeds, and returns how many."""
    job = prepare(CONFIG, [f"train.engine={engine}"])
    members = [replace(job.member, name=str(seed), seed=seed) for seed in range(num_runs)]
    cohort = Cohort(members, job.batch_size)
    cohort.initialize()
    trainer = Trainer(cohort, job.examples())
    trainer._plan()

    def steps() -> int:
        before = trainer.step
        if engine == "native":
            trainer._train_block()
        else:
            trainer._train_step()
        return trainer.step - before

    return steps


def loop() -> Callable[[], int]:
    """Return what takes a step as one writes it by hand, over a tensor in memory."""
    inputs = prepare(CONFIG).splits.train.inputs
    network = nn.Sequential(
        *(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 64), nn.ReLU()),
        *(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 784)),
    )
    optimizer = torch.optim.Adam(network.parameters(), 0.001, fused=True)
    cost_of = nn.BCEWithLogitsLoss()

    def batches():
        while True:
            yield from torch.randperm(len(inputs)).split(BATCH)

    rows = batches()

    def step() -> int:
        x = inputs[next(rows)]
        optimizer.zero_grad()
        cost_of(network(x), x).backward()
        optimizer.step()
        return 1

    return step


def seconds_of(steps: Callable[[], int], num_steps: int) -> float:
    """Return the seconds that a step takes, the mean of at least so many."""
    began, made = time.perf_counter(), 0
    while made < num_steps:
        made += steps()
    return (time.perf_counter() - began) / made


def main() -> None:
    """Measure all sides in turn and print the table of medians."""
    parser = argparse.ArgumentParser(description="Times the step of an autoencoder of MNIST.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=100, help="of a run, in a turn")
    parser.add_argument("--runs", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_flush_denormal(True)
    torch.set_num_threads(arguments.threads)
    sides: dict[str, tuple[Callable[[], int], int]] = {LOOP: (loop(), 1)}
    for engine in ("native", "torch"):
        for number in arguments.runs:
            runs = f"{number} runs" if number > 1 else "a run"
            sides[f"dlx, {engine}, {runs}"] = cohort_of(number, engine), number
    for step, _ in sides.values():
        seconds_of(step, max(arguments.steps // 10, 3))
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(arguments.rounds):
        for name, (step, runs) in sides.items():
            steps = max(arguments.steps // runs, 5)
            taken[name].append(seconds_of(step, steps) / runs)
            print(number, name, f"{1e3 * taken[name][-1]:.3f} ms", file=sys.stderr)
    print(f"{arguments.threads} threads, {os.cpu_count()} CPUs\n")
    print("| side | ms per run-step | least | to the loop |")
    print("|---|---|---|---|")
    for name, times in taken.items():
        ratio = statistics.median(
            mine / other for mine, other in zip(times, taken[LOOP], strict=True)
        )
        print(f"| {name} | {1e3 * statistics.median(times):.3f} | {1e3 * min(times):.3f} ", end="")
        print(f"| {ratio:.2f} |")


if __name__ == "__main__":
    main()
