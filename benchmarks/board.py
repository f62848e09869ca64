"""Measures an ablation of 500 runs in TensorBoard: size on disk, and time until curves are drawn.

    pip install playwright && playwright install chromium
    python benchmarks/board.py [--seeds 20] [--browser FILE] [--pictures FOLDER]

25 variants (activation and learning rate) at 20 seeds train on iris in one cohort, 200 evaluations
each, and are written as `log.level: minimal` has it. `dlx board` then serves them, and a browser
opens the page of the variants' means, the table of hyperparameters, and the curves of all runs. The
clock runs from the start of `dlx board`, or of the page, until what the page is for is there. The
limits are 100 MB and 15 s.
"""

import argparse
import itertools
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

ACTIVATIONS = ("sigmoid", "tanh", "relu", "leaky_relu", "gelu")
RATES = (0.003, 0.01, 0.03, 0.1, 0.3)
SETTINGS = [
    "train.batch_size=all",
    "train.early_stopping=null",
    "train.epochs=null",
    "train.steps=1000",
    "log.points=200",
]
WAIT = 120_000  # ms


class Evaluations:
    """Keeps what the runs of a cohort measured, by name."""

    def __init__(self) -> None:
        self.heads: dict[str, list[tuple[float, ...]]] = defaultdict(list)
        self.values: dict[str, dict[tuple[str, str], list[float]]] = {}
        self.status: dict[str, Any] = {}
        self._began = time.time()

    def evaluated(self, trainer: Any, evaluation: Any) -> None:
        now = time.time()
        for row in evaluation.rows:
            name = trainer.members[row].name
            head = (evaluation.step, evaluation.epoch, evaluation.examples, now - self._began, now)
            self.heads[name].append(head)
            mine = self.values.setdefault(name, defaultdict(list))
            for split, metrics in evaluation.record(row).metrics.items():
                for tag, value in metrics.items():
                    if "/" not in tag:
                        mine[split, tag].append(value)

    def advanced(self, trainer: Any) -> None:
        pass

    def ended(self, trainer: Any, row: int, outcome: Any) -> None:
        self.status[trainer.members[row].name] = outcome.status


def name(activation: str, rate: float, seed: int) -> str:
    """Return the name of a run."""
    return f"activation={activation} lr={rate} seed={seed}"


def train(seeds: int) -> Evaluations:
    """Train all runs as one cohort; they are named by variant and seed."""
    from dlx.cohort import Cohort, group
    from dlx.config import load
    from dlx.data import pipeline
    from dlx.training.job import prepare
    from dlx.training.trainer import Trainer

    path = Path(__file__).parents[1] / "configs" / "iris.yaml"
    plain = load.load(path, SETTINGS)
    splits = pipeline.load(plain.data, Path())
    jobs = [
        prepare(
            load.override(
                plain,
                [
                    f"name={name(activation, rate, seed)}",
                    f"model.activation={activation}",
                    f"optimizer.lr={rate}",
                    f"seed={seed}",
                ],
            ),
            splits,
        )
        for activation, rate, seed in itertools.product(ACTIVATIONS, RATES, range(seeds))
    ]
    (order,) = group([job.member for job in jobs])
    cohort = Cohort([jobs[place].member for place in order], jobs[0].batch_size)
    cohort.initialize()
    found = Evaluations()
    Trainer(cohort, jobs[0].examples()).fit(found)
    return found


