"""Law 3 of the native engine: what is interrupted goes on to the same bits, anywhere."""

import json

import pytest
import torch

from dlx.engine import native
from dlx.native import library
from tests.cohorts import assert_same_run, design, grouped, member, rows, task, trainer_of
from tests.engine.networks import covered, mixed
from tests.laws.test_stop_anywhere import Stopper, assert_resumes

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def _step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "_BLOCK_SECONDS", 0.0)


@pytest.mark.usefixtures("_step_by_step")
@pytest.mark.parametrize("hidden", [[6, 4], []])
def test_mixed_runs_resume_from_any_step_to_the_same_bits(hidden: list[int]) -> None:
    what = task(4, 3)
    members = grouped(mixed(what, hidden, num_steps=14))
    assert_resumes(members, what, {1, 3, 5, 6, 8, 9, 10, 13}, left=True)


@pytest.mark.usefixtures("_step_by_step")
def test_a_run_goes_on_with_other_threads_on_another_level(monkeypatch: pytest.MonkeyPatch) -> None:
    what = task(4, 3)
    network = design(what, [40, 6], activation="prelu", batch_norm=True)
    average = {"name": "ema", "decay": 0.5}
    runs = covered(
        [
            member(name, network, name, num_steps=9, average=average)
            for name in ("nadam", "momentum")
        ]
    )
    inputs, targets = rows(what, 40)
    whole = Stopper({4})
    trainer_of(runs, inputs, targets).fit(whole)
    [(tensors, metadata, heard)] = whole.snapshots
    monkeypatch.setenv(library.LEVEL_VARIABLE, library.levels()[0])
    monkeypatch.setattr(native, "WORTH_SHARING", 0)
    torch.set_num_threads(2)
    trainer = trainer_of(runs, inputs, targets)
    trainer.restore(tensors, json.loads(metadata))
    resumed = Stopper(set())
    trainer.fit(resumed)
    for run in runs:
        pairs: list[tuple[dict, dict]] = [(resumed.records, whole.records)]
        pairs.append((resumed.gradients, whole.gradients))
        for now, before in pairs:
            now[run.name] = [*before[run.name][: heard[run.name]], *now[run.name]]
        assert_same_run(run.name, resumed, whole)
