"""The loop: what is recorded when."""

import pytest
import torch
import torch.nn.functional as F

from dlx.cohort import Member
from dlx.data.selection import Selection
from dlx.models.plain import to_torch
from dlx.optimizers.penalties import Penalty
from dlx.tracking.evaluations import Evaluation
from dlx.training import trainer as trainer_module
from dlx.training.evaluation import evaluate, thinned
from dlx.training.layer_statistics import is_looked_at
from dlx.training.trainer import Trainer
from tests.cohorts import Recorder, design, examples, member, rows, task, train, trainer_of
from tests.plain_loop import order

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    ("num_steps", "every", "steps"),
    [
        (12, 5, [0, 5, 10, 12]),
        (10, 5, [0, 5, 10]),
        (3, 100, [0, 3]),
        (0, 5, [0]),
        (4, 1, [0, 1, 2, 3, 4]),
    ],
)
def test_a_run_is_evaluated_before_training_as_often_as_asked_and_at_its_end(
    num_steps: int, every: int, steps: list[int]
) -> None:
    what = task(5, 3)
    run = member("run", design(what), num_steps=num_steps, evaluate_every=every)
    recorder = train([run], *rows(what, 40))
    records = recorder.records["run"]
    assert [record.step for record in records] == steps
    # Batches of 16, 16 and 8 rows.
    seen = [40 * (step // 3) + 16 * (step % 3) for step in steps]
    assert [record.examples for record in records] == seen
    assert [record.epoch for record in records] == [number / 40 for number in seen]
    outcome = recorder.ended_runs["run"].outcome
    assert (outcome.status, outcome.step, outcome.weights) == ("completed", num_steps, "last")


def test_running_means_rate_and_gradient_norms_are_those_of_the_training_batches() -> None:
    what = task(5, 3)
    inputs, targets = rows(what, 40, torch.float64)
    network = design(what, activation="tanh")
    run = member("run", network, "sgd", num_steps=5, evaluate_every=5, lr=0.2, clip_norm=0.05)
    trainer = trainer_of([run], inputs, targets, 16, torch.float64)
    plain = to_torch(
        network, {k: v.clone() for k, v in trainer.cohort.network.run_state(0).items()}
    )
    recorder = Recorder()
    trainer.fit(recorder)

    model = plain[:-1].train()
    cost, correct, seen = 0.0, 0, 0
    for step in range(5):
        index = order(0, step // 3, 40)[16 * (step % 3) : 16 * (step % 3) + 16]
        z = model(inputs[index])
        loss = F.cross_entropy(z, targets[index])
        cost += loss.item() * len(index)
        correct += int((z.argmax(1) == targets[index]).sum())
        seen += len(index)
        plain.zero_grad()
        loss.backward()
        norms = [  # before clipping
            sum(float(p.grad.square().sum()) for p in layer.parameters() if p.grad is not None)
            ** 0.5
            for layer in plain
            if isinstance(layer, torch.nn.Linear)
        ]
        torch.nn.utils.clip_grad_norm_(plain.parameters(), 0.05)
        with torch.no_grad():
            for p in plain.parameters():
                assert p.grad is not None
                p -= 0.2 * p.grad
    first, last = (record.metrics["train"] for record in recorder.records["run"])
    assert set(first) == {"cost", "accuracy"}  # nothing was trained on before
    assert last["running/cost"] == pytest.approx(cost / seen, rel=1e-9)
    assert last["running/accuracy"] == correct / seen
    assert last["optimizer/lr"] == 0.2
    assert [last[f"gradient_norm/{layer}"] for layer in (1, 2, 3)] == pytest.approx(norms, rel=1e-8)
    with torch.no_grad():
        assert last["cost"] == pytest.approx(
            F.cross_entropy(model(inputs), targets).item(), rel=1e-8
        )


def test_running_means_start_anew_after_each_evaluation() -> None:
    what = task(5, 3)
    data = rows(what, 40)

    def sums(every: int) -> list[float]:
        run = member("run", design(what), "sgd", num_steps=6, evaluate_every=every)
        records = train([run], *data).records["run"][1:]
        return [record.metrics["train"]["running/cost"] for record in records]

    every_step = sums(1)
    sizes = [16, 16, 8] * 2
    weighted = [cost * size for cost, size in zip(every_step, sizes, strict=True)]
    assert sums(3) == pytest.approx([sum(weighted[:3]) / 40, sum(weighted[3:]) / 40])


def test_training_curves_are_evaluated_on_a_fixed_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer_module, "EVALUATED_TRAIN_ROWS", 10)
    what = task(5, 3)
    inputs, targets = rows(what, 45)
    run = member("run", design(what), num_steps=4, evaluate_every=2)
    trainer = trainer_of([run], inputs, targets)
    sample = thinned((Selection(inputs), Selection(targets)), 10)
    expected = evaluate(trainer.cohort, *sample)["cost"][0]
    recorder = Recorder()
    trainer.fit(recorder)
    assert recorder.records["run"][0].metrics["train"]["cost"] == expected
    final = recorder.ended_runs["run"].outcome
    trainer = trainer_of([run], inputs, targets)
    trainer.cohort.network.load_run(0, final.state)
    everything = evaluate(trainer.cohort, inputs, targets)
    assert final.metrics["train"]["cost"] == everything["cost"][0]
    assert final.metrics["train"]["accuracy"] == everything["accuracy"][0]


def test_runs_of_other_lengths_and_rhythms_end_on_their_own() -> None:
    what = task(5, 3)
    runs: list[Member] = [
        member("a", design(what), num_steps=4, evaluate_every=3),
        member("b", design(what), num_steps=9, evaluate_every=2, seed=1),
        member("c", design(what), num_steps=0, evaluate_every=7, seed=2),
    ]
    recorder = train(runs, *rows(what))
    steps = {name: [r.step for r in records] for name, records in recorder.records.items()}
    assert steps == {"a": [0, 3, 4], "b": [0, 2, 4, 6, 8, 9], "c": [0]}


def test_early_stopping_may_watch_any_metric() -> None:
    what = task(5, 3)
    inputs, targets = rows(what)
    base = member("run", design(what), "sgd", num_steps=40, evaluate_every=2, lr=1e-30, patience=2)
    for metric in ("train.cost", "train.accuracy", "dev.cost", "dev.accuracy"):
        run = Member(**{**vars(base), "stop_metric": metric})
        outcome = train([run], inputs, targets).ended_runs["run"].outcome
        # Nothing moves at such a rate: the first evaluation stays the best.
        assert (outcome.status, outcome.step) == ("stopped_early", 4)


def test_splits_may_be_left_out_but_for_training() -> None:
    what = task(5, 3)
    inputs, targets = rows(what)
    trainer = trainer_of([member("run", design(what), num_steps=2)], inputs, targets)
    only = {"train": examples(trainer.cohort, inputs, targets)["train"]}
    recorder = Recorder()
    Trainer(trainer.cohort, only).fit(recorder)
    assert list(recorder.ended_runs["run"].outcome.metrics) == ["train"]


def test_the_penalty_is_logged_apart_from_the_cost() -> None:
    what = task(5, 3)
    inputs, targets = rows(what)
    network = design(what)
    with_penalty = member("with", network, "sgd", penalty=Penalty(l1=0.25, l2=0.5))
    without = member("without", network, "sgd")
    trainer = trainer_of([with_penalty, without], inputs, targets)
    state = trainer.cohort.network.run_state(0)
    weights = [value for name, value in state.items() if name.endswith("weight")]
    expected = sum(0.25 * w.abs().sum().item() + 0.25 * w.square().sum().item() for w in weights)
    recorder = Recorder()
    trainer.fit(recorder)
    first, other = (recorder.records[name][0].metrics for name in ("with", "without"))
    assert first["train"].pop("penalty") == pytest.approx(expected, rel=1e-6)
    assert first == other
    assert "penalty" not in recorder.ended_runs["with"].outcome.metrics["train"]


def test_changes_of_weights_are_measured_where_a_run_is_looked_into() -> None:
    what = task(5, 3)
    inputs, targets = rows(what, 40)
    runs = [
        member("long", design(what), "sgd", num_steps=200, evaluate_every=1, lr=0.1),
        member("short", design(what), "sgd", num_steps=50, evaluate_every=1, lr=0.1),
    ]
    trainer = trainer_of(runs, inputs, targets, 16, torch.float32)
    sizes: dict[int, float] = {}

    class Sizes(Recorder):
        def evaluated(self, trainer: Trainer, evaluation: Evaluation) -> None:
            super().evaluated(trainer, evaluation)
            if trainer.members[0].name == "long":
                state = trainer.cohort.network.run_state(0)
                own = [state["1.weight"].flatten(), state["1.bias"].flatten()]
                sizes[trainer.step] = torch.cat(own).norm().item()

    recorder = Sizes()
    trainer.fit(recorder)
    for name, last in (("long", 200), ("short", 50)):
        records = [record for record in recorder.records[name] if record.step > 0]
        looked_into = [r for r in records if "update_ratio/1" in r.metrics["train"]]
        assert [r.step for r in looked_into] == [
            step for step in range(1, last + 1) if is_looked_at(step, last)
        ]
        assert len(looked_into) <= 20
        assert all("gradient_norm/1" in record.metrics["train"] for record in records)
    for record in recorder.records["long"]:
        told = record.metrics["train"]
        if "update_ratio/1" in told:  # sgd: a step is the rate times the gradient
            size = sizes[record.step - 1]
            assert told["update_ratio/1"] == pytest.approx(
                0.1 * told["gradient_norm/1"] / size, rel=1e-4
            )
