"""Measures an ablation of 500 runs in TensorBoard: size on disk, and time until curves are drawn.

    pip install playwright && playwright install chromium
    python benchmarks/board.py [--seeds 20] [--browser FILE] [--pictures FOLDER]

`dlx ablate` trains 25 variants (activation and learning rate) at 20 seeds on iris, 200 evaluations
each. `dlx board` then serves them, and a browser opens the page of the variants' means, the table
of hyperparameters, and the curves of all runs. The clock runs from the start of `dlx board`, or of
the page, until what the page is for is there. The limits are 100 MB and 15 s.
"""

import argparse
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONFIG = Path(__file__).parents[1] / "configs" / "iris.yaml"
SETTINGS = [
    "train.batch_size=all",
    "train.early_stopping=null",
    "train.epochs=null",
    "train.steps=1000",
    "log.points=200",
]
VARIED = [
    "model.activation=sigmoid,tanh,relu,leaky_relu,gelu",
    "optimizer.lr=0.003,0.01,0.03,0.1,0.3",
]
NUM_VARIANTS = 25
WAIT = 120_000  # ms


def train(runs_dir: Path, seeds: int) -> Path:
    """Train the ablation, and return its directory."""
    varied = [word for each in VARIED for word in ("--vary", each)]
    command = ["ablate", str(CONFIG), *SETTINGS, *varied, "--seeds", str(seeds), "--quiet"]
    command += ["--runs-dir", str(runs_dir)]
    subprocess.run([sys.executable, "-m", "dlx", *command], check=True, stdout=subprocess.DEVNULL)
    return next(runs_dir.glob("*/*/run.json")).parent


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
            areas = NUM_VARIANTS * 4
            charts = "tf-custom-scalar-margin-chart-card path.area"
            for title, place, ready, count in (
                ("means and intervals drawn", means, charts, areas),
                (
                    "table of hyperparameters",
                    f"{address}?smoothing=0#hparams",
                    "vaadin-grid-cell-content",
                    1,
                ),
                ("list of runs", f"{address}?smoothing=0#timeseries", "scalar-card", 2),
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
        ablation = train(Path(folder), arguments.seeds)
        took = time.perf_counter() - began
        sizes = [path.stat().st_size for path in ablation.rglob("events.out.tfevents.*")]
        megabytes = sum(sizes) / 1e6
        print(f"trained in {took:.1f} s: {len(sizes)} event files, {megabytes:.0f} MB", flush=True)
        for title, taken in look(ablation, arguments.browser, arguments.pictures).items():
            print(f"{taken:6.1f} s  {title}", flush=True)


if __name__ == "__main__":
    main()
