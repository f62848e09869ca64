"""What a session of several runs keeps when some had ended before, or memory is short."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from dlx import api
from dlx.api.ablation import CrashedError
from dlx.engine.native import NativeEngine
from dlx.errors import DivergedError, Interrupted
from dlx.runs.ablations import cohort_folder, read_cohort
from dlx.tracking.metrics import of_cohort
from dlx.training.session import Session
from tests.api.test_ablation import assert_same_runs, stop_after

pytestmark = pytest.mark.usefixtures("without_pictures")

CONFIG: dict[str, Any] = {
    "name": "lengths",
    "data": "xor",
    "train": {"steps": 40, "batch_size": 4, "checkpoint_seconds": 0},
    "log": {"every": 5, "level": "minimal"},
    "ablation": {"vary": {"train.steps": [10, 40]}, "seeds": 2, "metric": "dev.cost"},
}
STEPS = {1: [0, 5, 10], 2: [0, 5, 10], 3: [*range(0, 41, 5)], 4: [*range(0, 41, 5)]}


def raised_at(step: int, error: Exception, most: int = 1) -> Callable[..., None]:
    """Return what fails at evaluations of more than so many runs from a step on."""
    real = Session.evaluated

    def evaluated(self: Session, trainer: Any, evaluation: Any) -> None:
        if trainer.step >= step and len(trainer.members) > most:
            raise error
        real(self, trainer, evaluation)

    return evaluated


def logged(path: Path) -> dict[int, list[int]]:
    folder = cohort_folder(path, 1)
    cohort = read_cohort(folder)
    assert cohort is not None and len(cohort["metrics_digest"]) == 64
    return {n: [line["step"] for line in lines] for n, lines in of_cohort(folder, cohort).items()}


@pytest.fixture
def crashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ablation whose short runs had ended when the others crashed."""
    with monkeypatch.context() as patch:
        patch.setattr(Session, "evaluated", raised_at(20, ValueError("boom")))
        with pytest.raises(CrashedError, match="ValueError: boom"):
            api.ablate(CONFIG, runs_dir=tmp_path / "crashed")
    [path] = (tmp_path / "crashed" / "lengths").iterdir()
    assert logged(path) == {1: STEPS[1], 2: STEPS[2]}
    return path


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("trouble", ["none", "memory", "stop"])
def test_runs_that_had_ended_stay_as_they_are(
    trouble: str, crashed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if trouble == "memory":
        short = torch.OutOfMemoryError("out of memory")
        monkeypatch.setattr(Session, "evaluated", raised_at(20, short))
    if trouble == "stop":
        with pytest.raises(Interrupted):
            api.resume_ablation(crashed, only_failed=True, show=stop_after(4))
        ended = api.resume_ablation(crashed)
    else:
        ended = api.resume_ablation(crashed, only_failed=True)
    assert (ended.status, logged(crashed)) == ("completed", STEPS)
    assert ("trained in halves" in " ".join(ended.info["remarks"])) == (trouble == "memory")
    monkeypatch.undo()
    assert_same_runs(crashed, api.ablate(CONFIG, runs_dir=tmp_path / "whole").path)


@pytest.mark.usefixtures("one_thread")
def test_a_group_that_does_not_fit_begins_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Short runs had ended, and the file held lines of all, when memory was short."""
    whole = api.ablate(CONFIG, runs_dir=tmp_path / "whole")
    short = torch.OutOfMemoryError("out of memory")
    monkeypatch.setattr(Session, "evaluated", raised_at(20, short))
    halved = api.ablate(CONFIG, runs_dir=tmp_path / "halved")
    assert logged(halved.path) == STEPS
    assert_same_runs(halved.path, whole.path)


def test_what_a_diverged_run_has_seen_does_not_depend_on_how_steps_are_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks of steps of the native engine are as long as its speed says."""
    config = {"data": "diabetes", "model": {"hidden": [4], "activation": "identity"}}
    config |= {"optimizer": {"name": "sgd", "lr": 1e30}, "train": {"epochs": 3, "batch_size": 32}}
    seen = []
    for most in (1, 2, 1000):
        cut = lambda self, left, most=most: min(left, most)
        monkeypatch.setattr(NativeEngine, "steps_of_a_block", cut)
        training = api.new_training(api.prepare(config), runs_dir=tmp_path / str(most))
        with pytest.raises(DivergedError):
            training.train()
        info = api.load(training.path).info
        seen.append((info["steps"], info["examples"], info["reason"]))
    assert len(set(seen)) == 1, seen
