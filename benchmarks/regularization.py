"""Times what regularization adds to a step of 16 MNIST runs in one cohort.

    DLX_DATA=... python benchmarks/regularization.py [--rounds 7] [--steps 100] [--runs 16]

784-256-256-10, ReLU, batch 128, Adam, float32. All sides live in one process and take turns of so
many steps, so that drift of the machine's speed meets them all; a round's ratio is a side's time to
the plain one's in the same round, and the table shows medians. Needs MNIST and an idle machine.
"""

import argparse
import os
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

from dlx.api import prepare
from dlx.cohort import Cohort
from dlx.training.trainer import Trainer

CONFIG = Path(__file__).parents[1] / "configs" / "mnist.yaml"
SETTINGS = [
    "model.dropout=0",
    "optimizer={name: adam, lr: 0.001, schedule: constant}",
    "train.steps=1000000",
    "train.batch_size=128",
    "train.device=cpu",
]
PLAIN = "plain"
SIDES: dict[str, tuple[list[str], int | None]] = {
    PLAIN: ([], None),
    "dropout, hidden layers": (["model.dropout={hidden: 0.5}"], 35),
    "dropout, inputs too": (["model.dropout={input: 0.2, hidden: 0.5}"], 60),
    "batch norm": (["model.batch_norm=true"], 40),
    "layer norm": (["model.layer_norm=true"], None),
    "augmentation": (["data.augment={shift: 0.06, rotation: 10, scale: 0.1}"], 100),
}
"""By name: overrides of the config, and the percentage that they should add at most."""


def trainer_of(overrides: list[str], num_runs: int) -> Trainer:
    """Return so many runs of other seeds in one cohort, at their start."""
    job = prepare(CONFIG, [*SETTINGS, *overrides])
    members = [replace(job.member, name=str(seed), seed=seed) for seed in range(num_runs)]
    cohort = Cohort(members, job.batch_size)
    cohort.initialize()
    return Trainer(cohort, job.examples())


def seconds_of(trainer: Trainer, num_steps: int) -> float:
    """Return the seconds that a step takes, the mean of so many."""
    began = time.perf_counter()
    for _ in range(num_steps):
        trainer._train_step()
    return (time.perf_counter() - began) / num_steps


def main() -> None:
    """Measure all sides in turn and print the table of medians."""
    parser = argparse.ArgumentParser(description="Times regularization at several MNIST runs.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--runs", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sides", nargs="+", choices=list(SIDES)[1:], default=list(SIDES)[1:])
    arguments = parser.parse_args()
    torch.set_flush_denormal(True)
    torch.set_num_threads(arguments.threads)
    sides = [PLAIN, *arguments.sides]
    trainers = {side: trainer_of(SIDES[side][0], arguments.runs) for side in sides}
    for trainer in trainers.values():
        seconds_of(trainer, max(arguments.steps // 10, 1))
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    for number in range(arguments.rounds):
        for side, trainer in trainers.items():
            seconds[side].append(seconds_of(trainer, arguments.steps))
            print(number, side, f"{seconds[side][-1] * 1e3:.2f} ms", file=sys.stderr)
    print(f"{arguments.runs} runs, {arguments.threads} threads, {os.cpu_count()} CPUs\n")
    print("| side | ms/step | least | added | at most |")
    print("|---|---|---|---|---|")
    for side, times in seconds.items():
        added = statistics.median(
            mine / plain - 1 for mine, plain in zip(times, seconds[PLAIN], strict=True)
        )
        target = SIDES[side][1]
        print(
            f"| {side} | {statistics.median(times) * 1e3:.2f} | {min(times) * 1e3:.2f} "
            f"| {'' if side == PLAIN else f'{added:+.0%}'} | {f'{target} %' if target else ''} |"
        )


if __name__ == "__main__":
    main()