def write(directory: Path, found: Evaluations, seeds: int) -> None:
    """Write the ablation's directory, as far as TensorBoard reads it."""
    from dlx.ablation import overview
    from dlx.ablation.results import Curve, RunResult
    from dlx.tracking import FinishedRun, write_finished

    config = (Path(__file__).parents[1] / "configs" / "iris.yaml").read_text()
    settings = {
        f"activation={activation} lr={rate}": {"model.activation": activation, "optimizer.lr": rate}
        for activation, rate in itertools.product(ACTIVATIONS, RATES)
    }
    runs, results = [], []
    for variant, seed in itertools.product(settings, range(seeds)):
        run = f"{variant} seed={seed}"
        path, status = f"{variant}/seed={seed}", found.status[run]
        metrics: dict[str, dict[str, np.ndarray]] = defaultdict(dict)
        for (split, tag), values in found.values[run].items():
            metrics[split][tag] = np.array(values)
        heads = (np.array(column) for column in zip(*found.heads[run], strict=True))
        steps, epochs, examples, seconds, times = heads
        success = status != "diverged"
        runs.append(
            FinishedRun(
                directory / path,
                steps,
                epochs,
                examples,
                seconds,
                times,
                metrics,
                settings[variant],
                variant,
                success,
                config,
            )
        )
        curve = {
            split: {tag: tuple(values.tolist()) for tag, values in tags.items()}
            for split, tags in metrics.items()
        }
        results.append(
            RunResult(
                variant,
                seed,
                status,
                int(steps[-1]),
                curve=Curve(tuple(steps.tolist()), curve),
                path=path,
            )
        )
    write_finished(runs)
    overview.write(
        directory, name="iris", metric="dev.accuracy", settings=settings, results=results
    )
    (directory / "run.json").write_text('{"kind": "ablation", "status": "completed"}')


def look(directory: Path, browser: str | None, pictures: Path | None) -> dict[str, float]:
    """Open the pages in a browser, and return the seconds that each takes, by page."""
    from playwright.sync_api import sync_playwright  # pyright: ignore[reportMissingImports]

    seconds: dict[str, float] = {}
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=browser, args=["--no-sandbox", "--disable-gpu"]
        )
        began = time.perf_counter()
        command = [sys.executable, "-m", "dlx", "board", str(directory), "--port", "0"]
        board = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert board.stdout is not None
        try:
            address = re.findall(r"http\S+", board.stdout.readline())[0]
            means = re.findall(r"http\S+", board.stdout.readline())[0]
            seconds["dlx board answers"] = time.perf_counter() - began
            areas = len(ACTIVATIONS) * len(RATES) * 4
            charts = "tf-custom-scalar-margin-chart-card path.area"
            for title, place, ready, count in (
                ("means and intervals drawn", means, charts, areas),
                ("table of hyperparameters", f"{address}#hparams", "vaadin-grid-cell-content", 1),
                ("list of runs", f"{address}#timeseries", "scalar-card", 2),
            ):
                page = chromium.new_page(viewport={"width": 1500, "height": 1000})
                began = time.perf_counter()
                page.goto(place, timeout=WAIT)
                page.locator(ready).nth(count - 1).wait_for(state="attached", timeout=WAIT)
                seconds[title] = time.perf_counter() - began
                if title == "list of runs":
                    box = page.locator("runs-data-table mat-checkbox").first
                    began = time.perf_counter()
                    box.click(timeout=WAIT)
                    drawn = page.locator("scalar-card tb-data-table-content-row").first
                    drawn.wait_for(state="attached", timeout=WAIT)
                    seconds["curves of all runs, once the box is ticked"] = (
                        time.perf_counter() - began
                    )
                if pictures is not None:
                    page.wait_for_timeout(3000)
                    page.screenshot(path=pictures / f"{place.partition('#')[2][:6]}.png")
                page.close()
        finally:
            board.send_signal(signal.SIGINT)
            board.wait()
    return seconds


def main() -> None:
    """Train, write, look, and print what it took."""
    parser = argparse.ArgumentParser(description="Measures an ablation in TensorBoard.")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--browser", help="of Chromium's kind; default: playwright's own")
    parser.add_argument("--pictures", type=Path, help="a folder for pictures of the pages")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        found = train(arguments.seeds)
        trained = time.perf_counter()
        write(Path(folder), found, arguments.seeds)
        written = time.perf_counter()
        sizes = [path.stat().st_size for path in Path(folder).rglob("events.out.tfevents.*")]
        print(f"{len(found.status)} runs trained in {trained - began:.1f} s")
        print(
            f"written in {written - trained:.1f} s: {len(sizes)} files, {sum(sizes) / 1e6:.0f} MB"
        )
        for title, taken in look(Path(folder), arguments.browser, arguments.pictures).items():
            print(f"{taken:6.1f} s  {title}", flush=True)


if __name__ == "__main__":
    main()
