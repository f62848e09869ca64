"""Law 3: interrupted and resumed equals never interrupted."""

import json

import pytest
from torch import Tensor

from dlx.cohort import Member
from dlx.data.dataset import Task
from dlx.training import trainer as trainer_module
from dlx.training.trainer import Trainer
from tests.cohorts import (
    ALONE,
    OPTIMIZERS,
    Recorder,
    assert_same_run,
    design,
    grouped,
    member,
    mixed_members,
    rows,
    task,
    trainer_of,
)

pytestmark = pytest.mark.usefixtures("one_thread")


class Stopper(Recorder):
    """Takes a copy of everything at some steps, the way a checkpoint file would."""

    def __init__(self, steps: set[int]) -> None:
        super().__init__()
        self.steps = steps
        self.snapshots: list[tuple[dict[str, Tensor], str, dict[str, int]]] = []

    def advanced(self, trainer: Trainer) -> None:
        if trainer.step in self.steps:
            tensors, metadata = trainer.snapshot()
            copies = {name: value.clone() for name, value in tensors.items()}
            heard = {name: len(records) for name, records in self.records.items()}
            self.snapshots.append((copies, json.dumps(metadata, allow_nan=False), heard))


def assert_resumes(members: list[Member], what: Task, steps: set[int], left: bool) -> None:
    """Training that goes on from snapshots at `steps` ends as if it had never stopped."""
    inputs, targets = rows(what, 40)
    whole = Stopper(steps)
    trainer_of(members, inputs, targets).fit(whole)
    assert len(whole.snapshots) == len(steps)
    gone = 0
    for tensors, metadata, heard in whole.snapshots:
        trainer = trainer_of(members, inputs, targets)
        trainer.restore(tensors, json.loads(metadata))
        resumed = Recorder()
        staying = [run.name for run in trainer.members]
        gone += len(members) - len(staying)
        trainer.fit(resumed)
        assert set(resumed.ended_runs) == set(staying)
        for name in staying:
            # The records before the snapshot are on disk already.
            resumed.records[name] = whole.records[name][: heard[name]] + resumed.records[name]
            resumed.gradients[name] = whole.gradients[name][: heard[name]] + resumed.gradients[name]
            assert_same_run(name, resumed, whole)
    assert (gone > 0) == left


@pytest.mark.parametrize("hidden", [[6, 4], []])
def test_mixed_runs_resume_from_any_step_to_the_same_bits(hidden: list[int]) -> None:
    what = task(4, 3)
    members = grouped(mixed_members(what, hidden, num_steps=14))
    assert_resumes(members, what, {1, 3, 5, 6, 8, 9, 10, 13}, left=True)


@pytest.mark.parametrize("optimizer", [*OPTIMIZERS, *ALONE])
def test_each_run_alone_resumes_to_the_same_bits(optimizer: str) -> None:
    what = task(4, 3)
    network = design(what, activation="prelu", dropout=0.3, batch_norm=True)
    run = member("run", network, optimizer, num_steps=9, patience=9, schedule="cosine")
    assert_resumes([run], what, {2, 5, 8}, left=False)


def test_a_run_resumes_at_the_step_it_is_evaluated_at_with_the_same_record() -> None:
    what = task(4, 3)
    run = member("run", design(what), num_steps=9, evaluate_every=3, schedule="exponential")
    inputs, targets = rows(what, 40)
    whole = Stopper({3})
    trainer_of([run], inputs, targets).fit(whole)
    trainer = trainer_of([run], inputs, targets)
    tensors, metadata, _ = whole.snapshots[0]
    trainer.restore(tensors, json.loads(metadata))
    resumed = Recorder()
    trainer.fit(resumed)
    assert resumed.records["run"] == whole.records["run"][1:]
    assert "gradient_norm/1" in resumed.records["run"][0].metrics["train"]


def test_costs_not_looked_at_yet_survive_a_resume(monkeypatch: pytest.MonkeyPatch) -> None:
    # As on CUDA, where looking at every cost would wait for the device at every step.
    monkeypatch.setitem(trainer_module._STEPS_BETWEEN_LOOKS, "cpu", 64)
    what = task(4, 0)
    runs = [
        member("good", design(what), "sgd", num_steps=12, evaluate_every=6),
        member("bad", design(what), "sgd", num_steps=12, evaluate_every=6, lr=1e12),
    ]
    inputs, targets = rows(what, 40)
    whole = Stopper({4})
    trainer_of(runs, inputs, targets).fit(whole)
    trainer = trainer_of(runs, inputs, targets)
    tensors, metadata, _ = whole.snapshots[0]
    trainer.restore(tensors, json.loads(metadata))
    resumed = Recorder()
    trainer.fit(resumed)
    for name, ended in whole.ended_runs.items():
        assert resumed.ended_runs[name].outcome.step == ended.outcome.step
        assert resumed.ended_runs[name].outcome.status == ended.outcome.status
    assert whole.ended_runs["bad"].outcome.status == "diverged"
    assert whole.ended_runs["bad"].outcome.step < 4
