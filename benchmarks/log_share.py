"""Times how much of an ablation of 512 runs is logging.

    python benchmarks/log_share.py [--rounds 3]

XOR, nine layers of 10, four activations under four optimizers at 32 seeds, 2,000 steps, as in
`benchmarks/ablate.py`, in this process with one thread. Counted as logging is all that turns
evaluations into files: keeping them, the lines of metrics.jsonl, the cohorts' weights and index,
checkpoints, and what TensorBoard shows of the ablation as a whole. Evaluating itself is not, nor is
the report. It should be under 10 % of the whole. Needs an idle machine.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from ablate import config_of
from peers.cases import CASES

from dlx import api
from dlx.ablation import overview
from dlx.ablation.ledger import Ledger
from dlx.runs import checkpoints
from dlx.tracking.evaluations import Curves
from dlx.training.store import CohortStore

PARTS = {
    "keeping evaluations": [(Curves, "add"), (Curves, "of")],
    "lines of metrics.jsonl": [(CohortStore, "evaluated")],
    "cohorts and their index": [(CohortStore, "ended"), (CohortStore, "finish"), (Ledger, "add")],
    "checkpoints": [(checkpoints, "save")],
    "TensorBoard's overview": [(overview, "write")],
}


class Clock:
    """Adds up the time that functions take."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(PARTS, 0.0)

    def watch(self, part: str, owner: Any, name: str) -> None:
        """Take the time of a function from now on."""
        real: Callable[..., Any] = getattr(owner, name)

        def timed(*arguments: Any, **options: Any) -> Any:
            began = time.perf_counter()
            try:
                return real(*arguments, **options)
            finally:
                self.seconds[part] += time.perf_counter() - began

        setattr(owner, name, timed)


def main() -> None:
    """Train the ablation some times, and print the shares."""
    parser = argparse.ArgumentParser(description="Times the logging of 512 runs.")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    clock = Clock()
    for part, functions in PARTS.items():
        for owner, name in functions:
            clock.watch(part, owner, name)
    shares: dict[str, list[float]] = {part: [] for part in [*PARTS, "all"]}
    for _ in range(arguments.rounds):
        clock.seconds = dict.fromkeys(PARTS, 0.0)
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            api.ablate(config_of(CASES["xor"]), runs_dir=Path(folder), jobs=1)
            whole = time.perf_counter() - began
        for part, seconds in clock.seconds.items():
            shares[part].append(seconds / whole)
        shares["all"].append(sum(clock.seconds.values()) / whole)
        print(f"{whole:.1f} s, of which {100 * shares['all'][-1]:.1f} % logging", flush=True)
    print("\n| part | share of the whole |\n|---|---|")
    for part, values in shares.items():
        print(f"| {part} | {100 * statistics.median(values):.1f} % |")


if __name__ == "__main__":
    main()
