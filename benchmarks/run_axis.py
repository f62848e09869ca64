"""Times a run-step as more runs train together, split into cohorts as the planner does.

    DLX_DATA=... python benchmarks/run_axis.py [--rounds 5] [--picture docs/run_axis.png]

Runs differ in their seeds alone and train with Adam. Each number of runs is timed for as many steps
as take about a second, the numbers in turn, round after round; the table has medians in
microseconds per run-step. Needs an idle machine.
"""

import argparse
import itertools
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from dlx import api
from dlx.ablation.sizes import largest_cohort, size_of
from dlx.cohort import Cohort
from dlx.denormals import flushed_denormals
from dlx.training.job import Job
from dlx.training.trainer import Listener, Trainer

ADAM = {"name": "adam", "lr": 0.001}
CASES: dict[str, tuple[dict[str, Any], int]] = {
    "XOR, nine layers of 10": (
        {"data": "xor", "model": {"hidden": [10] * 9, "activation": "tanh"}},
        1024,
    ),
    "digits, 64-64-64-10": ({"data": "digits", "model": {"hidden": [64, 64]}}, 1024),
    "MNIST, 784-256-256-10": ({"data": "mnist", "model": {"hidden": [256, 256]}}, 256),
}
BATCHES: dict[str, int | str] = {"xor": "all", "digits": 64, "mnist": 128}
NUMBERS = (1, 4, 16, 64, 256, 1024)
SECONDS = 1.0
NEVER = 10**9


def trainers(job: Job, number: int) -> list[Trainer]:
    """Return so many runs, in the cohorts that the planner would make of them."""
    member = replace(job.member, num_steps=NEVER, evaluate_every=NEVER)
    members = [replace(member, name=str(seed), seed=seed) for seed in range(number)]
    most = largest_cohort(size_of(job), job.device)
    pieces = -(-number // most)
    cuts = [number * piece // pieces for piece in range(pieces + 1)]
    found = []
    for start, end in itertools.pairwise(cuts):
        cohort = Cohort(members[start:end], job.batch_size, device=job.device)
        cohort.initialize()
        found.append(Trainer(cohort, {"train": job.examples()["train"]}, gradient_norms=False))
    return found


def seconds_of(cohorts: Sequence[Trainer], steps: int) -> float:
    """Return what it takes to go on for so many steps, one cohort after the other."""
    began = time.perf_counter()
    for trainer in cohorts:
        last = trainer.step + steps
        trainer.fit(Listener(), stop=lambda trainer=trainer, last=last: trainer.step >= last)
    return time.perf_counter() - began


@flushed_denormals()
def measure(config: dict[str, Any], most: int, rounds: int) -> dict[int, float]:
    """Return microseconds per run-step, by the number of runs."""
    train = {"steps": 1, "batch_size": BATCHES[config["data"]]}
    job = api.prepare(config | {"optimizer": ADAM, "train": train})
    numbers = [number for number in NUMBERS if number <= most]
    taken: dict[int, list[float]] = {number: [] for number in numbers}
    for _ in range(rounds):
        for number in numbers:
            cohorts = trainers(job, number)
            seconds_of(cohorts, 1)  # with the evaluation that comes first
            first = seconds_of(cohorts, 3) / 3
            steps = max(int(SECONDS / first), 3)
            taken[number].append(1e6 * seconds_of(cohorts, steps) / steps / number)
    return {number: statistics.median(values) for number, values in taken.items()}


def draw(found: dict[str, dict[int, float]], path: Path) -> None:
    """Draw the costs, relative to those of a run alone."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4), dpi=120, layout="constrained")
    axes = figure.add_subplot(
        xlabel="runs that train together", ylabel="time of a run-step, alone = 1"
    )
    for name, costs in found.items():
        axes.plot(list(costs), [cost / costs[1] for cost in costs.values()], "o-", label=name)
    axes.set_xscale("log", base=4)
    axes.set_yscale("log")
    axes.set_xticks(NUMBERS, [f"{number:,}" for number in NUMBERS])
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path)


def main() -> None:
    """Measure every case, print a table, and draw it if asked."""
    parser = argparse.ArgumentParser(description="Times a run-step as more runs train together.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--picture", type=Path, help="a PNG to draw")
    arguments = parser.parse_args()
    found: dict[str, dict[int, float]] = {}
    print("| | " + " | ".join(f"{number:,}" for number in NUMBERS) + " | largest rise |")
    print("|---|" + "---|" * (len(NUMBERS) + 1))
    for name, (config, most) in CASES.items():
        found[name] = costs = measure(config, most, arguments.rounds)
        values = list(costs.values())
        rise = max(after / before for before, after in itertools.pairwise(values)) - 1
        cells = [f"{costs[number]:,.1f}" if number in costs else "–" for number in NUMBERS]
        print(f"| {name} | {' | '.join(cells)} | {rise:+.0%} |", flush=True)
    print(f"({torch.get_num_threads()} threads)", file=sys.stderr)
    if arguments.picture:
        draw(found, arguments.picture)


if __name__ == "__main__":
    main()
