"""What codes are worth: beside `dlx probe` and a loop by hand, together, stopped and refused."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from dlx import api
from dlx.errors import ConfigError, DataError
from dlx.models.plain import to_torch
from dlx.training.job import Job
from dlx.training.probing import OUTPUT
from dlx.training.records import Outcome
from dlx.training.trainer import Trainer
from tests.cohorts import Recorder
from tests.guarded import LEARNING, TOGETHER
from tests.plain_loop import order

pytestmark = pytest.mark.usefixtures("one_thread")

ADAM = {"name": "adam", "lr": 0.01}
BASE: dict[str, Any] = {
    # With stop rows for all, so that runs that watch them have as many dev rows.
    "data": {"name": "digits", "scale": True, "limit": 300, "split": {"stop": 0.5}},
    "model": {"name": "autoencoder", "encoder": [24, 12]},
    "train": {"epochs": 2, "batch_size": 50},
    "probe": {"labels": 100, "fine_tune": {"steps": 30, "batch_size": 30, "optimizer": ADAM}},
}


def job(**changes: Any) -> Job:
    return api.prepare(BASE | changes)


def ended(trainer: Trainer) -> dict[str, Outcome]:
    listener = Recorder()
    trainer.fit(listener)
    return listener.outcomes


def one(ready: Job) -> Outcome:
    [outcome] = ended(Job.trainer([ready], is_new=True)).values()
    return outcome


def test_the_probe_is_that_of_dlx_probe_at_the_run_s_seed(tmp_path: Path) -> None:
    run = api.train(BASE, ["seed=1"], runs_dir=tmp_path)
    for split in ("dev", "test"):
        found = api.probe([run], split=split, labels=100, seeds=2).runs[0].scores["codes"]
        assert run.metrics[split]["probe_accuracy"] == found["logistic_regression"][1]
    assert "probe_accuracy" not in run.metrics["train"]
    assert "probe_accuracy" not in run.history[-1]["dev"], "it is no curve"


def test_fine_tuning_is_that_of_a_loop_by_hand() -> None:
    ready = job()
    probing = ready.probing
    assert probing is not None
    outcome = one(ready)
    trainer = Job.trainer([ready], is_new=True)  # for the initial weights of a new output layer
    drawn = torch.nn.Sequential(*to_torch(probing.design, _started(ready, outcome))[:-1]).train()
    rows = torch.from_numpy(probing.rows(0))
    x, y = probing.splits.train.inputs[rows], probing.splits.train.targets[rows]
    optimizer = torch.optim.Adam(drawn.parameters(), lr=0.01)
    for step in range(30):
        epoch, batch = divmod(step, 4)
        index = order(0, epoch, 100)[30 * batch : 30 * batch + 30]
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(drawn(x[index]), y[index]).backward()
        optimizer.step()
    assert trainer.members[0].seed == 0
    for part in ("dev", "test"):
        its = probing.splits.part(part)
        right = (drawn(its.inputs).argmax(1) == its.targets).double().mean().item()
        found = outcome.metrics[part]
        assert found["fine_tuned_accuracy"] == pytest.approx(right, abs=1.5 / len(its.targets))
        assert found["fine_tuned_accuracy"] + found["fine_tuned_error"] == pytest.approx(1)
        assert found["fine_tuned_accuracy"] > 0.3, "it has learned"


def _started(ready: Job, outcome: Outcome) -> dict[str, torch.Tensor]:
    """Return the scored encoder and a new output layer, as initial weights are drawn."""
    from dlx.nn.network import Network

    assert ready.probing is not None
    network = Network([ready.probing.design.layers], [0])
    network.buffer.initialize()
    new = network.run_state(0)
    return {k: v if k.startswith(OUTPUT) else outcome.state[k] for k, v in new.items()}


VARIANTS: list[dict[str, Any]] = [
    {},
    {"seed": 1},
    {"seed": 3, "optimizer": {"name": "momentum", "lr": 0.1}},
    {"model": {"name": "autoencoder", "encoder": [24, 12], "k_sparse": 3, "dropout": 0.2}},
    {"model": {"name": "autoencoder", "encoder": [24, 12], "batch_norm": True}},
    {"model": {"name": "autoencoder", "encoder": [24, 12], "corruption": "masking"}},
    {"probe": {"labels": 100, "layer": 1, "fine_tune": {"steps": 20, "batch_size": 30}}},
    {"probe": {"labels": 100, "fine_tune": {"steps": 9, "optimizer": "sgd"}}},
    {"probe": {"labels": 90}},
    {"probe": None},
    {"train": {"epochs": 1, "batch_size": 50}},
    {"train": {"epochs": 4, "batch_size": 50, "early_stopping": {"patience": 1}}},
]
OTHERS: list[dict[str, Any]] = [
    {"model": {"name": "autoencoder", "encoder": [24, 6], "variational": {"beta": 0.1}}},
    {"model": {"name": "autoencoder", "encoder": [24], "contractive": 0.1, "sparsity": "l1"}},
    {"model": {"name": "rbm", "hidden": 20}},
    {"model": {"name": "rbm", "hidden": 20, "persistent": True}},
    {"model": {"hidden": [20, 10]}},
    {"model": {"hidden": [20], "init": "lsuv"}},
    {"model": {"hidden": [{"name": "residual", "layers": [64]}, 10], "activation": "tanh"}},
    {"model": {"name": "recurrent", "hidden": [12]}},
]


def named(variants: Sequence[dict[str, Any]]) -> list[Job]:
    return [job(name=f"run{place}", **each) for place, each in enumerate(variants)]


@pytest.mark.slow(*TOGETHER)
def test_runs_are_worth_the_same_alone_and_together() -> None:
    jobs = named(VARIANTS)
    together = ended(Job.trainer(jobs, is_new=True))
    for ready in jobs:
        found, expected = together[ready.member.name], one(ready)
        assert repr(found.metrics) == repr(expected.metrics)
        assert all(found.state[name].equal(value) for name, value in expected.state.items())
    assert "probe_accuracy" not in together["run9"].metrics["dev"]
    assert "fine_tuned_error" not in together["run8"].metrics["dev"]


@pytest.mark.slow(*LEARNING)
def test_wrong_labels_are_learned_and_not_judged_by(tmp_path: Path) -> None:
    """Runs of one cohort whose labelled rows have other labels, beside each of them alone."""
    config = BASE | {"name": "noisy", "train": {"epochs": 1, "batch_size": 50}}
    varied = ["data.label_noise=0,0.9"]
    together = api.ablate(config, varied=varied, seeds=2, runs_dir=tmp_path / "together")
    assert together.info["cohorts"] == 1
    worth: dict[float, list[float]] = {0.0: [], 0.9: []}
    for run in together.runs:
        alone = api.train(run.path / "config.yaml", runs_dir=tmp_path / "alone")
        assert run.metrics == alone.metrics
        dev = run.metrics["dev"]
        assert {"probe_accuracy", "fine_tuned_accuracy"} <= dev.keys()
        worth[alone.config.data.label_noise] += [dev["probe_accuracy"], dev["fine_tuned_accuracy"]]
    assert [len(each) for each in worth.values()] == [4, 4]
    assert max(worth[0.9]) < 0.5 < min(worth[0.0])


@pytest.mark.parametrize("changes", OTHERS, ids=lambda each: str(list(each["model"].items())[:2]))
def test_codes_of_every_model_have_a_worth(changes: dict[str, Any]) -> None:
    ready = job(**changes)
    outcome = one(ready)
    assert set(outcome.metrics["test"]) - set(ready.member.measured) == {
        "probe_accuracy",
        "fine_tuned_accuracy",
        "fine_tuned_error",
    }
    assert 0.2 < outcome.metrics["dev"]["probe_accuracy"] <= 1
    # Nothing of a run changes for being asked.
    assert all(
        one(job(**changes, probe=None)).state[name].equal(value)
        for name, value in outcome.state.items()
    )


def test_two_classes_are_told_apart_too() -> None:
    found = one(job(data="breast_cancer")).metrics["test"]
    assert found["probe_accuracy"] > 0.85
    assert found["fine_tuned_accuracy"] > 0.8


def test_what_starts_by_lsuv_is_not_scaled_again() -> None:
    long = {"labels": 100, "fine_tune": {"steps": 1, "optimizer": {"name": "sgd", "lr": 1e-9}}}
    model = {"hidden": [20], "init": "lsuv"}
    data = BASE["data"] | {"standardize": True, "scale": False}
    ready = job(model=model, data=data, probe=long, train={"epochs": 30, "batch_size": 50})
    outcome = one(ready)
    probing = ready.probing
    assert probing is not None
    network = to_torch(probing.design, _started(ready, outcome))
    dev = probing.splits.part("dev")
    right = (network(dev.inputs).argmax(1) == dev.targets).double().mean().item()
    assert outcome.metrics["dev"]["fine_tuned_accuracy"] == pytest.approx(right, abs=1e-9)


def test_a_network_that_diverges_when_it_is_fine_tuned_has_no_such_accuracy() -> None:
    wild = {"steps": 30, "batch_size": 30, "optimizer": {"name": "sgd", "lr": 1e30}}
    jobs = named([{}, {"probe": {"labels": 100, "fine_tune": wild}}, {"seed": 2}])
    found = ended(Job.trainer(jobs, is_new=True))
    lost = found["run1"]
    assert lost.status == "completed"
    assert "fine_tuned_error" not in lost.metrics["dev"]
    assert lost.metrics["dev"]["probe_accuracy"] == one(jobs[0]).metrics["dev"]["probe_accuracy"]
    for place in (0, 2):
        assert repr(found[f"run{place}"].metrics) == repr(one(jobs[place]).metrics)


@pytest.mark.parametrize("asked", [1, 2, 20], ids=["before", "between", "in fine-tuning"])
def test_stopped_at_its_end_and_resumed_a_run_is_worth_the_same(asked: int) -> None:
    jobs = named([{}, {"seed": 1}, {"train": {"epochs": 1, "batch_size": 50}}])
    expected = ended(Job.trainer(jobs, is_new=True))
    trainer, listener = Job.trainer(jobs, is_new=True), Recorder()
    calls = 0

    def stop() -> bool:
        nonlocal calls
        calls += trainer.step == jobs[0].member.num_steps
        return calls >= asked

    trainer.fit(listener, stop)
    assert len(listener.outcomes) == 1, "two runs have not ended"
    tensors, state = trainer.snapshot()
    copies = {name: value.clone() for name, value in tensors.items()}
    resumed = Job.trainer(jobs, is_new=False)
    resumed.restore(copies, state)
    resumed.fit(listener)
    assert {k: repr(v.metrics) for k, v in listener.outcomes.items()} == {
        k: repr(v.metrics) for k, v in expected.items()
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"probe": {"labels": 301}}, r"probe.labels: received 301, but there are 300 training"),
        ({"data": "diabetes"}, r"probe: the targets of diabetes are numbers, but codes are judged"),
        (
            {"data": {"name": "digits", "split": {"dev": 0, "test": 0}}},
            r"probe: digits was split without dev and test rows.*give data.split some",
        ),
        ({"model": {"hidden": []}}, r"probe: the network has no hidden layer.*add one, or leave"),
        ({"probe": {"layer": "7"}}, r"probe.layer: received 7 \(allowed: 1, 2, code, 3\)"),
        (
            {"probe": {"labels": 100, "fine_tune": {"batch_size": 101}}},
            r"probe.fine_tune.batch_size: received 101, but there are 100 labelled rows; lower it",
        ),
        (
            {"probe": {"labels": 100, "fine_tune": {"optimizer": "lbfgs"}}},
            r"probe.fine_tune.optimizer: lbfgs trains one network at a time.*use another one",
        ),
        (
            {
                "probe": {"labels": 91, "fine_tune": {"batch_size": 30}},
                "model": {"name": "autoencoder", "encoder": [24, 12], "batch_norm": True},
            },
            r"probe.fine_tune.batch_size: with 91 labelled rows, batches of 30 leave one row alone",
        ),
    ],
)
def test_what_cannot_be_asked_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        job(**changes)


def test_a_class_with_too_few_labelled_rows_is_refused() -> None:
    with pytest.raises(DataError, match=r"a probe needs 2 of each class: raise probe.labels, or"):
        job(probe={"labels": 15})


def test_labels_default_to_half_of_few_rows() -> None:
    ready = job(probe={})
    assert ready.probing is not None
    assert (ready.probing.labels, len(ready.probing.rows(3))) == (150, 150)
