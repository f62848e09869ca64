import math
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlx.errors import StorageError
from dlx.tracking import FinishedRun, Tracker, read, write_finished
from dlx.tracking import finished as module
from tests.tracking.event_files import scalars

START = 1_700_000_000.25
VALUES = st.one_of(st.floats(), st.sampled_from([0.0, -0.0, 0.5]))
HPARAMS = {"optimizer.lr": 0.1, "model.activation": "relu", "model.hidden": [10, 10]}


def finished(directory: Path, count: int = 12, **changes: Any) -> FinishedRun:
    """A run of `count` evaluations, with numbers of its own."""
    generator = np.random.default_rng([count, len(directory.name)])
    steps = np.arange(count) * 100
    fields: dict[str, Any] = {
        "steps": steps,
        "epochs": steps / 7,
        "examples": steps * 128,
        "seconds": steps * 0.013,
        "times": START + steps * 0.01,
        "metrics": {
            "train": {"cost": generator.random(count), "accuracy": np.ones(count)},
            "dev": {"cost": generator.random(count)},
            "test": {"cost": generator.lognormal(0, 30, count), "100 %\n": -np.zeros(count)},
        },
        "final": {"dev": {"probe_accuracy": 0.9, "100 %": -0.0}},
        "hparams": HPARAMS,
        "group": "activation=relu",
        "config": "seed: 0  # 가 100 %\n",
    }
    return FinishedRun(directory, **(fields | changes))


def track(run: FinishedRun, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write a run as a `Tracker` does that is told of one evaluation after another."""
    began, ended = float(run.times[0]), float(run.times[-1])
    with monkeypatch.context() as patch, Tracker(directory) as tracker:
        patch.setattr(time, "time", lambda: began)
        tracker.config(run.config)
        tracker.hparams(run.hparams, run.group)
        for place in range(len(run.steps)):
            metrics = {
                split: {
                    tag: float(values[place])
                    for tag, values in tags.items()
                    if not math.isnan(values[place])
                }
                for split, tags in run.metrics.items()
            }
            record = {
                "step": int(run.steps[place]),
                "epoch": float(run.epochs[place]),
                "examples": int(run.examples[place]),
                "seconds": float(run.seconds[place]),
                "time": float(run.times[place]),
            }
            tracker.log(record | {split: tags for split, tags in metrics.items() if tags})
        patch.setattr(time, "time", lambda: ended)
        tracker.final(int(run.steps[-1]), run.final)
        tracker.end_hparams(run.success)


def contents(directory: Path) -> dict[str, bytes]:
    files = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


@pytest.mark.parametrize("success", [True, False])
def test_the_files_are_those_of_a_tracker(
    success: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = finished(tmp_path / "fast", success=success)
    write_finished([run])
    track(run, tmp_path / "slow", monkeypatch)
    fast, slow = contents(tmp_path / "fast"), contents(tmp_path / "slow")
    name = "events.out.tfevents.0000000001.dlx"
    assert fast.keys() == {"metrics.jsonl", name, *(f"{split}/{name}" for split in run.metrics)}
    assert fast == slow


def test_what_was_not_measured_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nan, inf = math.nan, math.inf
    metrics = {
        "train": {"cost": [1.0, nan, inf, 0.5], "accuracy": [nan, nan, 0.5, 1.0]},
        "dev": {"cost": [nan, 2.0, nan, -0.0]},
        "test": {"cost": [nan] * 4},
    }
    run = finished(tmp_path / "fast", 4, metrics=metrics)
    write_finished([run])
    assert [line.keys() & metrics.keys() for line in read(tmp_path / "fast" / "metrics.jsonl")] == [
        {"train"},
        {"dev"},
        {"train"},
        {"train", "dev"},
    ]
    assert scalars(tmp_path / "fast/train", "cost") == ([0, 200, 300], [1.0, inf, 0.5])
    assert scalars(tmp_path / "fast/train", "epoch")[0] == [0, 100, 200, 300]
    assert scalars(tmp_path / "fast/dev", "cost") == ([100, 300], [2.0, 0.0])
    assert not (tmp_path / "fast/test").exists()
    track(run, tmp_path / "slow", monkeypatch)
    assert (
        contents(tmp_path / "fast")["metrics.jsonl"] == contents(tmp_path / "slow")["metrics.jsonl"]
    )


@given(st.data(), st.lists(st.text(max_size=8), unique=True, max_size=3))
@settings(max_examples=60, deadline=None)
def test_metrics_jsonl_is_that_of_a_tracker(data: st.DataObject, tags: list[str]) -> None:
    count = data.draw(st.integers(1, 4))
    columns = st.lists(VALUES, min_size=count, max_size=count)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        metrics = {split: {tag: data.draw(columns) for tag in tags} for split in ("train", "%s")}
        run = finished(Path(folder, "fast"), count, metrics=metrics, seconds=data.draw(columns))
        write_finished([run])
        measured = {split: each for split, each in metrics.items() if each}
        track(replace(run, metrics=measured), Path(folder, "slow"), patch)
        fast, slow = (Path(folder, name, "metrics.jsonl").read_bytes() for name in ("fast", "slow"))
    if tags:
        assert fast == slow


def test_runs_that_are_written_together_are_as_if_alone(tmp_path: Path) -> None:
    lengths = [30, 7, 30, 1, 0, 30]
    others = {"metrics": {"train": {"mse": np.arange(5.0)}}}
    for place in ("together", "alone"):
        runs = [
            *(finished(tmp_path / place / str(i), length) for i, length in enumerate(lengths)),
            finished(tmp_path / place / "other", 5, **others),
        ]
        for batch in [runs] if place == "together" else [[run] for run in runs]:
            write_finished(batch)
    together, alone = contents(tmp_path / "together"), contents(tmp_path / "alone")
    # Of a run without an evaluation, nothing tells when it was.
    differing = {name for name in together if together[name] != alone[name]}
    assert together.keys() == alone.keys()
    assert {Path(name).parts[0] for name in differing} <= {"4"}
    assert len(together) == 7 * 2 + 5 * 3 + 1


def test_many_runs_are_written_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [finished(tmp_path / "whole" / str(i)) for i in range(9)]
    write_finished(runs)
    monkeypatch.setattr(module, "_EVENTS_AT_ONCE", 25)
    write_finished(replace(run, directory=tmp_path / "parts" / run.directory.name) for run in runs)
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_what_was_there_is_replaced(tmp_path: Path) -> None:
    write_finished([finished(tmp_path / "run", 20)])
    again = finished(tmp_path / "run", 5)
    write_finished([again])
    assert len(read(tmp_path / "run" / "metrics.jsonl")) == 5
    assert scalars(tmp_path / "run/train", "cost")[0] == list(again.steps)


def test_a_full_disk(tmp_path: Path, small_limit: int) -> None:
    with pytest.raises(StorageError, match=r"cannot write .*metrics\.jsonl: File too large"):
        write_finished([finished(tmp_path / "run", 200)])


def test_it_is_fast(tmp_path: Path) -> None:
    runs = [finished(tmp_path / str(i), 200) for i in range(32)]
    write_finished(runs[:1])
    start = time.process_time()
    write_finished(runs)
    # 1.5 ms for the five files of a run where it was written; a `Tracker` takes 30.
    assert (time.process_time() - start) / len(runs) < 0.01
