"""What the shipped configs of penalties, noise, max-norm and clipping show."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from torch import Tensor

import dlx
from dlx.api import Run
from dlx.config.shipped import shipped
from dlx.errors import DivergedError
from tests.guarded import LEARNING

pytestmark = [pytest.mark.slow(*LEARNING), pytest.mark.usefixtures("one_thread")]


def trained(runs_dir: Path, config: str, *overrides: str) -> Run:
    """Return a run of a shipped config."""
    options = ["log.level=minimal", "log.points=2", *overrides]
    return dlx.train(shipped()[config], options, runs_dir=runs_dir)


def weights(run: Run) -> list[Tensor]:
    """Return the weights (O, I) of every layer."""
    layers = run.network().modules()
    return [layer.weight.detach() for layer in layers if isinstance(layer, torch.nn.Linear)]


def test_max_norm_bounds_every_hidden_unit_and_keeps_from_overfitting(tmp_path: Path) -> None:
    costs: dict[str, list[float]] = {"0.5": [], "null": []}
    largest: dict[str, float] = {}
    for limit, found in costs.items():
        for seed in range(4):
            run = trained(tmp_path, "max_norm", f"train.max_norm={limit}", f"seed={seed}")
            assert run.metrics["train"]["cost"] < 0.01
            found.append(run.metrics["dev"]["cost"])
            hidden = [weight.norm(dim=1).max().item() for weight in weights(run)[:-1]]
            largest[limit] = max(largest.get(limit, 0.0), *hidden)
    assert largest["0.5"] <= 0.5 * (1 + 1e-5) < largest["null"]
    assert sum(costs["0.5"]) < 0.8 * sum(costs["null"])


def test_an_l1_penalty_leaves_few_weights(tmp_path: Path) -> None:
    few = trained(tmp_path, "lasso")
    (lasso,) = weights(few)
    (ridge,) = weights(trained(tmp_path, "lasso", "train.penalty={l2: 0.05}"))
    assert int((lasso.abs() > 0.01).sum()) < 15 < int((ridge.abs() > 0.01).sum())
    assert few.metrics["test"]["accuracy"] > 0.93


def test_an_l2_penalty_and_noise_on_the_inputs_are_ridge_regression(tmp_path: Path) -> None:
    penalized = trained(tmp_path, "ridge")
    noisy = trained(tmp_path, "ridge", "train.penalty=null", "model.noise={input: 0.5}")
    free = trained(tmp_path, "ridge", "train.penalty=null")
    rows = penalized.splits().train
    # Of a mean over n rows, l2 / 2 stands for alpha / n; noise adds std^2 |w|^2 on average.
    alpha = len(rows.inputs) * 0.5 / 2
    expected = Ridge(alpha).fit(rows.inputs.double().numpy(), rows.targets.double().numpy()).coef_

    def distance(run: Run) -> float:
        (mine,) = weights(run)
        return float(np.linalg.norm(mine.double().numpy() - expected))

    assert distance(penalized) < 1e-5
    assert distance(noisy) < 0.05 < 0.5 < distance(free)
    for split in ("dev", "test"):
        assert penalized.metrics[split]["mse"] < 0.65 * free.metrics[split]["mse"]
        assert noisy.metrics[split]["mse"] < 0.65 * free.metrics[split]["mse"]


@pytest.mark.parametrize("seed", [0, 1])
def test_clipping_by_norm_and_by_value_trains_where_gradients_explode(
    seed: int, tmp_path: Path
) -> None:
    options = (f"seed={seed}", "data.split_seed=0", "train.clip_norm=null")
    assert trained(tmp_path, "clipping", *options[:2]).metrics["train"]["accuracy"] > 0.85
    by_value = trained(tmp_path, "clipping", *options, "train.clip_value=0.02")
    assert by_value.metrics["train"]["accuracy"] > 0.8
    try:
        free = trained(tmp_path, "clipping", *options)
    except DivergedError as error:
        assert "the cost was not finite" in str(error)
    else:
        assert free.metrics["train"]["accuracy"] < 0.65
