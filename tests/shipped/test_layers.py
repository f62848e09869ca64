"""The shipped configs about layers show what they say they show."""

from pathlib import Path

import pytest
import torch

import dlx
from dlx import registry
from tests.guarded import LEARNING

pytestmark = pytest.mark.slow(*LEARNING)

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


def test_one_maxout_unit_computes_xor_where_one_relu_cannot(tmp_path: Path) -> None:
    assert accuracy("maxout", tmp_path) == 1.0
    assert accuracy("maxout", tmp_path, "model.hidden=[1]") <= 0.75


def test_layer_norm_learns_from_batches_too_small_for_batch_norm(tmp_path: Path) -> None:
    assert accuracy("layer_norm", tmp_path) > 0.85
    without = "model.layer_norm=false"
    assert accuracy("layer_norm", tmp_path, without, "model.batch_norm=true") < 0.65
    assert accuracy("layer_norm", tmp_path, without) < 0.75


def test_weight_norm_learns_at_a_rate_that_is_too_high_without(tmp_path: Path) -> None:
    def train_cost(*overrides: str) -> float:
        run = dlx.train("configs/weight_norm.yaml", overrides, runs_dir=tmp_path)
        return run.metrics["train"]["cost"]

    seeds = [f"seed={seed}" for seed in range(6)]
    normalized = sum(train_cost(seed) for seed in seeds)
    plain = sum(train_cost(seed, "model.weight_norm=false") for seed in seeds)
    assert normalized < 0.8 * plain


def test_dropout_of_every_kind_keeps_wrong_labels_from_being_learned(tmp_path: Path) -> None:
    def dev_cost(*overrides: str) -> float:
        run = dlx.train("configs/dropout.yaml", ["train.epochs=40", *overrides], runs_dir=tmp_path)
        return run.metrics["dev"]["cost"]

    without = dev_cost("model.dropout=0.0")
    kinds = [f"model.dropout={{name: {name}, hidden: 0.5}}" for name in registry.names("dropout")]
    noise = ["model.dropout=0.0", "model.noise=1.0"]
    for overrides in ([], *([kind] for kind in kinds), noise):
        assert dev_cost(*overrides) < 0.85 * without, overrides


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_a_recurrent_network_reads_digits_row_by_row(cell: str, tmp_path: Path) -> None:
    assert accuracy("recurrent", tmp_path, f"model.cell={cell}", "train.epochs=8") > 0.85
