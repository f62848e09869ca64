"""Measures `dlx runs` over 10,000 folders of runs: the first list, and the next one.

    python benchmarks/run_list.py [--runs 10000]

Every run has a learning rate of its own. The first list reads every folder and writes the index;
the next one reads the index. The limit of the next one is 2 s, as a process of its own.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dlx.config.load import dump, load
from dlx.runs import documents

CONFIG = dump(load({"data": "xor", "train": {"steps": 100}}, ["optimizer.lr=0.25"]))


def make(folder: Path, count: int) -> None:
    """Write folders of runs that have ended."""
    for number in range(count):
        run = folder / "many" / f"20260101-000000-{number:05d}"
        run.mkdir(parents=True)
        config = CONFIG.replace("lr: 0.25", f"lr: {1e-5 * (number + 1):.5f}")
        (run / "config.yaml").write_text(config)
        info = {
            "kind": "run",
            "status": "completed",
            "seed": number % 5,
            "sequence": number + 1,
            "steps": 100,
            "created": f"2026-01-01T{number // 3600:02d}:{number // 60 % 60:02d}:00.000000Z",
            "metrics": {"dev": {"accuracy": number / count, "cost": 1 - number / count}},
        }
        (run / "run.json").write_bytes(documents.encode(info))


def seconds(folder: Path, *options: str) -> float:
    """Return how long a list takes as a process of its own."""
    command = [sys.executable, "-m", "dlx", "runs", "--runs-dir", str(folder), *options]
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    """Print the seconds of each list."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    count = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder, count)
        where = ["--where", "optimizer.lr>0.01 and dev.accuracy>0.9", "--sort", "-dev.accuracy"]
        for words, options in (
            ("first, which makes the index", []),
            ("next", []),
            ("with a condition", where),
            ("as JSON", ["--json"]),
        ):
            print(f"{seconds(folder, *options):6.2f} s  {words}")
        run = next((folder / "many").iterdir())
        (run / "run.json").write_bytes((run / "run.json").read_bytes() + b"\n")
        print(f"{seconds(folder):6.2f} s  after one run has changed")


if __name__ == "__main__":
    main()
