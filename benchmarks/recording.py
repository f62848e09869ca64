"""Times what recording for the diagnosis adds to a run that trains alone.

    python -m benchmarks.recording [--pairs 15]

Small networks at log level standard, each trained with the looks into its layers and without, in
turns, in this process with one thread. Looks should add at most 5 % of the training time or 0.2 ms
each, whichever is larger. Printed are the least processor times, the median of the pairs' ratios,
and what a look costs by the least times. Training time includes evaluations, metrics.jsonl and
TensorBoard's files; in the lines `bare` TensorBoard is left out.
"""

import argparse
import contextlib
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

import torch

from dlx import api
from dlx.report.run.observer import RunObserver
from dlx.training import trainer
from dlx.training.session import Session

CASES: dict[str, tuple[str, Sequence[str]]] = {
    "XOR": ("xor", ()),
    "breast_cancer": ("breast_cancer", ()),
    "digits": ("digits", ()),
}


def seconds(config: str, changes: Sequence[str], *, looks: bool, bare: bool) -> tuple[float, int]:
    """Train a run; return its processor seconds, and at how many evaluations it was looked into."""
    spent: list[float] = []
    train = Session.train

    def timed(session: Session) -> list[str]:
        began = time.process_time()
        remarks = train(session)
        spent.append(time.process_time() - began)
        return remarks

    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as patches:
        patches.enter_context(patch.object(Session, "train", timed))
        if not looks:
            patches.enter_context(patch.object(trainer, "is_looked_at", lambda number, last: False))
        if bare:
            patches.enter_context(patch.object(RunObserver, "evaluated", lambda *_: None))
        run = api.train(config, changes, runs_dir=Path(folder))
        count = sum("between_rows/input" in record["train"] for record in run.history)
        return spent[0], count


def main() -> None:
    """Train every case in pairs, and print what looks add."""
    parser = argparse.ArgumentParser(description="Times recording for the diagnosis.")
    parser.add_argument("--pairs", type=int, default=15)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(
        "| run | without, s | with, s | added | median of pairs | a look |\n"
        "|---|---|---|---|---|---|"
    )
    for name, (config, changes) in CASES.items():
        for bare in (False, True):
            seconds(config, changes, looks=True, bare=bare)  # imports and caches
            pairs, count = [], 0
            for _ in range(arguments.pairs):
                without, _ = seconds(config, changes, looks=False, bare=bare)
                own, count = seconds(config, changes, looks=True, bare=bare)
                pairs.append((without, own))
            least = [min(column) for column in zip(*pairs, strict=True)]
            ratio = statistics.median(own / without for without, own in pairs)
            added = least[1] - least[0]
            print(
                f"| {name}{', bare' if bare else ''} | {least[0]:.3f} | {least[1]:.3f} | "
                f"{100 * added / least[0]:+.1f} % | {100 * (ratio - 1):+.1f} % | "
                f"{1e3 * added / count:.2f} ms |",
                flush=True,
            )


if __name__ == "__main__":
    main()
