"""What the shipped configs of penalties and max-norm show."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

import dlx
from dlx.api import Run
from dlx.config.shipped import shipped

pytestmark = pytest.mark.usefixtures("one_thread")


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
        for seed in range(2):
            run = trained(tmp_path, "max_norm", f"train.max_norm={limit}", f"seed={seed}")
            assert run.metrics["train"]["cost"] < 0.01
            found.append(run.metrics["dev"]["cost"])
            hidden = [weight.norm(dim=1).max().item() for weight in weights(run)[:-1]]
            largest[limit] = max(largest.get(limit, 0.0), *hidden)
    assert largest["0.5"] <= 0.5 * (1 + 1e-5) < largest["null"]
    assert sum(costs["0.5"]) < 0.7 * sum(costs["null"])


def test_an_l1_penalty_leaves_few_weights(tmp_path: Path) -> None:
    few = trained(tmp_path, "lasso")
    (lasso,) = weights(few)
    (ridge,) = weights(trained(tmp_path, "lasso", "train.penalty={l2: 0.05}"))
    assert int((lasso.abs() > 0.01).sum()) < 15 < int((ridge.abs() > 0.01).sum())
    assert few.metrics["test"]["accuracy"] > 0.93
