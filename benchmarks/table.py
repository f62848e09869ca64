"""Times loading and splitting a CSV file of a million rows and 30 columns, and its peak memory.

    python benchmarks/table.py [--rows 1000000] [--beside CHECKOUT]

The file has an id, 20 columns of numbers, five of whole numbers, three of texts and a numeric
target (about 200 MB, in a temporary folder). It is loaded as `dlx train` does: read, checked,
split, encoded, standardized. The limits are 10 s and 2 GiB, importing torch and pandas included in
the memory alone. With a second checkout both load the file three times in turn, and the quotient of
the shortest times is printed.
"""

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

NUM_NUMBERS, NUM_WHOLE = 20, 5
TIMES = 3  # that each of two checkouts loads the file
TEXTS = {"city": 50, "colour": 5, "size": 3}  # categories of each


def write(path: Path, num_rows: int) -> None:
    """Write the file, in pieces: what it takes to make is not measured."""
    generator = np.random.default_rng(0)
    whole = [f"n{i}" for i in range(NUM_WHOLE)]
    names = ["id", *(f"x{i}" for i in range(NUM_NUMBERS)), *whole, *TEXTS, "y"]
    with path.open("w") as file:
        file.write(",".join(names) + "\n")
        for start in range(0, num_rows, 10_000):
            numbers = generator.normal(size=(10_000, NUM_NUMBERS))
            counts = generator.integers(0, 10_000, (10_000, NUM_WHOLE))
            codes = [generator.integers(0, size, 10_000) for size in TEXTS.values()]
            for row, values in enumerate(numbers):
                cells = [f"{value:.5f}" for value in values]
                cells += map(str, counts[row].tolist())
                texts = [f"{name}{code[row]}" for name, code in zip(TEXTS, codes, strict=True)]
                target = f"{values[0] + codes[1][row]:.4f}"
                file.write(",".join([f"r{start + row}", *cells, *texts, target]) + "\n")


def load(path: Path) -> None:
    """Load the file in this process and print what it took."""
    from dlx.config.types import choice
    from dlx.data.pipeline import load_chosen, prepare

    chosen = choice("data", "csv", path=str(path), target="y", id="id")
    start, worked = time.perf_counter(), time.process_time()
    splits = prepare(load_chosen(chosen, Path()), standardize=True)
    seconds, worked = time.perf_counter() - start, time.process_time() - worked
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    sizes = ", ".join(f"{len(part.rows):,} {name}" for name, part in splits.parts.items())
    print(f"{sizes} rows of {splits.task.num_inputs} inputs")
    print(f"{seconds:.1f} s ({worked:.1f} s of the processor), {memory:.2f} GiB at most")


def loaded_by(path: Path, checkout: Path | None = None) -> float:
    """Load the file in a process of its own, with another checkout's code; return the seconds."""
    environment = dict(os.environ) | ({"PYTHONPATH": str(checkout)} if checkout else {})
    command = [sys.executable, __file__, "--load", str(path)]
    ended = subprocess.run(command, check=True, env=environment, capture_output=True, text=True)
    print(f"{checkout or 'this checkout'}: {ended.stdout.strip().replace(chr(10), '; ')}")
    return float(re.findall(r"\(([0-9.]+) s of the processor", ended.stdout)[0])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Times loading and splitting a table.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--beside", type=Path, help="a second checkout, to be compared with")
    parser.add_argument("--load", type=Path, help="load this file instead of a new one")
    arguments = parser.parse_args()
    if arguments.load is not None:
        load(arguments.load)
    else:
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / "table.csv"
            write(made, arguments.rows)
            print(f"{made.stat().st_size / 1e6:.0f} MB, {arguments.rows:,} rows")
            sides = [None] if arguments.beside is None else [None, arguments.beside] * TIMES
            seconds = [loaded_by(made, side) for side in sides]
            if arguments.beside is not None:
                print(f"{min(seconds[::2]) / min(seconds[1::2]):.2f} of its processor time")
