"""The shipped configs about layers show what they say they show."""

from pathlib import Path

import pytest
import torch

import dlx

PLAIN = "model.hidden=[{name: dense, units: 32, repeat: 49}]"


def accuracy(config: str, folder: Path, *overrides: str) -> float:
    """Return the dev accuracy of a shipped config."""
    run = dlx.train(f"configs/{config}.yaml", overrides, runs_dir=folder)
    return run.metrics["dev"]["accuracy"]


def test_residual_blocks_train_at_depth_fifty_where_plain_layers_do_not(tmp_path: Path) -> None:
    assert accuracy("residual", tmp_path, "train.epochs=4") > 0.75
    assert accuracy("residual", tmp_path, "train.epochs=4", PLAIN) < 0.25


def test_lsuv_trains_deep_tanh_layers_that_small_and_large_weights_do_not(tmp_path: Path) -> None:
    assert accuracy("lsuv", tmp_path, "train.epochs=3") > 0.85
    for std in (0.01, 1.0):
        init = f"model.init={{name: normal, std: {std}}}"
        assert accuracy("lsuv", tmp_path, "train.epochs=3", init) < 0.35


@pytest.mark.parametrize(("gate", "table"), [("and", "0001"), ("or", "0111"), ("xor", "0110")])
def test_weights_written_by_hand_compute_the_gates(gate: str, table: str, tmp_path: Path) -> None:
    run = dlx.train(f"configs/gates/{gate}_by_hand.yaml", runs_dir=tmp_path)
    assert run.info["steps"] == 0
    corners = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    assert run.classify(run.predict(corners)) == list(table)
