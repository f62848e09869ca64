"""Opens the pages of TensorBoard that docs/tensorboard.md shows, checks and pictures them.

    pip install playwright && playwright install chromium
    python benchmarks/board_pictures.py [--browser FILE] [--pictures FOLDER]

Trains two learning rates of a small network with a residual block, two seeds of one of them, and an
ablation of two optimizers, and opens `dlx board` in a browser without a window.
"""

import argparse
import contextlib
import io
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

WAIT = 60_000  # ms
CONFIG = ["moons", "model.hidden=[8,{name: residual, layers: [8]},4]", "log.level=full"]
LENGTH = ["train.epochs=20"]
RUNS = ([], ["seed=1"], ["optimizer.lr=0.1"])
NUM_CONFIGS = 2
COLORS = "smoothing=0&runColorGroup=regex:(train|dev|test)$"
SMOOTHING = '.slider-row input[type="number"]'


def dlx(*arguments: str) -> None:
    """Run a command of dlx."""
    command = [sys.executable, "-m", "dlx", *arguments, "--quiet"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def board(folder: Path) -> Iterator[str]:
    """Serve a folder, and give its address."""
    command = [sys.executable, "-m", "dlx", "board", str(folder), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield re.findall(r"http\S+", process.stdout.readline())[0]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


class Pages:
    """Pages of a browser, whose pictures go into a folder."""

    def __init__(self, browser: Any, pictures: Path) -> None:
        self._browser = browser
        self._pictures = pictures

    @contextlib.contextmanager
    def open(self, address: str, name: str) -> Iterator[Any]:
        """Open a page; take its picture once the checks of the block hold."""
        page = self._browser.new_page(viewport={"width": 1200, "height": 720})
        page.set_default_timeout(WAIT)
        page.goto(address)
        try:
            yield page
            page.wait_for_timeout(2000)
        finally:
            picture = Image.open(io.BytesIO(page.screenshot()))
            picture.convert("RGB").quantize(256).save(self._pictures / f"board_{name}.png")
            page.close()
        print(f"{name}: as expected", flush=True)


def check_run(pages: Pages, address: str) -> None:
    """Check the pages of a single run."""
    with pages.open(address, "run") as page:
        page.locator("card-view").nth(1).wait_for()
        titles = page.locator("metrics-pinned-view .second-text-part").all_inner_texts()
        assert titles == ["cost", "accuracy"], titles
        smoothing = page.locator(SMOOTHING).input_value()
        assert float(smoothing) == 0, smoothing
        names = page.locator("runs-data-table tb-data-table-content-row").all_inner_texts()
        assert len(names) == 3, names
        assert not any(name.strip().startswith(".") for name in names), names
    with pages.open(f"{address}#graphs", "graph") as page:
        page.locator("g.node").nth(3).wait_for()
        texts = " ".join(page.locator("g.node text").all_text_contents())
        assert all(
            word in texts for word in ("inputs 2", "1 tanh 8", "2 residual 8", "sigmoid 1", "cost")
        ), texts
    with pages.open(f"{address}#custom_scalars&_smoothingWeight=0", "charts") as page:
        page.locator("tf-custom-scalar-multi-line-chart-card").nth(3).wait_for()
        page.locator("tf-custom-scalar-multi-line-chart-card path").nth(3).wait_for(
            state="attached"
        )
    with pages.open(
        f"{address}?{COLORS}&tagFilter=pre_activations#timeseries", "pre_activations"
    ) as page:
        page.locator("histogram-card").first.wait_for()
    with pages.open(f"{address}?{COLORS}&tagFilter=decision#timeseries", "units") as page:
        page.locator("image-card img").nth(1).wait_for()


def check_runs(pages: Pages, address: str) -> None:
    """Check the pages of all runs: a row for each config."""
    with pages.open(f"{address}#hparams", "hparams") as page:
        page.locator("vaadin-grid-cell-content", has_text="0.1").first.wait_for()
        cells = page.locator("vaadin-grid-cell-content").all_inner_texts()
        page.get_by_text("result/dev.accuracy").first.wait_for(state="attached")
        rows = {cell.strip() for cell in cells if re.match(r"moons [0-9a-f]{8}$", cell.strip())}
        assert len(rows) == NUM_CONFIGS, cells
    with pages.open(address, "runs") as page:
        page.locator("scalar-card").nth(1).wait_for()


def check_ablation(pages: Pages, address: str) -> None:
    """Check the pages of an ablation: means with intervals, and a row for each variant."""
    with pages.open(f"{address}#custom_scalars&_smoothingWeight=0", "means") as page:
        areas = "tf-custom-scalar-margin-chart-card path.area"
        page.locator(areas).first.wait_for(state="attached")
    with pages.open(f"{address}#hparams", "variants") as page:
        for variant in ("sgd", "adam"):
            cell = page.locator("vaadin-grid-cell-content", has_text=variant)
            cell.first.wait_for(state="attached")


def main() -> None:
    """Train, open every page, and check what it shows."""
    from playwright.sync_api import sync_playwright  # pyright: ignore[reportMissingImports]

    parser = argparse.ArgumentParser(description="Checks and pictures TensorBoard's pages.")
    parser.add_argument("--browser", help="of Chromium's kind; default: playwright's own")
    parser.add_argument("--pictures", type=Path, default=Path(__file__).parents[1] / "docs")
    arguments = parser.parse_args()
    arguments.pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=arguments.browser, args=["--no-sandbox", "--disable-gpu"]
        )
        pages, runs, ablations = Pages(browser, arguments.pictures.resolve()), "runs", "ablations"
        os.chdir(folder)  # so that the pages name no folder of this machine
        for settings in RUNS:
            dlx("train", *CONFIG, *LENGTH, *settings, "--runs-dir", runs)
        varied = ["--vary", "optimizer.name=sgd,adam", "--seeds", "3"]
        dlx("ablate", "moons", *LENGTH, *varied, "--runs-dir", ablations)
        with board(next(Path(runs).glob("*/*/run.json")).parent) as address:
            check_run(pages, address)
        with board(Path(runs)) as address:
            check_runs(pages, address)
        with board(next(Path(ablations).glob("*/*/run.json")).parent) as address:
            check_ablation(pages, address)


if __name__ == "__main__":
    main()
