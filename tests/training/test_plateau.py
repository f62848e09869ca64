"""Reducing the rate on a plateau, against torch's, and in a cohort."""

import itertools
import json
import random
from dataclasses import asdict
from typing import Any

import pytest
import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from dlx.cohort import Member
from dlx.config.types import choice
from dlx.training.watching import Plateau, plateaus
from tests.cohorts import assert_same_run, design, member, rows, task, train, trainer_of

pytestmark = pytest.mark.usefixtures("one_thread")


def watching(name: str, network: Any, **settings: Any) -> Member:
    """Return a run whose rate is halved at every evaluation without great progress."""
    schedule = {
        "name": "reduce_on_plateau",
        "metric": "dev.cost",
        "factor": 0.5,
        "patience": 0,
        "threshold": 0.2,
    }
    return member(name, network, "momentum", schedule=schedule, lr=0.1, **settings)


@pytest.mark.parametrize("metric", ["dev.cost", "dev.accuracy"])
@pytest.mark.parametrize(
    ("patience", "threshold", "cooldown"), [(0, 0.0, 0), (2, 0.05, 0), (1, 0.1, 3), (10, 1e-4, 0)]
)
@pytest.mark.parametrize("seed", range(3))
def test_the_rates_are_torchs(
    metric: str, patience: int, threshold: float, cooldown: int, seed: int
) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    reference = ReduceLROnPlateau(
        optimizer,
        mode="max" if metric.endswith("accuracy") else "min",
        factor=0.7,
        patience=patience,
        threshold=threshold,
        cooldown=cooldown,
        min_lr=0.02,
    )
    plateau = Plateau(metric, 0.7, patience, threshold, cooldown, final=0.02)
    draw = random.Random(seed)
    for _ in range(60):
        value = float("nan") if draw.random() < 0.05 else draw.random()
        plateau.update(value)
        reference.step(value)
        assert plateau.share == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
    assert plateau.share < 1
    assert Plateau(**json.loads(json.dumps(asdict(plateau), allow_nan=False))) == plateau


def test_only_schedules_that_follow_a_metric_watch_one() -> None:
    network = design(task(5, 3))
    runs = [watching("a", network, seed=1), member("b", network)]
    first, second = plateaus(runs)
    assert first == Plateau("dev.cost", 0.5, 0, 0.2, 0, 0.0)
    assert second is None


def test_each_run_of_a_cohort_follows_its_own_metric() -> None:
    what = task(5, 3)
    inputs, targets = rows(what)
    network = design(what, activation="tanh")
    runs = [
        watching(str(seed), network, seed=seed, num_steps=30, evaluate_every=3) for seed in range(4)
    ]
    together = train(runs, inputs, targets)
    logged = {}
    for run in runs:
        assert_same_run(run.name, together, train([run], inputs, targets))
        records = together.records[run.name]
        (expected,) = plateaus([run])
        assert expected is not None
        for before, after in itertools.pairwise(records):
            expected.update(before.metrics["dev"]["cost"])
            assert after.metrics["train"]["optimizer/lr"] == 0.1 * expected.share
        logged[run.name] = [r.metrics["train"]["optimizer/lr"] for r in records[1:]]
    assert len({tuple(rates) for rates in logged.values()}) > 1
    assert all(rates[-1] < 0.1 for rates in logged.values())


def test_a_warm_up_goes_before() -> None:
    what = task(5, 3)
    schedule = {
        "name": "reduce_on_plateau",
        "metric": "dev.cost",
        "warmup": 4,
        "patience": 0,
        "threshold": 0.9,
    }
    run = member("run", design(what), "sgd", lr=1.0, schedule=schedule, evaluate_every=1)
    records = train([run], *rows(what)).records["run"][1:]
    rates = [record.metrics["train"]["optimizer/lr"] for record in records]
    # The first evaluation sets the mark, and each one after it lowers the rate to a tenth.
    assert rates == pytest.approx([min(n, 4) / 4 * 0.1 ** (n - 1) for n in range(1, 13)])


def test_runs_that_follow_a_metric_have_a_slab_each() -> None:
    network = design(task(5, 3))
    plain = [member(name, network, seed=seed) for seed, name in enumerate("ab")]
    following = [watching(name, network) for name in "cd"]
    trainer = trainer_of([*plain, *following], *rows(task(5, 3)))
    assert trainer.cohort.optimizer.first_rows == [0, 2, 3]


def test_a_schedule_that_follows_none() -> None:
    assert member("run", design(task(5, 3))).rate_metric is None
    assert choice("schedule", "reduce_on_plateau").arguments()["metric"] == "stop.cost"
