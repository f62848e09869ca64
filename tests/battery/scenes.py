"""Small folders of runs, and all that dlx can be asked of them.

scene/table.csv            the data: two numbers and a category, two classes
scene/runs/ended/<id>      a run with pre-training, trained to its end
scene/runs/other/<id>      the same with another seed
scene/runs/stopped/<id>    a run that was stopped halfway, with two checkpoints
scene/runs/many/<id>       an ablation that has ended, its run 1 with a folder of its own
scene/runs/begun/<id>      an ablation whose first cohort is stopped halfway
"""

import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dlx import api
from dlx.errors import Interrupted

CONFIG = """\
name: ended
data: {name: csv, path: table.csv, target: class}
model: {hidden: [4, 3]}
pretrain: {epochs: 2}
train: {steps: 24, batch_size: 16, checkpoint_seconds: 0}
log: {every: 4}
"""
ABLATION = """\
name: many
data: {name: csv, path: table.csv, target: class}
model: {hidden: [4]}
train: {steps: 16, batch_size: 16, checkpoint_seconds: 0}
log: {every: 4}
ablation: {vary: {model.activation: [tanh, relu], model.hidden: [[4], [3]]}, seeds: 2}
"""


def write_table(path: Path, rows: int = 80) -> None:
    random = np.random.default_rng(0)
    numbers = random.normal(size=(rows, 2))
    kinds = random.choice(["red", "green", "blue"], rows)
    classes = np.where(numbers.sum(1) + (kinds == "red") > 0, "yes", "no")
    lines = [
        f"{a:.3f},{b:.3f},{k},{c}" for (a, b), k, c in zip(numbers, kinds, classes, strict=True)
    ]
    path.write_text("\n".join(["x,y,kind,class", *lines]) + "\n")


def stop_at(step: int) -> Callable[[Any], None]:
    """Return a `show` that sends this process SIGINT once a run has taken some steps."""

    def show(progress: Any) -> None:
        cohort = getattr(progress, "cohort", progress)
        if cohort.step >= step:
            os.kill(os.getpid(), signal.SIGINT)

    return show


def make(folder: Path) -> None:
    """Make the scene in a folder; the process stands in it."""
    folder.mkdir()
    os.chdir(folder)
    write_table(Path("table.csv"))
    Path("run.yaml").write_text(CONFIG)
    Path("ablation.yaml").write_text(ABLATION)
    for name, seed in (("ended", 0), ("other", 1)):
        api.new_training(api.prepare("run.yaml", [f"name={name}", f"seed={seed}"])).train()
    api.ablate("ablation.yaml")
    (many,) = Path("runs/many").iterdir()
    api.load(f"{many}#1")
    stopped = api.new_training(api.prepare("run.yaml", ["name=stopped"]))
    with contextlib.suppress(Interrupted):
        stopped.train(stop_at(12))
    with contextlib.suppress(Interrupted):
        api.ablate("ablation.yaml", ["name=begun"], show=stop_at(8), jobs=1)
