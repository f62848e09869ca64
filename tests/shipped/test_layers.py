"""The shipped configs about layers show what they say they show."""

from pathlib import Path

import dlx

PLAIN = "model.hidden=[{name: dense, units: 32, repeat: 49}]"


def test_residual_blocks_train_at_depth_fifty_where_plain_layers_do_not(tmp_path: Path) -> None:
    def accuracy(*overrides: str) -> float:
        changed = ["train.epochs=4", *overrides]
        run = dlx.train("configs/residual.yaml", changed, runs_dir=tmp_path)
        return run.metrics["dev"]["accuracy"]

    assert accuracy() > 0.75
    assert accuracy(PLAIN) < 0.25
