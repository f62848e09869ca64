"""Times loading and splitting a CSV file of a million rows and 30 columns, and its peak memory.

    python benchmarks/table.py [--rows 1000000]

The file has an id, 25 columns of numbers, three of texts and a numeric target (about 200 MB, in a
temporary folder). It is loaded as `dlx train` does: read, checked, split, encoded, standardized.
The limits are 10 s and 2 GiB, importing torch and pandas included in the memory alone.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

NUM_NUMBERS = 25
TEXTS = {"city": 50, "colour": 5, "size": 3}  # categories of each


def write(path: Path, num_rows: int) -> None:
    """Write the file, in pieces: what it takes to make is not measured."""
    generator = np.random.default_rng(0)
    names = ["id", *(f"x{i}" for i in range(NUM_NUMBERS)), *TEXTS, "y"]
    with path.open("w") as file:
        file.write(",".join(names) + "\n")
        for start in range(0, num_rows, 10_000):
            numbers = generator.normal(size=(10_000, NUM_NUMBERS))
            codes = [generator.integers(0, size, 10_000) for size in TEXTS.values()]
            for row, values in enumerate(numbers):
                cells = [f"{value:.5f}" for value in values]
                texts = [f"{name}{code[row]}" for name, code in zip(TEXTS, codes, strict=True)]
                target = f"{values[0] + codes[1][row]:.4f}"
                file.write(",".join([f"r{start + row}", *cells, *texts, target]) + "\n")


def load(path: Path) -> None:
    """Load the file in this process and print what it took."""
    from dlx.config.types import choice
    from dlx.data.pipeline import load

    chosen = choice("data", "csv", path=str(path), target="y", id="id", standardize=True)
    start, worked = time.perf_counter(), time.process_time()
    splits = load(chosen, Path())
    seconds, worked = time.perf_counter() - start, time.process_time() - worked
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    sizes = ", ".join(f"{len(part.rows):,} {name}" for name, part in splits.parts.items())
    print(f"{sizes} rows of {splits.task.num_inputs} inputs")
    print(f"{seconds:.1f} s ({worked:.1f} s of the processor), {memory:.2f} GiB at most")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Times loading and splitting a table.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--load", type=Path, help="load this file instead of a new one")
    arguments = parser.parse_args()
    if arguments.load is not None:
        load(arguments.load)
    else:
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / "table.csv"
            write(made, arguments.rows)
            print(f"{made.stat().st_size / 1e6:.0f} MB, {arguments.rows:,} rows")
            subprocess.run([sys.executable, __file__, "--load", str(made)], check=True)
