"""Schedules against torch.optim.lr_scheduler, and their composition with a warm-up."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler

from dlx import registry
from dlx.config.types import choice
from dlx.training.schedules import Rates
from tests.cohorts import SCHEDULES, design, member, rows, task, train

NUM_STEPS = 40
REFERENCES: dict[str, tuple[dict[str, Any], Callable[[Any], lr_scheduler.LRScheduler]]] = {
    "constant": ({}, lambda o: lr_scheduler.ConstantLR(o, factor=1.0)),
    "step": ({"every": 7, "gamma": 0.3}, lambda o: lr_scheduler.StepLR(o, step_size=7, gamma=0.3)),
    "exponential": ({"gamma": 0.9}, lambda o: lr_scheduler.ExponentialLR(o, gamma=0.9)),
    "cosine": (
        {"final": 0.1},
        lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=NUM_STEPS, eta_min=0.1),
    ),
    "inverse_sqrt": (
        {"timescale": 5},
        lambda o: lr_scheduler.LambdaLR(o, lambda step: (5 / (5 + step)) ** 0.5),
    ),
    "one_cycle": (
        {"peak": 0.25, "initial": 0.1, "final": 0.001, "momentum": None},
        lambda o: lr_scheduler.OneCycleLR(
            o,
            max_lr=1.0,
            total_steps=NUM_STEPS,
            pct_start=0.25,
            div_factor=10,
            final_div_factor=100,
            cycle_momentum=False,
        ),
    ),
    # What it does to a run whose metric it sees is in test_plateau.py.
    "reduce_on_plateau": (
        {
            "metric": "dev.cost",
            "factor": 0.5,
            "patience": 1,
            "threshold": 0.1,
            "cooldown": 1,
            "final": 0.1,
        },
        lambda o: lr_scheduler.ConstantLR(o, factor=1.0),
    ),
}


def torch_factors(make: Callable[[Any], lr_scheduler.LRScheduler], steps: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = make(optimizer)
    factors = []
    for _ in range(steps):
        factors.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return factors


def factors(name: str, num_steps: int = NUM_STEPS, **options: Any) -> list[float]:
    optimizer = choice("optimizer", "sgd", schedule={"name": name, **options})
    rates = Rates([(optimizer, num_steps)], [None])
    return [rates(step)[0] for step in range(num_steps)]


def test_every_schedule_has_a_reference_here() -> None:
    assert set(REFERENCES) == set(SCHEDULES)


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_factors_are_torchs(name: str) -> None:
    options, make = REFERENCES[name]
    assert set(options) | {"warmup"} == set(registry.get("schedule", name).options)
    expected = torch_factors(make, NUM_STEPS)
    assert factors(name, **options) == pytest.approx(expected, rel=1e-9)


def test_a_constant_rate_after_a_warm_up_is_torchs() -> None:
    expected = torch_factors(
        lambda o: lr_scheduler.LinearLR(o, start_factor=1 / 8, end_factor=1.0, total_iters=7),
        NUM_STEPS,
    )
    assert factors("constant", warmup=8) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_warm_up_goes_before_and_shortens_the_rest(name: str) -> None:
    options, _ = REFERENCES[name]
    warmed = factors(name, warmup=10, **options)
    assert warmed[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert warmed[10:] == factors(name, NUM_STEPS - 10, **options)


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_warm_up_longer_than_the_run_is_all_there_is(name: str) -> None:
    assert factors(name, warmup=80) == [(step + 1) / 80 for step in range(NUM_STEPS)]


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_of_no_steps_has_a_rate(name: str) -> None:
    (rate,) = Rates([(choice("optimizer", "sgd", schedule=name), 0)], [None])(0)
    assert rate > 0


def test_the_warm_up_is_documented_as_an_option() -> None:
    for name in SCHEDULES:
        options = registry.get("schedule", name).options
        assert options["warmup"].default == 0
        assert options["warmup"].description.startswith("steps over which the rate first rises")
        assert all(option.description for option in options.values())


def test_rates_of_slabs_follow_each_ones_schedule_and_length() -> None:
    cosine = choice("optimizer", "sgd", schedule="cosine")
    plain = choice("optimizer", "sgd")
    rates = Rates([(cosine, 10), (plain, 10), (cosine, 20)], [None] * 3)
    assert not rates.constant
    assert rates(5) == [factors("cosine", 10)[5], 1.0, factors("cosine", 20)[5]]
    assert Rates([(plain, 10), (plain, 20)], [None] * 2).constant
    warmed = choice("optimizer", "sgd", schedule={"name": "constant", "warmup": 5})
    assert not Rates([(warmed, 10)], [None]).constant


@pytest.mark.parametrize("num_steps", range(1, 12))
@pytest.mark.parametrize("peak", [0.01, 0.3, 0.99])
def test_a_cycle_of_few_steps_is_torchs_where_torch_has_one(num_steps: int, peak: float) -> None:
    result = factors("one_cycle", num_steps, peak=peak)
    assert len(result) == num_steps
    assert all(0 < factor <= 1 for factor in result)
    if peak * num_steps > 1 and num_steps > 2:
        expected = torch_factors(
            lambda o: lr_scheduler.OneCycleLR(
                o, max_lr=1.0, total_steps=num_steps, pct_start=peak, cycle_momentum=False
            ),
            num_steps,
        )
        assert result == pytest.approx(expected, rel=1e-9)


def test_the_schedule_of_the_first_transformers() -> None:
    # lr = d^-0.5 min(s^-0.5, s w^-1.5), with steps s from 1; relative to the peak at s = w.
    warmed = factors("inverse_sqrt", timescale=10, warmup=10)
    assert warmed[:10] == pytest.approx([step / 10 for step in range(1, 11)])
    assert warmed[10:] == pytest.approx([(10 / step) ** 0.5 for step in range(10, NUM_STEPS)])


@pytest.mark.parametrize("name", ["momentum", "nesterov", "adam", "lion", "muon"])
@pytest.mark.parametrize(("num_steps", "peak"), [(NUM_STEPS, 0.3), (7, 0.5), (11, 0.25)])
def test_the_cycled_momentum_is_torchs(name: str, num_steps: int, peak: float) -> None:
    cycle = {"name": "one_cycle", "peak": peak, "momentum": [0.8, 0.95]}
    rates = Rates([(choice("optimizer", name, schedule=cycle), num_steps)], [None])
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0, momentum=0.5)
    scheduler = lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=1.0,
        total_steps=num_steps,
        pct_start=peak,
        base_momentum=0.8,
        max_momentum=0.95,
    )
    for step in range(num_steps):
        assert rates.momenta(step) == [pytest.approx(optimizer.param_groups[0]["momentum"])]
        optimizer.step()
        scheduler.step()


def test_momentum_is_high_while_the_rate_warms_up_and_left_alone_elsewhere() -> None:
    cycle = {"name": "one_cycle", "warmup": 5, "momentum": [0.8, 0.95]}
    cycled, plain = (choice("optimizer", "adam", schedule=s) for s in (cycle, "one_cycle"))
    rates = Rates([(cycled, NUM_STEPS), (plain, NUM_STEPS)], [None] * 2)
    assert [rates.momenta(step) for step in range(6)] == [[0.95, None]] * 6
    assert min(rates.momenta(step)[0] or 1 for step in range(NUM_STEPS)) < 0.81


def test_a_cycled_momentum_is_logged_for_the_runs_that_have_one() -> None:
    what = task(5, 3)
    inputs, targets = rows(what)
    cycle = {"name": "one_cycle", "momentum": [0.8, 0.95]}
    members = [
        member(name, design(what), "momentum", schedule=schedule, num_steps=6, evaluate_every=3)
        for name, schedule in (("cycled", cycle), ("plain", "one_cycle"))
    ]
    records = train(members, inputs, targets).records
    logged = [record.metrics["train"].get("optimizer/momentum") for record in records["cycled"]]
    rates = Rates([(members[0].optimizer, 6)], [None])
    assert logged == [None, *rates.momenta(2), *rates.momenta(5)]
    assert all(r.metrics["train"].get("optimizer/momentum") is None for r in records["plain"])
