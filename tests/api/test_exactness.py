"""Threads, torch and the processor of a checkpoint: taken over, or refused unless allowed."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from dlx import api
from dlx.cli import main
from dlx.errors import DlxWarning, Interrupted
from dlx.native import library
from dlx.runs import RunDirectory, checkpoints
from dlx.training.exactness import InexactError
from tests.guarded import SAVING

pytestmark = pytest.mark.usefixtures("without_pictures")

CONFIG: dict[str, Any] = {
    "name": "stopped",
    "data": {"name": "digits", "limit": 90},
    "model": {"hidden": [5]},
    "train": {"epochs": 4, "batch_size": 30, "checkpoint_seconds": 0, "engine": "torch"},
}


def stop(progress: Any) -> None:
    if getattr(progress, "cohort", progress).step >= 6:
        os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    training = api.new_training(api.prepare(CONFIG), runs_dir=tmp_path)
    with pytest.raises(Interrupted):
        training.train(stop)
    return training.path


def as_if_saved_elsewhere(folder: Path, **other: Any) -> None:
    """Give the newest checkpoint other circumstances."""
    saved = checkpoints.load_newest(folder / "checkpoints")
    assert saved is not None and saved.metadata.keys() >= other.keys()
    saved.path.unlink()
    checkpoints.save(folder / "checkpoints", saved.step, saved.tensors, saved.metadata | other)


@pytest.fixture
def restored_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_the_threads_of_the_checkpoint_are_taken_over(
    tmp_path: Path, restored_threads: None
) -> None:
    torch.set_num_threads(2)
    whole = api.train(CONFIG, runs_dir=tmp_path)
    training = api.new_training(api.prepare(CONFIG), runs_dir=tmp_path)
    with pytest.raises(Interrupted):
        training.train(stop)
    torch.set_num_threads(1)
    seen = []
    run = api.resume(training.path, show=lambda p: seen.append(torch.get_num_threads()))
    assert {*seen} == {2} and torch.get_num_threads() == 1
    assert run.info["threads"] == 2 and "inexact" not in run.info
    assert all(run.tensors[name].equal(whole.tensors[name]) for name in whole.tensors)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"torch": "2.9.0"}, r"was saved with torch 2\.9\.0, this process has torch 2"),
        ({"processor": "Z80"}, r"was saved with Z80, this process has .*--allow-inexact"),
        (
            {"torch": "2.9.0", "processor": "Z80"},
            r"was saved with torch 2\.9\.0 on Z80, this process",
        ),
    ],
)
def test_another_torch_or_processor_is_refused_unless_it_is_allowed(
    other: dict[str, str], words: str, stopped: Path
) -> None:
    as_if_saved_elsewhere(stopped, **other)
    before = (stopped / "run.json").read_bytes(), (stopped / "metrics.jsonl").read_bytes()
    with pytest.raises(InexactError, match=words):
        api.resume(stopped)
    assert main(["resume", str(stopped), "--quiet"]) == 4
    after = (stopped / "run.json").read_bytes(), (stopped / "metrics.jsonl").read_bytes()
    assert after == before
    run = api.resume(stopped, allow_inexact=True)
    assert run.status == "completed"
    [entry] = run.info["inexact"]
    assert entry.pop("step") == 6
    assert {name: values[0] for name, values in entry.items()} == other


def test_another_arithmetic_of_the_native_engine_is_refused_or_noted(tmp_path: Path) -> None:
    config = CONFIG | {"train": CONFIG["train"] | {"engine": "native"}}
    training = api.new_training(api.prepare(config), runs_dir=tmp_path)
    with pytest.raises(Interrupted):
        training.train(stop)
    saved = checkpoints.load_newest(training.path / "checkpoints")
    assert saved is not None and saved.metadata.pop("arithmetic") == library.ARITHMETIC
    saved.path.unlink()  # a version that had no number of it saved another
    checkpoints.save(training.path / "checkpoints", saved.step, saved.tensors, saved.metadata)
    with pytest.raises(InexactError, match="saved with the native engine's arithmetic 1, this"):
        api.resume(training.path)
    run = api.resume(training.path, allow_inexact=True)
    step = saved.step
    assert run.info["inexact"] == [{"step": step, "arithmetic": [1, library.ARITHMETIC]}]
    RunDirectory(run.path).write_info(arithmetic=1, inexact=None)
    with pytest.warns(DlxWarning, match="native engine computes other last digits"):
        assert api.verify(run.path)["verified"][0]["identical"]


def test_own_threads_are_kept_and_noted_where_that_is_allowed(
    stopped: Path, restored_threads: None
) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    assert main(["resume", str(stopped), "--quiet", "--no-figures", "--allow-inexact"]) == 0
    run = api.load(stopped)
    assert run.info["inexact"] == [{"step": 6, "threads": [before, before + 1]}]
    assert run.info["threads"] == before + 1


def test_another_device_that_is_asked_for_is_no_other_processor(stopped: Path) -> None:
    as_if_saved_elsewhere(stopped, processor="GPU 9000")
    run = api.resume(stopped, ["train.device=cpu"])
    assert run.status == "completed"
    assert run.info["inexact"][0]["processor"][0] == "GPU 9000"


def test_checkpoints_of_earlier_versions_are_gone_on_from(stopped: Path) -> None:
    saved = checkpoints.load_newest(stopped / "checkpoints")
    assert saved is not None
    del saved.metadata["processor"]
    saved.path.unlink()
    checkpoints.save(stopped / "checkpoints", saved.step, saved.tensors, saved.metadata)
    assert api.resume(stopped).status == "completed"


@pytest.mark.slow(*SAVING)
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_cohort_is_refused_before_anything_trains_and_noted_in_its_runs(
    jobs: int, tmp_path: Path, restored_threads: None
) -> None:
    torch.set_num_threads(2)
    varied = ["model.activation=relu,tanh", "model.hidden=[5],[6]"]
    with pytest.raises(Interrupted):
        api.ablate(CONFIG, varied=varied, seeds=1, runs_dir=tmp_path, jobs=1, show=stop)
    [path] = (tmp_path / "stopped").iterdir()
    as_if_saved_elsewhere(path / "cohorts" / "1", torch="2.9.0")
    with pytest.raises(InexactError, match=r"was saved with torch 2\.9\.0"):
        api.resume_ablation(path, jobs=jobs)
    assert not (path / "cohorts" / "2").exists()
    torch.set_num_threads(1)
    ablation = api.resume_ablation(path, jobs=jobs, allow_inexact=True)
    now = torch.__version__
    assert ablation.info["inexact"] == [
        {"cohort": 1, "step": 6, "threads": [2, 1], "torch": ["2.9.0", now]}
    ]
    assert api.load(f"{path}#1").info["inexact"] == [
        {"step": 6, "threads": [2, 1], "torch": ["2.9.0", now]}
    ]
    numbers = range(1, 5)
    assert sum("inexact" in api.load(f"{path}#{number}").info for number in numbers) == 2


@pytest.mark.slow(*SAVING)
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_cohort_takes_over_its_threads(jobs: int, tmp_path: Path, restored_threads: None) -> None:
    torch.set_num_threads(2)
    varied = ["model.activation=relu,tanh", "model.hidden=[5],[6]"]
    with pytest.raises(Interrupted):
        api.ablate(CONFIG, varied=varied, seeds=1, runs_dir=tmp_path, jobs=1, show=stop)
    [path] = (tmp_path / "stopped").iterdir()
    torch.set_num_threads(1)
    api.resume_ablation(path, jobs=jobs)
    threads = {number: api.load(f"{path}#{number}").info["threads"] for number in range(1, 5)}
    assert sorted(threads.values()) == [1, 1, 2, 2]
