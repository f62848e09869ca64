"""Permutation importance, against scikit-learn's on the same network and against its formula."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn.base import BaseEstimator
from sklearn.inspection import permutation_importance as by_sklearn
from sklearn.metrics import accuracy_score, r2_score

import dlx
from dlx import streams
from dlx.api import Run
from dlx.diagnose.importance import FeatureImportance
from dlx.errors import ConfigError, DataError

pytestmark = pytest.mark.usefixtures("without_pictures")

MODEL = {"hidden": [16]}
FAST = {"name": "adam", "lr": 0.01}


class Trained(BaseEstimator):
    """A run as scikit-learn sees it: of inputs as they are after the preprocessing."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def fit(self, x: np.ndarray, t: np.ndarray) -> "Trained":
        return self

    def score(self, x: np.ndarray, t: np.ndarray) -> float:
        with torch.no_grad():
            y = self.run.network()(torch.as_tensor(x)).numpy()
        if self.run.task.classes is None:
            return float(r2_score(t, y))
        said = y.argmax(1) if y.shape[1] > 1 else y[:, 0] > 0.5
        return float(accuracy_score(t, said))


@pytest.fixture(scope="module")
def iris(tmp_path_factory: pytest.TempPathFactory) -> Run:
    runs_dir = tmp_path_factory.mktemp("iris")
    return dlx.train("configs/iris.yaml", ["train.epochs=30"], runs_dir=runs_dir)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A table whose target follows from `city` and `area`, and not from `noise`."""
    folder = tmp_path_factory.mktemp("table")
    draw = np.random.default_rng(0)
    city = draw.choice(["a", "b", "c"], 600)
    area = draw.normal(size=600)
    target = 3 * (city == "a") - 3 * (city == "b") + area + draw.normal(0, 0.1, 600)
    area[draw.random(600) < 0.2] = np.nan
    columns = {"noise": draw.normal(size=600), "city": city, "area": area, "price": target}
    pd.DataFrame(columns).to_csv(folder / "t.csv", index=False)
    data = {"name": "csv", "path": str(folder / "t.csv"), "target": "price", "missing": "impute"}
    config = {"data": data, "model": MODEL, "optimizer": FAST, "train": {"epochs": 30}}
    return dlx.train(config, runs_dir=folder / "runs")


def test_the_importance_is_scikit_learns(iris: Run) -> None:
    by_feature = {
        importance.feature: importance
        for importance in iris.importance("train", repeats=100).features
    }
    splits = iris.splits()
    x, t = splits.train.inputs.numpy(), splits.train.targets.numpy()
    expected = by_sklearn(Trained(iris), x, t, n_repeats=100, random_state=0)
    for place, name in enumerate(splits.features or ()):
        mean, error = by_feature[name].mean, np.std(by_feature[name].drops) / 10
        other = expected["importances"][place]
        assert mean == pytest.approx(other.mean(), abs=4 * np.hypot(error, other.std() / 10))
        assert np.std(by_feature[name].drops) == pytest.approx(other.std(), rel=0.5, abs=1e-3)


def test_of_numbers_it_is_the_drop_of_r2(table: Run) -> None:
    importance = table.importance(repeats=2)
    part, draws = table.splits().part("test"), streams.stream(0, "importance", "noise", 1)
    x, t = part.inputs.numpy(), part.targets.numpy()
    moved = x.copy()
    moved[:, 0] = x[draws.permutations(1, len(x))[0].numpy(), 0]
    model = Trained(table)
    drop = model.score(x, t) - model.score(moved, t)
    noise = next(feature for feature in importance.features if feature.feature == "noise")
    assert (importance.metric, importance.num_rows) == ("r2", 120)
    assert importance.value == pytest.approx(model.score(x, t), abs=1e-6)
    assert noise.drops[1] == pytest.approx(drop, abs=1e-6)


def test_the_inputs_of_a_column_are_permuted_together(table: Run) -> None:
    importance = table.importance()
    assert [feature.feature for feature in importance.features] == ["city", "area", "noise"]
    city, _, noise = importance.features
    # Of a used column all is lost: twice the share of the variance that it explains.
    assert city.mean == pytest.approx(2 * 6 / 7, abs=0.3)
    assert abs(noise.mean) < 0.02


def test_of_a_falling_metric_it_is_the_rise(table: Run, iris: Run) -> None:
    by_error, by_accuracy = iris.importance(metric="error"), iris.importance()
    assert [feature.feature for feature in by_error.features] == [
        feature.feature for feature in by_accuracy.features
    ]
    assert by_error.features[0].mean == pytest.approx(by_accuracy.features[0].mean)
    assert table.importance(metric="mse").features[0].mean > 0


def test_it_is_repeatable_and_changes_nothing(iris: Run) -> None:
    before = iris.evaluate()
    first, again = iris.importance(repeats=5), iris.importance(repeats=5)
    assert first == again
    longer = {feature.feature: feature.drops for feature in iris.importance(repeats=7).features}
    assert all(longer[feature.feature][:5] == feature.drops for feature in first.features)
    assert iris.evaluate() == before


def test_the_interval_is_students(iris: Run) -> None:
    importance = iris.importance(repeats=10).features[0]
    error = stats.sem(importance.drops)
    expected = stats.t.interval(0.95, 9, loc=np.mean(importance.drops), scale=error)
    assert importance.interval == pytest.approx(expected)
    assert FeatureImportance("same", (0.5, 0.5)).interval == (0.5, 0.5)


def test_what_cannot_be_permuted_is_refused(iris: Run, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--repeats: received 1; an interval needs 2 or more"):
        iris.importance(repeats=1)
    with pytest.raises(ConfigError, match="mse is not defined for this task"):
        iris.importance(metric="mse")
    with pytest.raises(DataError, match="without train_dev rows; there are train, stop, dev, test"):
        iris.importance("train_dev")
    digits = dlx.train("configs/digits.yaml", ["train.steps=1"], runs_dir=tmp_path)
    with pytest.raises(ConfigError, match="--importance: the rows are images or sequences of 8 × "):
        digits.importance()


def test_rows_that_say_nothing_are_refused(tmp_path: Path) -> None:
    pd.DataFrame({"a": range(20), "t": [0.5, *range(17), 3.5, 3.5]}).to_csv(tmp_path / "train.csv")
    pd.DataFrame({"a": [1, 2], "t": [2.5, 2.5]}).to_csv(tmp_path / "same.csv")
    pd.DataFrame({"a": [1], "t": [2.5]}).to_csv(tmp_path / "one.csv")
    for name, message in (
        ("same", "importance: r2 has no value on these 2 rows; choose another split or --metric"),
        ("one", "there is one row"),
    ):
        path = {"train": str(tmp_path / "train.csv"), "test": str(tmp_path / f"{name}.csv")}
        config = {"data": {"name": "csv", "path": path, "target": "t"}, "train": {"steps": 1}}
        run = dlx.train(config, ["train.batch_size=4"], runs_dir=tmp_path)
        with pytest.raises(DataError, match=message):
            run.importance()
