"""A run that ends, stops early or diverges leaves the cohort, and no survivor notices."""

import math

import pytest
import torch

from dlx import registry
from dlx.cohort import Member
from dlx.data.dataset import Task
from dlx.training.evaluation import evaluate
from dlx.training.trainer import Trainer
from tests.cohorts import (
    OPTIMIZERS,
    Recorder,
    assert_same_run,
    design,
    member,
    rows,
    task,
    train,
    trainer_of,
)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("place", [0, 1, 3])
def test_no_survivor_changes_when_a_run_leaves(optimizer: str, place: int) -> None:
    what = task(5, 3)
    inputs, targets = rows(what)
    network = design(what, activation="prelu", dropout=0.2, batch_norm=True)
    # Of the same slab: neighbours whose settings agree.
    staying = [member(str(seed), network, optimizer, seed=seed) for seed in range(3)]
    leaving = member("leaving", network, optimizer, seed=9, num_steps=4)
    cohort = [*staying[:place], leaving, *staying[place:]]
    together = train(cohort, inputs, targets)
    undisturbed = train(staying, inputs, targets)
    assert together.ended_runs["leaving"].outcome.step == 4
    for run in staying:
        assert together.ended_runs[run.name].outcome.step == 12
        assert_same_run(run.name, together, undisturbed)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_slabs_that_become_neighbours_keep_each_runs_state(optimizer: str) -> None:
    what = task(5, 3)
    inputs, targets = rows(what)
    other = "sgd" if optimizer != "sgd" else "adam"
    cohort = [
        member("first", design(what), optimizer, seed=1),
        member("between", design(what), other, seed=2, num_steps=4),
        member("second", design(what), optimizer, seed=3),
        member("third", design(what), optimizer, seed=4),
    ]
    together = train(cohort, inputs, targets)
    for run in cohort:
        assert_same_run(run.name, together, train([run], inputs, targets))


def test_parameters_that_only_the_leaving_run_had_go_with_it() -> None:
    what = task(5, 3)
    inputs, targets = rows(what)
    normalized = design(what, activation="prelu", batch_norm=True)
    cohort = [
        member("leaving", normalized, "adam", num_steps=4),
        member("staying", design(what, activation="tanh"), "adam"),
    ]
    together = train(cohort, inputs, targets)
    assert_same_run("staying", together, train(cohort[1:], inputs, targets))
    assert set(together.ended_runs["staying"].outcome.state) == {
        f"{layer}.{name}" for layer in (1, 2, 3) for name in ("weight", "bias")
    }


def test_early_stopping_leaves_after_its_patience_with_the_best_weights() -> None:
    what = task(5, 3)
    inputs, targets = rows(what)
    # A rate so high that the dev cost rises after a while.
    options = {"evaluate_every": 2, "num_steps": 60, "lr": 1.0}
    stopping = member("stopping", design(what, activation="tanh"), "sgd", patience=3, **options)
    going_on = member("going on", design(what, activation="tanh"), "sgd", seed=1, **options)
    together = train([stopping, going_on], inputs, targets)
    assert_same_run("going on", together, train([going_on], inputs, targets))
    assert_same_run("stopping", together, train([stopping], inputs, targets))

    outcome = together.ended_runs["stopping"].outcome
    costs = [record.metrics["dev"]["cost"] for record in together.records["stopping"]]
    best = costs.index(min(costs))
    assert outcome.status == "stopped_early"
    assert outcome.step == (best + 3) * 2 == (len(costs) - 1) * 2 < 60
    assert outcome.weights == "best"
    assert outcome.metrics["dev"]["cost"] == costs[best]
    trainer = trainer_of([stopping], inputs, targets)
    trainer.cohort.network.load_run(0, outcome.state)
    assert evaluate(trainer.cohort, *trainer.splits["dev"])["cost"] == [costs[best]]


def hot(what: Task, name: str = "hot", evaluate_every: int = 5) -> Member:
    return member(name, design(what), "sgd", lr=1e25, evaluate_every=evaluate_every)


def test_a_diverged_run_names_step_and_layer_and_the_others_go_on() -> None:
    what = task(5, 3)
    inputs, targets = rows(what)
    runs = [
        member("before", design(what), "adam", seed=1),
        hot(what),
        member("after", design(what), "adam", seed=2),
    ]
    together = train(runs, inputs, targets)
    for run in runs:
        assert_same_run(run.name, together, train([run], inputs, targets))
    outcome = together.ended_runs["hot"].outcome
    assert outcome.status == "diverged"
    assert outcome.state == {} and outcome.metrics == {}
    # The first step's update is what blows up the weights, and the second one's cost shows it.
    assert outcome.step == 1
    assert outcome.reason == (
        "the cost was not finite at step 1; layer 2 is the first with values that are not finite"
    )
    for name in ("before", "after"):
        assert together.ended_runs[name].outcome.status == "completed"
        assert all(map(math.isfinite, together.ended_runs[name].outcome.metrics["dev"].values()))


