"""Runs asked together, against the same by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import dlx
from dlx import ensembles
from dlx.api import Run
from dlx.errors import ConfigError, DataError
from dlx.training import evaluation
from tests.guarded import ENSEMBLES

Folder = Any
LINE: dict[str, Any] = {"data": {"name": "regression", "targets": 2}, "train": {"epochs": 2}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ensembles")


def train(folder: Path, config: Any, *overrides: str) -> Run:
    source = f"configs/{config}.yaml" if isinstance(config, str) else config
    return dlx.train(source, overrides, runs_dir=folder)


@pytest.fixture(scope="module")
def digits(folder: Path) -> list[Run]:
    """Two runs of one shape with one of another between them."""
    return [
        train(folder, "digits", "train.epochs=2", "seed=0"),
        train(folder, "digits", "train.epochs=2", "model.hidden=[20]", "model.dropout=0"),
        train(folder, "digits", "train.epochs=2", "seed=1"),
    ]


def outputs(runs: list[Run], split: str = "test") -> tuple[np.ndarray, np.ndarray]:
    part = runs[0].splits().part(split)
    answers = [evaluation.predict(run.cohort, part.inputs)[0].numpy() for run in runs]
    return np.stack(answers), part.targets.numpy()


def test_probabilities_are_averaged(digits: list[Run]) -> None:
    ensemble = ensembles.evaluate(digits, "test")
    answers, targets = outputs(digits)
    for run, probabilities, member in zip(digits, answers, ensemble.members, strict=True):
        assert member["accuracy"] == pytest.approx((probabilities.argmax(1) == targets).mean())
        assert member["accuracy"] == pytest.approx(run.metrics["test"]["accuracy"])
    right = (answers.mean(0).argmax(1) == targets).mean()
    assert ensemble.together == {"accuracy": pytest.approx(right)}
    assert ensemble.gain["accuracy"] == pytest.approx(right - ensemble.mean["accuracy"])
    assert ensemble.gain["accuracy"] > 0


def test_votes_are_counted(digits: list[Run]) -> None:
    ensemble = ensembles.evaluate(digits, "test", "vote", ["error"])
    answers, targets = outputs(digits)
    votes = np.eye(10)[answers.argmax(2)].sum(0).argmax(1)
    assert ensemble.together["error"] == pytest.approx((votes != targets).mean())
    assert ensemble.gain["error"] == pytest.approx(
        ensemble.mean["error"] - ensemble.together["error"]
    )


def test_runs_of_equal_shapes_go_in_one_pass(
    digits: list[Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[int] = []

    def predict(cohort: Any, inputs: torch.Tensor) -> torch.Tensor:
        passes.append(cohort.network.num_runs)
        return evaluation.predict(cohort, inputs)

    monkeypatch.setattr(ensembles, "predict", predict)
    ensembles.evaluate(digits, "test")
    assert sorted(passes) == [1, 2]


def test_two_classes_of_one_output_or_two(folder: Path) -> None:
    steps = "train.steps=20"
    runs = [
        train(folder, "breast_cancer", steps),
        train(
            folder,
            "breast_cancer",
            steps,
            "model.output=softmax",
            "data.standardize=false",
            "data.scale=true",
        ),
    ]
    ensemble = ensembles.evaluate(runs, "dev", metrics=["accuracy", "auc"])
    for run, member in zip(runs, ensemble.members, strict=True):
        assert member == pytest.approx({k: run.metrics["dev"][k] for k in member}, abs=1e-3)
    with pytest.raises(ConfigError, match="--vote: auc needs probabilities, not votes; leave"):
        ensembles.evaluate(runs, "dev", "vote", ["auc"])


@pytest.mark.slow(*ENSEMBLES)
def test_labels_are_judged_one_by_one(folder: Path) -> None:
    runs = [train(folder, "gates/half_adder", "train.steps=5", f"seed={seed}") for seed in range(3)]
    answers, targets = outputs(runs)
    averaged = ensembles.evaluate(runs, "test").together["accuracy"]
    assert averaged == pytest.approx(((answers.mean(0) > 0.5) == targets).mean())
    voted = ensembles.evaluate(runs, "test", "vote").together["accuracy"]
    assert voted == pytest.approx((((answers > 0.5).mean(0) > 0.5) == targets).mean())


def test_numbers_are_averaged(folder: Path) -> None:
    runs = [train(folder, LINE, f"seed={seed}") for seed in range(2)]
    ensemble = ensembles.evaluate(runs, "test")
    answers, targets = outputs(runs)
    assert list(ensemble.together) == ["mse", "r2"]
    assert ensemble.together["mse"] == pytest.approx(((answers.mean(0) - targets) ** 2).mean())
    assert ensemble.gain["mse"] > 0  # a mean's squared error is at most the mean squared error
    with pytest.raises(ConfigError, match=r"--vote: .* predicts numbers, .* leave out --vote"):
        ensembles.evaluate(runs, "test", "vote")


@pytest.mark.slow(*ENSEMBLES)
def test_outputs_that_are_no_probabilities_may_only_vote(folder: Path) -> None:
    runs = [train(folder, "xor", "model.loss=hinge", f"seed={seed}") for seed in range(2)]
    with pytest.raises(ConfigError, match=r"of identity, which are no probabilities .* use --vote"):
        ensembles.evaluate(runs)
    assert ensembles.evaluate(runs, combine="vote").together["accuracy"] == 1


def test_no_member_is_judged_by_rows_that_another_was_trained_on(digits: list[Run]) -> None:
    by_default = ensembles.evaluate(digits)
    assert (by_default.split, by_default.num_rows) == ("test", 359)
    judged = ensembles.evaluate([digits[0], digits[2]], "dev")
    parts = [run.splits().part("dev") for run in (digits[0], digits[2])]
    common = np.intersect1d(parts[0].rows, parts[1].rows)
    assert judged.num_rows == len(common) and 20 < len(common) < 140
    for run, part, member in zip((digits[0], digits[2]), parts, judged.members, strict=True):
        places = np.flatnonzero(np.isin(part.rows, common))
        answers = evaluation.predict(run.cohort, part.inputs[places])[0].argmax(1)
        right = (answers == part.targets[places]).double().mean().item()
        assert member["accuracy"] == pytest.approx(right)


def test_runs_without_a_dev_row_in_common_are_refused(folder: Path) -> None:
    runs = [
        train(folder, "digits", "train.steps=2", "data.split={dev: 5}", f"data.split_seed={seed}")
        for seed in (0, 1)
    ]
    with pytest.raises(ConfigError, match=r"every one of them was a training row of some run"):
        ensembles.evaluate(runs, "dev")


def test_runs_that_are_no_ensemble(folder: Path, digits: list[Run]) -> None:
    with pytest.raises(ConfigError, match="needs at least two runs; received 1"):
        ensembles.evaluate(digits[:1])
    with pytest.raises(ConfigError, match="is named twice, but counts once; remove one"):
        ensembles.evaluate([digits[0], digits[1], digits[0]])
    other = train(folder, "iris", "train.steps=2")
    with pytest.raises(ConfigError, match=r"on other data \(iris\) .* runs of the same data"):
        ensembles.evaluate([digits[0], other])
    with pytest.raises(ConfigError, match=r"drew other train rows .* with --split test"):
        ensembles.evaluate(digits, "train")
    other = train(folder, "autoencoder", "train.epochs=0", "log.level=minimal")
    with pytest.raises(ConfigError, match=r"another task \(reconstruction\) .* \(multiclass\)"):
        ensembles.evaluate([digits[0], other])
    with pytest.raises(ConfigError, match="mse is not defined for this task"):
        ensembles.evaluate(digits, metrics=["mse"])
    with pytest.raises(DataError, match="without train_dev rows"):
        ensembles.evaluate(digits, "train_dev")
