"""An ablation of autoencoders that is judged by what their codes are worth."""

import csv
from typing import Any

import pytest

from dlx import api
from dlx.errors import ConfigError
from dlx.report import board
from dlx.runs import RunDirectory
from tests.guarded import ABLATIONS
from tests.tracking.event_files import accumulate, scalars

pytestmark = pytest.mark.usefixtures("one_thread")

CONFIG: dict[str, Any] = {
    "name": "worth",
    "data": {"name": "digits", "scale": True, "limit": 200},
    "model": {"name": "autoencoder", "encoder": [10]},
    "train": {"epochs": 2, "batch_size": 50},
    "probe": {"labels": 60, "fine_tune": {"steps": 10, "batch_size": 30}},
    "ablation": {
        "vary": {"model.corruption": [None, "masking"]},
        "metric": "dev.probe_accuracy",
        "also": ["dev.fine_tuned_error"],
    },
}
WORTH = ("probe_accuracy", "fine_tuned_accuracy", "fine_tuned_error")


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> api.Ablation:
    return api.ablate(CONFIG, seeds=2, runs_dir=tmp_path_factory.mktemp("worth"))


@pytest.mark.slow(*ABLATIONS)
def test_variants_are_judged_by_it(ended: api.Ablation) -> None:
    assert ended.summary["metric"] == "dev.probe_accuracy"
    assert ended.summary["rising"] and ended.summary["margin"] == 0.005
    for variant in ended.summary["variants"]:
        found = variant["metrics"]["dev"]
        assert set(WORTH) <= set(found)
        values = found["probe_accuracy"]["values"]
        for seed, value in enumerate(values):
            run = api.load(ended.path / variant["name"] / f"seed={seed}")
            assert run.metrics["dev"]["probe_accuracy"] == value
            # What a variant varies plays no part in which rows have labels.
            probe = api.probe([run], labels=60, seeds=2).runs[0].scores["codes"]
            assert probe["logistic_regression"][seed] == value
    with (ended.path / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["dev.probe_accuracy"]) for row in rows[:2]] == ended.summary["variants"][0][
        "metrics"
    ]["dev"]["probe_accuracy"]["values"]
    assert not any(name.startswith("test.") for name in rows[0])


@pytest.mark.slow(*ABLATIONS)
def test_variants_are_judged_by_the_fine_tuned_error_too(ended: api.Ablation) -> None:
    found = ended.result()["also"]["dev.fine_tuned_error"]
    assert found["rising"] is False
    first, second = (
        each["metrics"]["dev"]["fine_tuned_error"]["values"] for each in ended.summary["variants"]
    )
    expected = sum(b - a for a, b in zip(first, second, strict=True)) / len(first)
    versus = found["variants"]["corruption=masking"]["vs_baseline"]
    assert versus["difference"] == pytest.approx(expected)
    assert found["variants"]["corruption=null"]["vs_baseline"] is None


def test_tensorboard_shows_it_at_the_last_step(ended: api.Ablation) -> None:
    board.derive(ended.path)
    folder = ended.path / "corruption=masking" / "seed=1"
    expected = api.load(folder).metrics["dev"]
    for tag in WORTH:
        steps, values = scalars(folder / "dev", tag)
        assert steps == [8] and values == pytest.approx([expected[tag]])
    config = api.run_config(ended.path, "corruption=masking", 1)
    alone = api.train(config, runs_dir=ended.path.parent)
    assert alone.metrics["dev"] == expected
    for part in ("dev", "test"):
        steps, values = scalars(alone.path / part, "probe_accuracy")
        assert (steps, values) == ([8], pytest.approx([alone.metrics[part]["probe_accuracy"]]))
    assert "probe_accuracy" not in accumulate(alone.path / "train").Tags()["scalars"]


def test_a_run_alone_is_worth_the_same_and_another_value_is_told(ended: api.Ablation) -> None:
    assert all(each["identical"] for each in api.verify(ended.path, 4)["verified"])
    run = RunDirectory(api.load(f"{ended.path}/corruption=null@0").path)
    metrics = run.read_info()["metrics"]
    fine_tuned = metrics["test"]["fine_tuned_error"]
    metrics["test"]["fine_tuned_error"] = fine_tuned / 2
    run.write_info(metrics=metrics)
    [found] = api.verify(run.path)["verified"]
    metrics["test"]["fine_tuned_error"] = fine_tuned
    run.write_info(metrics=metrics)
    assert (found["identical"], found["parted"], found["weights"]) == (False, 8, 0.0)
    assert found["metrics"] == pytest.approx(0.5)


@pytest.mark.slow(*ABLATIONS)
def test_seeds_are_added_and_ended_runs_kept(ended: api.Ablation) -> None:
    before = ended.summary["variants"][1]["metrics"]["dev"]["probe_accuracy"]["values"]
    more = api.resume_ablation(ended.path, seeds="3")
    after = more.summary["variants"][1]["metrics"]["dev"]["probe_accuracy"]["values"]
    assert len(after) == 3 and after[:2] == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("probe=null", r"ablation.success.dev.fine_tuned_error: received"),
        ("probe.fine_tune=null", r"ablation.success.dev.fine_tuned_error: received"),
        (
            "ablation.steps_to={dev.probe_accuracy: 0.5}",
            r"ablation.steps_to.dev.probe_accuracy: received dev.probe_accuracy",
        ),
        (
            "ablation.also=[dev.probe_accuracy]",
            r"ablation.also.0: received dev.probe_accuracy, which is judged anyway",
        ),
        (
            "ablation.also=[test.cost]",
            r"ablation.also.0: received test.cost, but nothing is judged",
        ),
        ("ablation.metric=test.probe_accuracy", r"nothing is judged by test rows"),
        (
            "ablation.also=[dev.free_energy]",
            r"ablation.also.0: .* free energies of different machines .*; use dev.cost or",
        ),
        ("probe.labels=201", r"variant 'corruption=null': probe.labels: received 201"),
    ],
)
def test_what_is_not_measured_cannot_be_judged(change: str, message: str) -> None:
    changes = [change, "ablation.success={dev.fine_tuned_error: 0.5}"]
    with pytest.raises(ConfigError, match=message):
        api.plan_ablation(api.read_ablation(CONFIG, changes))
