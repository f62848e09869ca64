"""Times `dlx train` on MNIST against hand-written torch, JAX and Lightning.

    DLX_DATA=... python benchmarks/train.py [--rounds 5] [--sides dlx torch torch-flushed jax]

784-256-256-10, ReLU, batch 128, Adam, float32, ten epochs, cost and accuracy of the training
batches, dev and test logged after every epoch (dlx also evaluates 10,000 training rows). Every side
is a process of its own; the sides alternate, so that drift of the machine's speed meets them all.
Needs `pip install '.[bench]'` for the sides other than dlx and torch, and an idle machine.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

PEERS = Path(__file__).parent / "peers"
SETTINGS = [
    "model.dropout=0",
    "model.init=he_normal",
    "optimizer={name: adam, lr: 0.001, schedule: constant}",
    "train.epochs=10",
    "train.batch_size=128",
]
SIDES = {
    "dlx": [],
    "torch": ["torch_loop.py"],
    "torch-flushed": ["torch_loop.py", "--flush"],
    "jax": ["jax_scan.py"],
    "lightning": ["lightning_trainer.py"],
}


@dataclass(frozen=True)
class Result:
    """What one process of a side took.

    Attributes:
        epoch: median seconds of an epoch, the first one left out
        job: seconds of the whole process
        first_step: seconds from the start of the process to the end of its first step
        memory: peak resident memory, GiB
        accuracy: on the test split, after the last epoch
    """

    epoch: float
    job: float
    first_step: float
    memory: float
    accuracy: float


def measure(side: str, threads: int) -> Result:
    """Run one side in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        if side == "dlx":
            config = Path(__file__).parents[1] / "configs" / "mnist.yaml"
            command = ["-m", "dlx", "train", str(config), *SETTINGS, "--json", "--runs-dir", folder]
        else:
            script, *options = SIDES[side]
            command = [str(PEERS / script), folder, *options]
        environment = os.environ | {
            "OMP_NUM_THREADS": str(threads),
            "XLA_FLAGS": f"--xla_cpu_multi_thread_eigen={str(threads > 1).lower()}",
            "JAX_PLATFORMS": "cpu",
        }
        began, clock = time.perf_counter(), time.time()
        output = Path(folder, "output")
        with output.open("w") as stdout:
            process = subprocess.Popen(
                [sys.executable, *command],
                stdout=stdout,
                stderr=subprocess.DEVNULL,
                env=environment,
            )
            _, status, usage = os.wait4(process.pid, 0)
        job = time.perf_counter() - began
        if status:
            raise SystemExit(f"{side} failed: {' '.join(command)}")
        text = output.read_text().strip()
        report = json.loads(text if side == "dlx" else text.splitlines()[-1])
        if side == "dlx":
            lines = Path(report["run"], "metrics.jsonl").read_text().splitlines()
            records = [json.loads(line) for line in lines]
            seconds = [record["seconds"] for record in records]
            epochs = [b - a for a, b in itertools.pairwise(seconds)]
            first_step = records[0]["time"] - clock
            accuracy = report["metrics"]["test"]["accuracy"]
        else:
            epochs, first_step = report["epochs"], report["first_step"]
            accuracy = report["test_accuracy"]
        memory = usage.ru_maxrss / 2**20
    return Result(statistics.median(epochs[1:]), job, first_step, memory, accuracy)


def main() -> None:
    """Measure all sides in turn and print the table of medians."""
    parser = argparse.ArgumentParser(description="Times dlx on MNIST against other libraries.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--sides", nargs="+", choices=SIDES, default=["dlx", "torch", "torch-flushed", "jax"]
    )
    arguments = parser.parse_args()
    results: dict[str, list[Result]] = {side: [] for side in arguments.sides}
    for number in range(arguments.rounds):
        for side in arguments.sides:
            results[side].append(measure(side, arguments.threads))
            print(number, side, results[side][-1], file=sys.stderr)
    columns = ("side", "s/epoch", "least", "dlx/side", "whole job, s", "dlx/side")
    print(f"| {' | '.join((*columns, 'first step, s', 'GiB', 'test'))} |")
    print("|---|---|---|---|---|---|---|---|---|")
    for side, rows in results.items():
        ratios = [
            [getattr(mine, field) / getattr(other, field) for mine, other in pairs]
            for field in ("epoch", "job")
            for pairs in [list(zip(results.get("dlx", rows), rows, strict=True))]
        ]
        epoch, job, first, memory, accuracy = (
            statistics.median(getattr(row, field) for row in rows)
            for field in ("epoch", "job", "first_step", "memory", "accuracy")
        )
        print(
            f"| {side} | {epoch:.3f} | {min(row.epoch for row in rows):.3f} "
            f"| {statistics.median(ratios[0]):.2f} | {job:.1f} "
            f"| {statistics.median(ratios[1]):.2f} | {first:.1f} | {memory:.2f} | {accuracy:.4f} |"
        )


if __name__ == "__main__":
    main()
