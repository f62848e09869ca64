"""Codes of a run: encoded and decoded from Python."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import dlx
from dlx.errors import ConfigError, DataError

pytestmark = pytest.mark.usefixtures("one_thread", "without_pictures")

ROWS = np.random.default_rng(0).random((2100, 64), np.float32)  # several chunks
VARIANTS = {
    "plain": [],
    "not tied": ["model.tied=false", "model.encoder=[20, 5]"],
    "a code of its own": ["model.code_activation=tanh", "model.encoder=[7]"],
    "blocks": ["model.tied=false", "model.encoder=[{name: residual, layers: [64]}, 6]"],
    "standardized, own decoder": [
        *("model.tied=false", "model.decoder=[9]"),
        "data={name: digits, standardize: true}",
    ],
    "variational": ["model.tied=false", "model.variational={}"],
    "k-sparse": ["model.k_sparse={k: 2, alpha: 2}"],
    "batch norm and dropout": ["model.batch_norm=true", "model.dropout=0.2"],
}


def train(config: str, overrides: list[str], folder: Path) -> dlx.Run:
    steps = ["train.epochs=null", "train.steps=5"]
    return dlx.train(f"configs/{config}.yaml", [*overrides, *steps], runs_dir=folder)


@pytest.mark.parametrize("variant", VARIANTS)
def test_decoded_codes_are_predictions_bit_for_bit(variant: str, tmp_path: Path) -> None:
    run = train("autoencoder", VARIANTS[variant], tmp_path)
    codes = run.encode(ROWS)
    units = {layer.name: layer.outputs for layer in run.design.layers}
    assert run.design.code is not None
    assert codes.shape == (2100, units[run.design.code])
    assert np.array_equal(run.decode(codes), run.predict(ROWS))
    for layer in run.design.layers[:-1]:
        assert np.array_equal(
            run.decode(run.encode(ROWS, layer.name), layer.name), run.predict(ROWS)
        )
    one = run.decode(run.encode(ROWS[0])[0])
    assert np.array_equal(one, run.predict(ROWS[0]))


def test_codes_are_what_the_exported_encoder_says(tmp_path: Path) -> None:
    run = train("autoencoder", [], tmp_path)
    inputs = run.preprocessing(torch.from_numpy(ROWS))
    encoder = run.network()[:3]  # dense, relu, dense
    np.testing.assert_allclose(run.encode(ROWS), encoder(inputs).detach(), atol=1e-5)


def test_a_split_is_encoded_beside_its_classes(tmp_path: Path) -> None:
    run = train("autoencoder", [], tmp_path)
    codes, splits = run.encode_split("dev"), run.labelled_splits()
    dev = splits.part("dev")
    assert codes.columns["row"].tolist() == dev.rows.tolist()
    assert [int(name) for name in codes.columns["target"]] == dev.targets.tolist()
    assert run.splits().task.kind == "reconstruction"
    table = run.predict_split("dev")
    said = np.array([row[1 + 64 :] for row in table.rows], np.float32)
    assert np.array_equal(run.decode(codes.values), said)


def test_networks_that_tell_classes_have_codes_too(tmp_path: Path) -> None:
    run = train("digits", ["model.hidden=[12, 9]"], tmp_path)
    assert run.layer() == "2"
    codes = run.encode(ROWS)
    assert codes.shape == (2100, 9)
    assert np.array_equal(run.decode(codes), run.predict(ROWS))
    hidden = run.network()[:-2](torch.from_numpy(ROWS)).detach()  # without the output layer
    np.testing.assert_allclose(codes, hidden, atol=1e-5)
    assert run.encode(ROWS, "3").shape == (2100, 10)


@pytest.mark.parametrize(
    ("config", "overrides", "ask", "error", "message"),
    [
        (
            *("autoencoder", [], lambda run: run.decode(ROWS[:, :3]), DataError),
            "decode: received codes of 3 numbers, but layer code has 8",
        ),
        (
            *("autoencoder", [], lambda run: run.encode(ROWS[:, :3]), DataError),
            "encode: received rows of 3 numbers; the network of .* takes 64",
        ),
        (
            *("autoencoder", [], lambda run: run.encode(ROWS, "codes"), ConfigError),
            r"--layer: received codes; the layers of .* are 1, 2, code, 3, 4; did you mean .code.",
        ),
        (
            *("digits", ["model.hidden=[]"], lambda run: run.encode(ROWS), ConfigError),
            "has no hidden layer whose outputs could be its codes; name its output layer with "
            "--layer 1",
        ),
    ],
)
def test_what_cannot_be_encoded(
    config: str,
    overrides: list[str],
    ask: Any,
    error: type[Exception],
    message: str,
    tmp_path: Path,
) -> None:
    run = train(config, overrides, tmp_path)
    with pytest.raises(error, match=message):
        ask(run)
