"""Metrics of a config's choice, wherever a run's metrics are shown."""

import json
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.cli.conftest import Command, only_run


def test_chosen_metrics_go_wherever_metrics_go(dlx: Command) -> None:
    ended = dlx("train", "breast_cancer", "train.epochs=2", "log.level=minimal", "--json")
    assert ended.code == 0
    final = ended.json["metrics"]
    assert {tuple(values) for values in final.values()} == {("cost", "accuracy", "f1", "auc")}
    assert "f1 0." in ended.err and "auc 0." in ended.err
    path = only_run(Path("runs"))
    last = json.loads((path / "metrics.jsonl").read_text().splitlines()[-1])
    assert list(last["dev"]) == ["cost", "accuracy", "f1", "auc"]
    events = EventAccumulator(str(path / "dev"))
    events.Reload()
    assert set(events.Tags()["scalars"]) == {"cost", "accuracy", "f1", "auc"}
    assert "0.9" in dlx("evaluate", "breast_cancer", "--split", "test").out


def test_a_metric_may_stop_the_run_early(dlx: Command) -> None:
    stopping = "train.early_stopping={metric: dev.f1, patience: 2}"
    ended = dlx("train", "iris", "log.metrics=[f1]", stopping, "train.epochs=200", "--json", "-q")
    assert ended.json["status"] == "stopped_early"
    path = only_run(Path("runs"))
    lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    f1 = [line["stop"]["f1"] for line in lines]  # stop rows are watched in place of dev rows
    assert ended.json["metrics"]["stop"]["f1"] == max(f1)  # the largest, not the smallest
    assert lines[-3]["stop"]["f1"] == max(f1)
    refused = dlx("train", "iris", "log.metrics=[f1]", stopping.replace("dev.f1", "dev.auc"))
    assert refused.code == 2
    assert (
        "train.early_stopping.metric: received dev.auc; allowed: train.cost, train.f1, stop.cost"
        in (refused.err)
    )


def test_runs_are_listed_by_accuracy_or_the_first_metric(dlx: Command) -> None:
    dlx("train", "iris", "train.steps=2", "log.metrics=[f1, accuracy]", "name=both", "-q")
    dlx("train", "iris", "train.steps=2", "log.metrics=[auc]", "name=area", "-q")
    area, both = dlx("runs").out.splitlines()[1:]
    assert area.split()[4] == "auc"
    assert both.split()[5] == "%"


def test_evaluate_by_other_metrics(dlx: Command, trained: Path) -> None:
    metrics = ["--metric", "f1", "--metric", "{name: top_k, k: 2}"]
    ended = dlx("evaluate", "digits", *metrics, "--json", "--runs-dir", trained)
    assert list(ended.json["metrics"]["test"]) == ["cost", "f1", "top_2"]
    shown = dlx("evaluate", "digits", *metrics, "--runs-dir", trained).out
    assert f"{100 * ended.json['metrics']['test']['top_2']:.2f} %" in shown


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("f2", r"log.metrics[0]: received 'f2' (allowed: accuracy, error, top_k"),
        ("mse", "log.metrics: mse is not defined for this task, which is multiclass; allowed: acc"),
        ("{name: top_k, k: 0}", "k: received 0 (allowed: an integer > 0)"),
        ("{name: top_k, k: 10}", "received k 10, but with 10 classes"),
    ],
)
def test_metrics_that_cannot_be_had(metric: str, message: str, dlx: Command, trained: Path) -> None:
    ended = dlx("evaluate", "digits", "--metric", metric, "--runs-dir", trained)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err
    ended = dlx("train", "digits", f"log.metrics=[{metric}]")
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err


def test_numbers_are_measured_by_mse_and_r2(dlx: Command, tmp_path: Path) -> None:
    (tmp_path / "line.yaml").write_text(
        "data: {name: regression, targets: 2}\ntrain: {epochs: 2}\n"
    )
    ended = dlx("train", "line.yaml", "--json", "-q")
    assert list(ended.json["metrics"]["test"]) == ["cost", "mse", "r2"]
    assert "mse" in dlx("runs").out
