"""The figure of pre-training's stages."""

from pathlib import Path

import numpy as np

import dlx
from dlx.report.run.run_figures import pretraining
from dlx.tracking.metrics import read


def test_stages_follow_one_another_on_one_axis_of_steps(tmp_path: Path) -> None:
    overrides = ["pretrain.epochs=2", "pretrain.unroll=1", "train.epochs=3"]
    run = dlx.train("configs/stacked.yaml", overrides, runs_dir=tmp_path)
    figure = pretraining(read(run.path / "pretraining.jsonl"), run.history, "stacked")
    spans = [axes.get_title() for axes in figure.axes]
    assert spans == [
        "autoencoder, layer 1",
        "autoencoder, layer 2",
        "unroll, layers 1, 2",
        "the run",
    ]
    epoch = run.info["steps"] // 3
    assert [axes.get_xlim() for axes in figure.axes] == [
        (0, 2 * epoch),
        (2 * epoch, 4 * epoch),
        (4 * epoch, 5 * epoch),
        (5 * epoch, 8 * epoch),
    ]
    train, dev = figure.axes[-1].get_lines()
    assert (train.get_label(), dev.get_label()) == ("train", "dev")
    steps, costs = np.asarray(dev.get_xdata()), np.asarray(dev.get_ydata())
    assert steps.tolist() == [5 * epoch + record["step"] for record in run.history]
    assert costs.tolist() == [record["dev"]["cost"] for record in run.history]
