"""Times `dlx search` on digits against Optuna with a hand-written torch loop.

    python benchmarks/search.py [--trials 100] [--epochs 20] [--rounds 3]

Both sides choose as many trials by TPE from the same space, train each for as many epochs on the
same rows, and take the best by the same dev rows, on which a trial is evaluated at its end. Optuna
is warm: two worker processes that have imported torch and hold the data share its study, with
a thread each, and the clock runs from the first trial to the last. dlx's clock runs in a warm
process too, as the command trains where nothing is said of workers; its verdict and its report,
which the other side does not have, are timed apart. Then the best values of both are trained once
more at ten fresh seeds and judged on rows that neither has seen. `process per trial` is what a
script for each trial would take: its start, import and loading are timed on four, beside the loop.
Needs `pip install '.[optuna]'` and an idle machine.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dlx import api
from dlx.config.types import choice
from dlx.data import default_directory
from dlx.data.pipeline import load
from dlx.search import session
from dlx.search.directory import Progress

PEER = Path(__file__).parent / "peers" / "optuna_search.py"
SPACE = [
    "optimizer.lr=1e-4..1e-1 log",
    "model.dropout=0.0..0.6",
    "model.activation=relu,tanh",
    "model.hidden=[64,64],[128]",
]
JUDGE = 0.2


@dataclass(frozen=True)
class Result:
    """What a side took, and what it found."""

    seconds: float  # of all trials
    cpu: float  # seconds of processors, of all trials
    settings: dict[str, Any]  # of the best one
    accuracy: float  # of dev rows
    more: float = 0.0  # seconds of what the other side does not do


def of_dlx(trials: int, epochs: int, seed: int) -> Result:
    """Search by dlx, and time the trials apart from the verdict and the report."""
    config = api.read_search(
        "digits",
        # Both sides evaluate at the end alone.
        [f"train.epochs={epochs}", f"log.every={epochs} epochs", f"seed={seed}"],
        searched=SPACE,
        trials=trials,
        judge=JUDGE,
        seeds=1,
        judge_seeds=2,
    )
    ended: list[tuple[float, float]] = []
    judge = session._judge

    def timed(*arguments: Any) -> None:
        ended.append((time.perf_counter(), _cpu()))
        judge(*arguments)

    session._judge = timed
    try:
        with tempfile.TemporaryDirectory() as folder:
            began, before = time.perf_counter(), _cpu()
            search = api.search(api.plan_search(config), runs_dir=folder)
            whole = time.perf_counter() - began
            best = search.summary["best"]
            assert len(Progress.read(search.path).trials) == trials
    finally:
        session._judge = judge
    [(end, cpu)] = ended
    more = whole - (end - began)
    return Result(end - began, cpu - before, best["settings"], best["values"][0], more)


def _cpu() -> float:
    """Return the seconds of processors that this process and the ended ones below it have taken."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def of_optuna(data: Path, trials: int, epochs: int, seed: int) -> Result:
    """Search by Optuna with two workers."""
    words = [sys.executable, str(PEER), str(data), str(trials), str(epochs), str(seed)]
    found = json.loads(subprocess.run(words, check=True, capture_output=True).stdout)
    return Result(found["seconds"], found["cpu"], found["settings"], found["accuracy"])


def start_of_a_process(data: Path) -> float:
    """Return the seconds that a process of two at a time needs before its loop begins."""
    words = [sys.executable, str(PEER), str(data), "0", "0", "0"]
    began = time.perf_counter()
    for _ in range(2):
        pair = [subprocess.Popen(words, stdout=subprocess.DEVNULL) for _ in range(2)]
        for process in pair:
            process.wait()
    return (time.perf_counter() - began) / 2


def judged(settings: dict[str, Any], epochs: int) -> float:
    """Return the mean accuracy of values on judge rows, at ten fresh seeds."""
    split = f"data.split={{judge: {JUDGE}, judged: true}}"
    config = api.read_ablation(
        "digits",
        [split, f"train.epochs={epochs}"],
        varied=["log.points=10,11"],
        seeds=json.dumps(list(range(2_000_000, 2_000_010))),
    )
    changes = [f"{key}={json.dumps(value)}" for key, value in settings.items()]
    with tempfile.TemporaryDirectory() as folder:
        ablation = api.ablate(config, changes, runs_dir=folder)
        return float(np.mean([run.metrics["dev"]["accuracy"] for run in ablation.results]))


def write_rows(path: Path) -> None:
    """Write the training and dev rows that dlx's trials have at seed 0."""
    splits = load(choice("data", "digits", split={"judge": JUDGE}), default_directory(), 0)
    assert splits.dev is not None
    parts = {"train": splits.train, "dev": splits.dev}
    arrays: dict[str, Any] = {}
    for name, part in parts.items():
        arrays |= {f"{name}_x": part.inputs.numpy(), f"{name}_y": part.targets.numpy()}
    np.savez(path, **arrays)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    sizes = options.trials, options.epochs
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "rows.npz"
        write_rows(data)
        of_dlx(4, 1, 0)  # imports
        sides: dict[str, list[Result]] = {"dlx": [], "optuna": []}
        starts = []
        for seed in range(options.rounds):
            sides["dlx"].append(of_dlx(*sizes, seed))
            sides["optuna"].append(of_optuna(data, *sizes, seed))
            starts.append(start_of_a_process(data))
        print(f"{options.trials} trials of {options.epochs} epochs, medians of {options.rounds}")
        print("side                 seconds  times dlx   CPU s  times dlx  dev acc.  judge acc.")
        ours, cpus = (
            statistics.median(getattr(own, field) for own in sides["dlx"])
            for field in ("seconds", "cpu")
        )
        for side, results in sides.items():
            seconds = statistics.median(own.seconds for own in results)
            dev = statistics.mean(own.accuracy for own in results)
            judge = statistics.mean(judged(own.settings, options.epochs) for own in results)
            cpu = statistics.median(own.cpu for own in results)
            times = f"{seconds:8.1f} {seconds / ours:10.1f} {cpu:7.1f} {cpu / cpus:10.1f}"
            print(f"{side:19} {times} {dev:9.4f} {judge:11.4f}", flush=True)
        loops = statistics.median(own.seconds for own in sides["optuna"])
        each = loops + statistics.median(starts) * options.trials / 2
        print(f"{'process per trial':19} {each:8.1f} {each / ours:10.1f}   (reckoned)")
        more = statistics.median(own.more for own in sides["dlx"])
        print(f"dlx's verdict and report: {more:.1f} s more")


if __name__ == "__main__":
    main()