def test_a_survivor_of_a_divergence_is_logged_with_its_gradients_and_rate() -> None:
    what = task(5, 3)
    inputs, targets = rows(what)
    # The divergence falls into the step after which the survivor is evaluated.
    staying = member("staying", design(what), "adam", evaluate_every=2, schedule="cosine")
    together = train([staying, hot(what)], inputs, targets)
    assert together.ended_runs["hot"].outcome.step == 1
    record = together.records["staying"][1]
    assert record.step == 2
    squares = sum(float(g.square().sum()) for g in together.gradients["staying"][1].values())
    norms = [record.metrics["train"][f"gradient_norm/{layer}"] for layer in (1, 2, 3)]
    assert math.isclose(sum(norm**2 for norm in norms), squares, rel_tol=1e-5)
    assert squares > 0
    assert record.metrics["train"]["optimizer/lr"] == 1e-3 * (1 + math.cos(math.pi / 12)) / 2
    assert_same_run("staying", together, train([staying], inputs, targets))


def test_a_loss_that_overflows_is_named() -> None:
    what = Task("regression", 1, 1, None, (1,))
    run = member("run", design(what, [], init="constant"), "sgd")
    recorder = train([run], torch.full((4, 1), 1e25), torch.zeros(4, 1), 4)
    outcome = recorder.ended_runs["run"].outcome
    assert outcome.status == "diverged"
    assert outcome.step == 0
    assert outcome.reason == "the training cost was not finite after 0 steps; in the loss"

    # Not evaluated before the first step, as on resuming: then the step's own cost shows it.
    trainer = trainer_of([run], torch.full((4, 1), 1e25), torch.zeros(4, 1), 4)
    trainer._evaluated = 0
    trainer.fit(recorder)
    assert (
        recorder.ended_runs["run"].outcome.reason
        == "the cost was not finite at step 0; in the loss"
    )


@pytest.mark.parametrize("step", [0, 1])
def test_a_layer_that_overflows_is_named_by_an_evaluation_too(step: int) -> None:
    what = task(5, 3)
    inputs, targets = rows(what)
    inputs = inputs * 1e38 if step == 0 else inputs
    run = member("run", design(what), "sgd", lr=1e25, evaluate_every=1)
    outcome = train([run], inputs, targets).ended_runs["run"].outcome
    assert (outcome.status, outcome.step) == ("diverged", step)
    assert outcome.reason.startswith(f"the training cost was not finite after {step} steps; layer ")
    assert outcome.reason.endswith(" is the first with values that are not finite")


@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize("evaluate_every", [1, 2, 5])
def test_training_ends_when_all_runs_have_diverged(number: int, evaluate_every: int) -> None:
    class Checkpointing(Recorder):
        def advanced(self, trainer: Trainer) -> None:
            assert trainer.members  # there is somebody to save

    what = task(5, 3)
    inputs, targets = rows(what)
    runs = [hot(what, str(index), evaluate_every) for index in range(number)]
    trainer = trainer_of(runs, inputs, targets)
    recorder = Checkpointing()
    trainer.fit(recorder)
    assert len(recorder.ended_runs) == number
    assert trainer.members == ()
    assert {ended.outcome.status for ended in recorder.ended_runs.values()} == {"diverged"}


def test_stop_ends_training_between_two_steps() -> None:
    what = task(5, 3)
    inputs, targets = rows(what)
    run = member("run", design(what))
    trainer = trainer_of([run], inputs, targets)
    recorder = Recorder()
    trainer.fit(recorder, stop=lambda: trainer.step == 7)
    assert trainer.step == 7
    assert recorder.ended_runs == {}
    trainer.fit(recorder)
    assert_same_run("run", recorder, train([run], inputs, targets))


def test_every_schedule_has_its_rate_logged() -> None:
    what = task(5, 3)
    inputs, targets = rows(what)
    for name in registry.names("schedule"):
        schedule = {"name": name, "metric": "dev.cost"} if name == "reduce_on_plateau" else name
        run = member(name, design(what), "sgd", evaluate_every=1, lr=0.5, schedule=schedule)
        records = train([run], inputs, targets).records[name]
        rates = [record.metrics["train"]["optimizer/lr"] for record in records[1:]]
        assert rates == [0.5 * run.optimizer.schedule(step, 12) for step in range(12)]
