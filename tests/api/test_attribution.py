"""Why one config does better than another: its keys' shares of the difference."""

from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlx import api
from dlx.ablation.statistics.shapley import shapley
from dlx.api.attribution import differing
from dlx.errors import ConfigError

SLOW: dict[str, Any] = {
    "name": "slow",
    "data": {"name": "iris"},
    "model": {"name": "mlp", "hidden": [4], "activation": "relu"},
    "optimizer": {"name": "sgd", "lr": 1e-4},
    "train": {"epochs": 10},
}
FAST = {**SLOW, "name": "fast", "optimizer": {"name": "sgd", "lr": 0.1}}
FAST["model"] = {**SLOW["model"], "layer_norm": False, "activation": "tanh"}


def test_shares_are_means_over_all_orders_and_add_up() -> None:
    values = np.random.default_rng(0).normal(size=(2, 2, 2, 5))
    expected = np.zeros((3, 5))
    for order in permutations(range(3)):
        place = [0, 0, 0]
        for key in order:
            before = values[tuple(place)]
            place[key] = 1
            expected[key] += (values[tuple(place)] - before) / 6
    shares = shapley(values)
    np.testing.assert_allclose(shares, expected, atol=1e-12)
    np.testing.assert_allclose(shares.sum(0), values[1, 1, 1] - values[0, 0, 0], atol=1e-12)


def test_the_rate_makes_the_difference(tmp_path: Path) -> None:
    slow, fast = api.read_config(SLOW), api.read_config(FAST)
    plan = api.plan_why(slow, fast, seeds=3, runs_dir=tmp_path)
    assert len(plan.variants) == 4
    found = api.why(plan, runs_dir=tmp_path)
    first, second = found.shares
    assert (first.key, first.values) == ("optimizer.lr", (1e-4, 0.1))
    assert second.key == "model.activation"
    assert first.share.mean > 0.2 and first.share.low > 0 > second.share.low
    assert first.share.mean + second.share.mean == pytest.approx(found.whole.mean)
    of = {variant["name"]: variant for variant in found.ablation.summary["variants"]}
    accuracy = {
        name: np.mean(own["metrics"]["dev"]["accuracy"]["values"]) for name, own in of.items()
    }
    both, neither = accuracy["activation=tanh lr=0.1"], accuracy["activation=relu lr=0.0001"]
    assert found.whole.mean == pytest.approx(both - neither)
    assert first.alone == pytest.approx(accuracy["activation=relu lr=0.1"] - neither)
    assert first.last == pytest.approx(both - accuracy["activation=tanh lr=0.0001"])
    assert found.document()["keys"][0]["from"] == 1e-4


def test_epochs_and_steps_are_one_key_and_all_have_the_same_dev_rows(tmp_path: Path) -> None:
    slow = api.read_config(SLOW)
    found = differing(slow, api.read_config({**SLOW, "train": {"steps": 20, "batch_size": 4}}))
    assert [*found] == ["train"] and found["train"][1]["steps"] == 20
    plan = api.plan_why(slow, api.read_config({**FAST, "train": {"steps": 20}}), seeds=2)
    assert len(plan.variants) == 8
    watching = {"epochs": 10, "early_stopping": {"metric": "stop.cost", "patience": 3}}
    found = api.why(
        api.plan_why(slow, api.read_config({**SLOW, "train": watching}), seeds=2), runs_dir=tmp_path
    )
    assert [own.key for own in found.shares] == ["train.early_stopping"]


def test_what_cannot_be_asked() -> None:
    slow = api.read_config(SLOW)
    with pytest.raises(ConfigError, match="both configs are the same but for name, seed and log"):
        api.plan_why(slow, api.read_config({**SLOW, "name": "other", "seed": 3}))
    with pytest.raises(ConfigError, match="the data sets differ"):
        api.plan_why(slow, api.read_config({**SLOW, "data": {"name": "digits"}}))
    with pytest.raises(ConfigError, match=r"--keys: the configs do not differ in train\.epochs"):
        api.plan_why(slow, api.read_config(FAST), keys=["train.epochs"])
    changes = [
        *("model.hidden=[5]", "model.activation=tanh", "model.dropout=0.1", "optimizer.lr=0.1"),
        *("train.epochs=3", "train.batch_size=4", "train.clip_norm=1"),
    ]
    with pytest.raises(ConfigError, match=r"differ in 7 keys, and 128 variants .* --keys: model"):
        api.plan_why(slow, api.read_config(SLOW, changes))


def test_the_engine_that_trained_a_run_is_no_key_of_its_own() -> None:
    slow = api.prepare(SLOW).config
    by_torch = api.prepare({**SLOW, "optimizer": {"name": "muon"}}).config
    assert (slow.train.engine, by_torch.train.engine) == ("native", "torch")
    plan = api.plan_why(slow, by_torch, seeds=2)
    settings = [*(variant.settings for variant in plan.variants)]
    assert len(settings) == 2 and {key for own in settings for key in own} == {"optimizer"}
