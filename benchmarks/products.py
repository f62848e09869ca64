"""Time the native engine's matrix product beside the peak of the cores, in turns.

    python benchmarks/products.py [--rounds 7] [--threads 2]

The peak is that of a loop of fused multiply-adds over 24 vectors that stay in registers: one chain
of sums for each, which is more than the latency of an instruction asks for. Both are float32 and
built for this processor; each thread computes its own product. A multiply-add is two operations.
"""

import argparse
import ctypes
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from dlx.native import library

LANES = {"v4": 16, "v3": 8}
CHAINS = 24
PEAK = """
typedef float vec __attribute__((vector_size(4 * LANES)));
float peak(float x, long number) {
    vec factor = {}, sums[CHAINS] = {};
    factor += x;
    for (long i = 0; i < number; i++)
        _Pragma("clang loop unroll(full)") for (int j = 0; j < CHAINS; j++)
            sums[j] = __builtin_elementwise_fma(sums[j], factor, factor);
    vec total = {};
    for (int j = 0; j < CHAINS; j++) total += sums[j];
    return total[0];
}
"""
# Rows, columns and length of the sums: (m, k) (k, n).
SHAPES = [(128, 256, 784), (128, 256, 256), (784, 256, 128), (512, 512, 512)]
OPERATIONS = 400_000_000  # of a measurement, by each thread


def peak(folder: Path) -> Callable[[], int]:
    """Return what runs the loop and returns its operations."""
    source, target = folder / "peak.c", folder / "peak.so"
    source.write_text(PEAK)
    lanes = LANES[library.level()]
    compiler = [sys.executable, "-m", "ziglang", "cc", "-shared", "-fPIC", "-O3", "-march=native"]
    sizes = [f"-DLANES={lanes}", f"-DCHAINS={CHAINS}"]
    subprocess.run([*compiler, *sizes, "-o", str(target), str(source)], check=True)
    function = ctypes.CDLL(str(target)).peak
    function.argtypes, function.restype = [ctypes.c_float, ctypes.c_long], ctypes.c_float
    number = OPERATIONS // (2 * lanes * CHAINS)

    def run() -> int:
        function(0.5, number)
        return number * 2 * lanes * CHAINS

    return run


def product(m: int, n: int, k: int) -> Callable[[], int]:
    """Return what multiplies again and again and returns its operations."""
    function = library.load().dlx_product_float
    function.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_int64] * 3 + [ctypes.c_void_p]
    generator = np.random.default_rng(0)
    a, b = (generator.random(shape, np.float32) for shape in ((m, k), (k, n)))
    c, scratch = np.zeros((m, n), np.float32), np.zeros(1 << 20, np.float32)
    arguments = a.ctypes.data, b.ctypes.data, c.ctypes.data, m, n, k, scratch.ctypes.data
    number = max(1, OPERATIONS // (2 * m * n * k))

    def run() -> int:
        assert len(a) + len(b) + len(c) + len(scratch)  # they live as long as this
        for _ in range(number):
            function(*arguments)
        return number * 2 * m * n * k

    return run


def rate(pool: ThreadPoolExecutor, runs: Sequence[Callable[[], int]]) -> float:
    """Return operations per nanosecond of what runs at the same time."""
    began = time.perf_counter_ns()
    operations = sum(pool.map(lambda run: run(), runs))
    return operations / (time.perf_counter_ns() - began)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    if library.level() not in LANES:
        sys.exit("the processor has no vectors with fused multiply-adds")
    with tempfile.TemporaryDirectory() as folder:
        loop = peak(Path(folder))
        print("| threads | product | GFLOP/s | peak, GFLOP/s | share |\n|---|---|---|---|---|")
        for threads in sorted({1, arguments.threads}):
            with ThreadPoolExecutor(threads) as pool:
                for shape in SHAPES:
                    products = [product(*shape) for _ in range(threads)]
                    pairs = [
                        (rate(pool, products), rate(pool, [loop] * threads))
                        for _ in range(arguments.rounds)
                    ]
                    own, most = (statistics.median(side) for side in zip(*pairs, strict=True))
                    share = statistics.median(one / other for one, other in pairs)
                    m, n, k = shape
                    name = f"{m} × {k} by {k} × {n}"
                    print(f"| {threads} | {name} | {own:.0f} | {most:.0f} | {share:.0%} |")


if __name__ == "__main__":
    main()
