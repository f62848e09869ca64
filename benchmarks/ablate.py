"""Times `dlx ablate` against the same runs by hand-written torch, Lightning and JAX.

    DLX_DATA=... python benchmarks/ablate.py [--rounds 3] [--cases xor digits mnist]

Every side is a process of its own, timed from its start to its end; the sides alternate. Of torch
and Lightning, which train run after run, as many runs of every variant are trained as `--sample`
says, and the time of all runs is reckoned from them; `torch x 2` is two such processes beside each
other, with half of the threads each. JAX and dlx train all runs. Needs `pip install '.[bench]'` and
an idle machine.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from peers.cases import CASES, Case

PEERS = Path(__file__).parent / "peers"
SAMPLES = {
    "xor": {"torch": 16, "torch x 2": 32, "lightning": 2},
    "digits": {"torch": 8, "torch x 2": 16, "lightning": 2},
    "mnist": {"torch": 2, "torch x 2": 2, "lightning": 1},
}
SIDES = ("dlx", "torch", "torch x 2", "lightning", "jax")


@dataclass(frozen=True)
class Result:
    """What a side took, and what its runs came to.

    Attributes:
        seconds: of all runs, from the start of the process
        trained: runs that were really trained
        accuracies: of dev rows at the end, by variant
    """

    seconds: float
    trained: int
    accuracies: dict[str, list[float]]


def config_of(case: Case) -> dict[str, Any]:
    """Return the ablation as dlx takes it."""
    every = case.epochs // case.evaluations
    return {
        "name": "benchmark",
        "data": {"name": case.data, **case.options},
        "model": {"hidden": list(case.sizes[1:-1]), "init": "he_normal"},
        "train": {"epochs": case.epochs, "batch_size": case.batch or "all"},
        "log": {"every": f"{every} epochs"},
        "ablation": {
            "vary": {
                "model.activation": list(case.activations),
                "optimizer": list(case.optimizers),
            },
            "seeds": case.seeds,
        },
    }


def write_data(case: Case, path: Path) -> None:
    """Write the rows that dlx splits off, for the other sides."""
    from dlx import api

    config = config_of(case)
    splits = api.prepare({key: config[key] for key in ("data", "model", "train")}).splits
    arrays = {}
    for part in ("train", "dev"):
        its = splits.part(part)
        arrays |= {f"{part}_x": its.inputs.numpy(), f"{part}_y": its.targets.numpy()}
    np.savez(path, **arrays)


def environment(threads: int) -> dict[str, str]:
    """Return the variables that hold a process to so many threads."""
    return os.environ | {
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "XLA_FLAGS": f"--xla_cpu_multi_thread_eigen={str(threads > 1).lower()}",
        "JAX_PLATFORMS": "cpu",
    }


def start(arguments: list[str], threads: int) -> subprocess.Popen[str]:
    """Start a process."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(threads),
    )


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for a process, and return the JSON object it printed last."""
    out, err = process.communicate()
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, process.args))} failed:\n{err}")  # type: ignore[arg-type]
    return json.loads(out.strip().splitlines()[-1] if "peers" in str(process.args) else out)


def measure(
    side: str, name: str, data: Path, folder: Path, threads: int, jobs: int | None
) -> Result:
    """Run one side."""
    case = CASES[name]
    began = time.perf_counter()
    if side == "dlx":
        config = folder / "benchmark.yaml"
        config.write_text(json.dumps(config_of(case)))
        command = ["-m", "dlx", "ablate", str(config), "--json", "--quiet"]
        command += ["--runs-dir", str(folder / "runs"), *(["--jobs", str(jobs)] if jobs else [])]
        found = ended(start(command, threads))
        seconds = time.perf_counter() - began
        accuracies = {
            each["name"]: each["metrics"]["dev"]["accuracy"]["values"] for each in found["variants"]
        }
        return Result(seconds, case.runs, accuracies)
    if side == "jax":
        arguments = [str(PEERS / "many_jax.py"), name, str(data), "0", str(folder)]
        found = ended(start(arguments, threads))
        return Result(time.perf_counter() - began, case.runs, found["accuracies"])
    sample = SAMPLES[name][side]
    script = "many_lightning.py" if side == "lightning" else "many_torch.py"
    count = 2 if side == "torch x 2" else 1
    processes = [
        start(
            [str(PEERS / script), name, str(data), str(sample // count), str(folder)],
            max(threads // count, 1),
        )
        for _ in range(count)
    ]
    reports = [ended(process) for process in processes]
    mean = statistics.mean(second for each in reports for second in each["seconds"])
    first = max(each["start"] for each in reports)
    trained = sum(len(each["seconds"]) for each in reports)
    return Result(first + mean * case.runs / count, trained, reports[0]["accuracies"])


def mean_and_error(accuracies: dict[str, list[float]]) -> tuple[float, float]:
    """Return the mean over variants of their means, and its standard error."""
    means = [statistics.mean(values) for values in accuracies.values()]
    squares = [
        statistics.variance(values) / len(values) if len(values) > 1 else 0.0
        for values in accuracies.values()
    ]
    return statistics.mean(means), math.sqrt(sum(squares)) / len(means)


def main() -> None:
    """Measure all sides in turn and print a table of medians for each case."""
    parser = argparse.ArgumentParser(description="Times dlx ablate against other ways.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--jobs", type=int, help="processes of dlx ablate; default: its own choice")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    arguments = parser.parse_args()
    print("| case | side | runs trained | seconds | side / dlx | dev accuracy |")
    print("|---|---|---|---|---|---|")
    for name in arguments.cases:
        results: dict[str, list[Result]] = {side: [] for side in arguments.sides}
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder, "data.npz")
            write_data(CASES[name], data)
            for number in range(arguments.rounds):
                for side in arguments.sides:
                    with tempfile.TemporaryDirectory() as own:
                        threads, jobs = arguments.threads, arguments.jobs
                        found = measure(side, name, data, Path(own), threads, jobs)
                    results[side].append(found)
                    print(number, name, side, f"{found.seconds:.1f} s", file=sys.stderr)
        for side, rows in results.items():
            pairs = zip(results.get("dlx", rows), rows, strict=True)
            ratio = statistics.median(other.seconds / mine.seconds for mine, other in pairs)
            seconds = statistics.median(row.seconds for row in rows)
            mean, error = mean_and_error(rows[-1].accuracies)
            print(
                f"| {name} | {side} | {rows[-1].trained} of {CASES[name].runs} | {seconds:.1f} "
                f"| {ratio:.2f} | {mean:.4f} ± {error:.4f} |"
            )


if __name__ == "__main__":
    main()
