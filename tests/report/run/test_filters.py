"""Which weights lie as pixels do."""

from pathlib import Path

import numpy as np
import pytest
import torch

import dlx
from dlx.nn.network import Network
from dlx.report.run.pictures import decoder_filters, encoder_filters


def network(config: str, overrides: list[str], tmp_path: Path) -> tuple[dlx.Run, Network]:
    overrides = ["log.level=minimal", "train.epochs=0", *overrides]
    run = dlx.train(f"configs/{config}.yaml", overrides, runs_dir=tmp_path)
    return run, run.cohort.network


def test_the_first_layer_looks_and_the_last_one_paints(tmp_path: Path) -> None:
    options = ["model.tied=false", "model.encoder=[12, 5]"]
    run, its = network("autoencoder", options, tmp_path)
    first, last = encoder_filters(its, run.task), decoder_filters(its, run.task)
    assert first is not None and last is not None
    assert (first.layer, last.layer) == ("1", "4")
    linear = [module for module in run.network() if isinstance(module, torch.nn.Linear)]
    assert np.array_equal(first.weights, linear[0].weight.detach().numpy().T)
    assert np.array_equal(last.weights, linear[-1].weight.detach().numpy())


@pytest.mark.parametrize("config", ["autoencoder", "rbm"])
def test_a_tied_decoder_has_no_filters_of_its_own(config: str, tmp_path: Path) -> None:
    run, its = network(config, [], tmp_path)
    first = encoder_filters(its, run.task)
    assert first is not None and first.weights.shape[0] == 64
    assert decoder_filters(its, run.task) is None


def test_a_layer_that_sees_a_row_of_pixels_at_a_time_has_none(tmp_path: Path) -> None:
    run, its = network("recurrent", [], tmp_path)
    assert encoder_filters(its, run.task) is None
