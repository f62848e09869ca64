"""Averages of weights against their formula and torch's, and what takes their place when."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from dlx import registry
from dlx.cohort import Cohort, Member
from dlx.models.plain import from_torch, to_torch
from dlx.tracking.evaluations import Evaluation
from dlx.training.evaluation import evaluate
from dlx.training.trainer import Trainer
from tests.cohorts import (
    AVERAGES,
    Recorder,
    assert_same_bits,
    assert_same_run,
    design,
    member,
    rows,
    task,
    train,
    trainer_of,
)

pytestmark = pytest.mark.usefixtures("one_thread")

WHAT = task(5, 3)
STEPS = 12


class Watcher(Recorder):
    """Keeps a run's own weights and statistics after every step, and what is there when logged."""

    def __init__(self) -> None:
        super().__init__()
        self.states: list[dict[str, Tensor]] = []
        self.evaluated_states: list[dict[str, Tensor]] = []

    def advanced(self, trainer: Trainer) -> None:
        self.states.append(self._state(trainer.cohort))

    def evaluated(self, trainer: Trainer, evaluation: Evaluation) -> None:
        self.evaluated_states.append(self._state(trainer.cohort))
        super().evaluated(trainer, evaluation)

    @staticmethod
    def _state(cohort: Cohort) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in cohort.network.run_state(0).items()}


def averaging(name: str = "run", average: dict[str, Any] | None = None, **options: Any) -> Member:
    network = design(WHAT, batch_norm=True)
    settings: dict[str, Any] = {"num_steps": STEPS, "lr": 0.1, **options}
    return member(name, network, "momentum", average=average, **settings)


def watched(run: Member) -> Watcher:
    watcher = Watcher()
    trainer_of([run], *rows(WHAT, 40, torch.float64), dtype=torch.float64).fit(watcher)
    return watcher


def assert_close(actual: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert set(actual) == set(expected)
    for name, value in actual.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-10, atol=1e-12, msg=name)


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.99])
def test_the_exponential_average_is_its_formula(decay: float) -> None:
    watcher = watched(averaging(average={"name": "ema", "decay": decay}))
    factors = [decay ** (STEPS - step) for step in range(1, STEPS + 1)]
    expected = {
        name: sum(f * s[name] for f, s in zip(factors, watcher.states, strict=True)) / sum(factors)
        for name in watcher.states[0]
    }
    assert_close(watcher.ended_runs["run"].outcome.state, expected)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("start", "every", "steps"),
    [(0.5, 2, [6, 8, 10, 12]), (0.4, 3, [5, 8, 11]), (0.0, 5, [1, 6, 11]), (1.0, 1, [12])],
)
def test_the_plain_average_is_torchs(start: float, every: int, steps: list[int]) -> None:
    run = averaging(average={"name": "swa", "start": start, "every": every})
    watcher = watched(run)
    models = []
    for state in watcher.states:
        models.append(to_torch(run.design, state))
    averaged = AveragedModel(copy.deepcopy(models[0]), use_buffers=True)
    for step in steps:
        averaged.update_parameters(models[step - 1])
    expected = from_torch(run.design, averaged.module.state_dict())
    assert_close(watcher.ended_runs["run"].outcome.state, expected)


@pytest.mark.parametrize("average", AVERAGES)
def test_averages_are_what_is_evaluated_and_training_does_not_notice(
    average: dict[str, Any],
) -> None:
    options: dict[str, Any] = {"evaluate_every": 3}
    watcher, without = watched(averaging(average=average, **options)), watched(averaging(**options))
    for state, other in zip(watcher.states, without.states, strict=True):
        assert_same_bits(state, other)
    assert_same_bits(watcher.evaluated_states[0], without.evaluated_states[0])
    outcome = watcher.ended_runs["run"].outcome
    assert_same_bits(outcome.state, watcher.evaluated_states[-1])
    assert not torch.equal(outcome.state["1.weight"], watcher.states[-1]["1.weight"])
    assert not torch.equal(outcome.state["1.running_mean"], watcher.states[-1]["1.running_mean"])
    trainer = trainer_of([averaging()], *rows(WHAT, 40, torch.float64), dtype=torch.float64)
    trainer.cohort.network.load_run(0, outcome.state)
    scores = evaluate(trainer.cohort, *trainer.splits["dev"])
    assert outcome.metrics["dev"] == {name: values[0] for name, values in scores.items()}
    assert watcher.records["run"][-1].metrics["dev"] == outcome.metrics["dev"]


@pytest.mark.parametrize("average", AVERAGES)
def test_the_best_weights_are_averages(average: dict[str, Any]) -> None:
    run = averaging(average=average, lr=2.0, num_steps=30, evaluate_every=2, patience=2)
    watcher = watched(run)
    outcome = watcher.ended_runs["run"].outcome
    costs = [record.metrics["dev"]["cost"] for record in watcher.records["run"]]
    assert outcome.weights == "best"
    assert_same_bits(outcome.state, watcher.evaluated_states[costs.index(min(costs))])


def test_an_average_stays_when_others_leave_and_only_its_run_has_it() -> None:
    inputs, targets = rows(WHAT, 40)
    runs = [
        averaging("leaving", AVERAGES[0], num_steps=4),
        averaging("plain", seed=1),
        averaging("mean", AVERAGES[1], seed=2),
        averaging("moving", AVERAGES[0], seed=3),
    ]
    together = train(runs, inputs, targets)
    for run in runs:
        assert_same_run(run.name, together, train([run], inputs, targets))
    assert not any(name.startswith("average/") for name in together.ended_runs["plain"].tensors)
    names = {name for name in together.ended_runs["mean"].tensors if name.startswith("average/")}
    assert names == {
        "average/parameters",
        *(f"average/{n}.running_{kind}" for n in (1, 2) for kind in ("mean", "variance")),
    }


def test_the_weights_come_back_when_evaluation_fails() -> None:
    trainer = trainer_of([averaging(average=AVERAGES[0])], *rows(WHAT, 40))
    trainer.fit(Recorder(), stop=lambda: trainer.step == 7)
    before = {name: value.clone() for name, value in trainer.cohort.tensors().items()}
    with pytest.raises(OSError, match="full"), trainer.cohort.averages.in_place():
        raise OSError("full")
    assert_same_bits(trainer.cohort.tensors(), before)


@pytest.mark.parametrize("name", registry.names("average"))
def test_shares_are_shares(name: str) -> None:
    function = registry.get("average", name).function
    shares = [function(step, 400) for step in range(1, 401)]
    assert shares[0] == 1
    assert all(0 <= share <= 1 for share in shares)
