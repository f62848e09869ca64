"""What the codes of runs are worth, from Python."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

import dlx
from dlx import api
from dlx.ablation.statistics.intervals import mean_interval
from dlx.data import randomness
from dlx.data.splits import draw
from dlx.errors import ConfigError, DataError

STEPS = ["train.epochs=null", "train.steps=20"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[dlx.Run]:
    folder = tmp_path_factory.mktemp("probed")
    return [
        dlx.train(f"configs/{config}.yaml", [*STEPS, *overrides], runs_dir=folder)
        for config, overrides in (("autoencoder", []), ("digits", ["model.hidden=[70]"]))
    ]


def test_neighbors_by_hand(runs: list[dlx.Run]) -> None:
    run = runs[0]
    (found,) = api.probe([run], labels=200, seeds=2, split="test").document()["runs"]
    splits = run.labelled_splits()
    train, test = splits.train, splits.part("test")
    pca = PCA(8, random_state=0).fit(train.inputs.numpy())
    features = {
        "codes": [run.encode_split(part).values for part in ("train", "test")],
        "inputs": [train.inputs.numpy(), test.inputs.numpy()],
        "pca": [pca.transform(train.inputs.numpy()), pca.transform(test.inputs.numpy())],
    }
    assert {name: found["features"][name]["width"] for name in features} == {
        "codes": 8,
        "inputs": 64,
        "pca": 8,
    }
    values = {}
    for name, (x, at) in features.items():
        values[name] = []
        for seed in range(2):
            order = randomness.generator("probe", seed).permutation(len(x))
            rows, _ = draw(order, train.targets.numpy(), 200)
            neighbors = KNeighborsClassifier(5).fit(x[rows], train.targets[rows])
            values[name].append(neighbors.score(at, test.targets))
        its = found["features"][name]["nearest_neighbors"]
        assert its["values"] == values[name]
        interval = mean_interval(its["values"])
        assert (its["mean"], its["low"], its["high"]) == (
            interval.mean,
            interval.low,
            interval.high,
        )
    paired = found["differences"]["pca"]["nearest_neighbors"]
    codes, pca_values = (
        np.array(found["features"][name]["nearest_neighbors"]["values"])
        for name in ("codes", "pca")
    )
    assert paired["low"] == pytest.approx(mean_interval(codes - pca_values).low)


def test_runs_share_draws_and_inputs_and_are_what_they_are_alone(runs: list[dlx.Run]) -> None:
    both = api.probe(runs, labels=150, seeds=2).document()
    alone = api.probe(runs[1:], labels=150, seeds=2).document()["runs"][0]
    first, second = both["runs"]
    assert second["features"] == alone["features"]
    assert "first" not in first["differences"]
    kind = "logistic_regression"
    mean = second["features"]["codes"][kind]["mean"] - first["features"]["codes"][kind]["mean"]
    assert second["differences"]["first"][kind]["mean"] == pytest.approx(mean)
    # An over-complete code has no more components to be compared with than there are inputs.
    assert second["features"]["codes"]["width"] == 70
    assert second["features"]["pca"]["width"] == 64


def test_by_default_seeds_draw_different_rows_and_all_rows_are_one_draw(
    runs: list[dlx.Run],
) -> None:
    said: list[str] = []
    found = api.probe(runs[1:], seeds=2, show=said.append)
    assert (found.labels, found.seeds, found.num_train) == (540, 2, 1079)
    assert len(said) == 3
    everything = api.probe(runs[1:], labels=1079, seeds=5)
    assert everything.seeds == 1
    value = everything.document()["runs"][0]["features"]["codes"]["logistic_regression"]
    assert value["mean"] > 0.5 and np.isnan(value["low"])


def test_numbers_are_probed_by_r2(tmp_path: Path) -> None:
    config = {
        "name": "numbers",
        "data": {"name": "diabetes", "standardize": True},
        "model": {"name": "autoencoder", "encoder": [3]},
        "train": {"epochs": 2, "batch_size": 32},
    }
    run = dlx.train(config, runs_dir=tmp_path)
    found = api.probe([run], seeds=2).document()
    assert found["metric"] == "r2"
    inputs = found["runs"][0]["features"]["inputs"]
    assert 0.3 < inputs["ridge"]["mean"] < 0.7


def test_what_cannot_be_probed(runs: list[dlx.Run], tmp_path: Path) -> None:
    iris = dlx.train("configs/iris.yaml", STEPS, runs_dir=tmp_path)
    gate = dlx.train("configs/gates/half_adder.yaml", ["train.steps=2"], runs_dir=tmp_path)
    with pytest.raises(ConfigError, match=r"other data or another split \(iris\) than .* \(digits"):
        api.probe([runs[0], iris])
    with pytest.raises(ConfigError, match="is named twice"):
        api.probe([iris, iris])
    with pytest.raises(ConfigError, match="a probe needs a run"):
        api.probe([])
    with pytest.raises(ConfigError, match="has labels that may hold together; probes are for"):
        api.probe([gate])
    with pytest.raises(ConfigError, match="--labels: received 0"):
        api.probe([iris], labels=0)
    with pytest.raises(ConfigError, match="--seeds: received 0"):
        api.probe([iris], seeds=0)
    with pytest.raises(ConfigError, match="--labels: received 5,000, but"):
        api.probe([iris], labels=5000)
    with pytest.raises(DataError, match="has 1 of the 3 labelled rows"):
        api.probe([iris], labels=3)
    with pytest.raises(DataError, match="was split without train_dev rows"):
        api.probe([iris], split="train_dev")
