"""How long an ablation is said to take."""

from typing import Any

import pytest

from dlx import api
from dlx.ablation.estimate import seconds_of, seconds_per_step
from dlx.ablation.sizes import size_of
from dlx.training.job import Job

CONFIGS: dict[str, dict[str, Any]] = {
    "xor": {"data": "xor", "model": {"hidden": [10] * 9}, "train": {"batch_size": "all"}},
    "digits": {"data": "digits", "model": {"hidden": [64, 64]}, "train": {"batch_size": 64}},
}


def job(name: str, **train: Any) -> Job:
    config = CONFIGS[name]
    return api.prepare(config | {"train": config["train"] | {"epochs": None, "steps": 100} | train})


@pytest.mark.parametrize(
    ("name", "engine", "runs", "microseconds"),
    # Measured by benchmarks/run_axis.py and benchmarks/engine.py on two cores: a run-step, alone
    # and in large cohorts.
    [
        ("xor", "torch", 1, 475),
        ("xor", "torch", 512, 6.9),
        ("xor", "native", 64, 1.8),
        ("digits", "torch", 1, 446),
        ("digits", "torch", 256, 56.7),
        ("digits", "native", 1, 62),
        ("digits", "native", 64, 31),
    ],
)
def test_a_run_step_takes_about_what_was_measured(
    name: str, engine: str, runs: int, microseconds: float
) -> None:
    ready = job(name, engine=engine)
    estimate = 1e6 * seconds_per_step(ready, size_of(ready), runs) / runs
    assert microseconds / 1.4 < estimate < microseconds * 1.4


def test_steps_and_evaluations_are_counted() -> None:
    short = job("digits")
    size = size_of(short)
    ten, hundred = (
        seconds_of(api.prepare(short.config, [f"train.steps={n}", "log.every=10"]), size, 64)
        for n in (1_000, 10_000)
    )
    assert hundred == pytest.approx(10 * ten, rel=0.05)
    often = api.prepare(short.config, ["log.every=1"])
    rarely = api.prepare(short.config, ["log.every=50"])
    assert seconds_of(often, size, 64) > 1.5 * seconds_of(rarely, size, 64)


def test_the_range_is_said_and_nothing_is_trained() -> None:
    read = api.read_ablation(CONFIGS["xor"], varied=["optimizer.lr=0.1,0.2"], seeds=100)
    preview = api.preview_ablation(api.plan_ablation(read))
    low, high = preview["range"]
    assert low < preview["seconds"] < high
    assert preview["seconds"] < 20
