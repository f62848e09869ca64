"""What `dlx board` shows of more loose runs than TensorBoard draws."""

from pathlib import Path

import numpy as np
import pytest

import dlx
from dlx.report import loose_means
from dlx.report.loose_means import Means, write_means
from tests.tracking.event_files import scalars

SHORT = ["train.epochs=2", "train.early_stopping=null", "log.level=minimal"]


def trained(folder: Path) -> dict[float, list[dlx.Run]]:
    return {
        lr: [
            dlx.train("iris", [*SHORT, f"optimizer.lr={lr}", f"seed={seed}"], runs_dir=folder)
            for seed in range(3)
        ]
        for lr in (0.01, 0.1)
    }


def test_runs_of_one_config_make_a_mean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = trained(tmp_path / "runs")
    dlx.train("xor", ["train.steps=3", "log.level=minimal"], runs_dir=tmp_path / "runs")
    (tmp_path / "runs" / "xor").rename(tmp_path / "runs" / "all runs")  # as a folder of dlx's
    target = tmp_path / "means"
    target.mkdir()
    assert write_means(tmp_path / "runs", target) == Means(3, 7, "config")
    names = {path.name for path in target.iterdir() if path.is_dir()}
    assert names == {"iris lr=0.01", "iris lr=0.1", "all runs #2", "all runs"}
    assert (target / "all runs" / "iris").samefile(tmp_path / "runs" / "iris")
    for lr, own in runs.items():
        shown = target / f"iris lr={lr}"
        last = np.mean([run.history[-1]["dev"]["accuracy"] for run in own])
        assert scalars(shown, "mean/dev.accuracy")[1][-1] == pytest.approx(last, rel=1e-6)
        assert scalars(shown, "runs/dev.accuracy")[1][-1] == 3
    monkeypatch.setattr(loose_means, "_MOST_CURVES", 2)
    fewer = tmp_path / "fewer"
    fewer.mkdir()
    assert write_means(tmp_path / "runs", fewer) == Means(2, 7, "name")
    assert {path.name for path in fewer.iterdir() if path.is_dir()} == {
        "iris",
        "all runs #2",
        "all runs",
    }
    assert scalars(fewer / "iris", "runs/dev.accuracy")[1][-1] == 6
