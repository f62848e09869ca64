"""An ablation in trouble: a full disk, Ctrl-C, kill -9 while it reports, other people's code."""

import json
import os
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Command, start
from tests.guarded import SAVING

pytestmark = pytest.mark.usefixtures("one_thread")

COMMAND = ["ablate", "xor", "train.steps=400000", "train.checkpoint_seconds=0.1", "log.every=20000"]
VARIED = ["--vary", "model.hidden=[3],[4]", "--seeds", "2", "--anyway", "--quiet"]
PLUGIN = """\
import dlx, torch

@dlx.register("activation")
def wave(z):
    \"\"\"The sine.\"\"\"
    return torch.sin(z)
"""
FUNCTION = """\
def make():
    return [[n % 7, n % 5] for n in range(40)], [n % 7 > 3 for n in range(40)]
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the ablation that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    started = start(*COMMAND, *VARIED, "name=whole", cwd=folder)
    _, err = started.communicate(timeout=60)
    assert started.returncode == 0, err
    return only(folder, "whole")


def only(folder: Path, name: str) -> Path:
    [path] = (folder / "runs" / name).iterdir()
    return path


def begun(folder: Path, name: str, file: str, *options: object, **popen: Any) -> Any:
    """Start an ablation, and return its process once it has written a file."""
    started = start(*COMMAND, *VARIED, f"name={name}", *options, cwd=folder, **popen)
    while not list(folder.glob(f"runs/{name}/*/{file}")):
        assert started.poll() is None, started.communicate()
        time.sleep(0.002)
    return started


def assert_equal_to(whole: Path, path: Path) -> None:
    """Compare an ablation that has ended with the undisturbed one."""
    assert json.loads((path / "run.json").read_text())["status"] == "completed"
    assert (path / "report.html").exists()
    resumed, expected = (
        [
            {key: variant[key] for key in ("name", "n", "failed", "metrics", "vs_baseline")}
            for variant in json.loads((ablation / "summary.json").read_text())["variants"]
        ]
        for ablation in (path, whole)
    )
    assert resumed == expected
    weights = sorted(whole.rglob("weights.safetensors"))
    assert weights
    for file in weights:
        assert (path / file.relative_to(whole)).read_bytes() == file.read_bytes()


def no_larger_than(size: int) -> Callable[[], None]:
    """Return what makes the kernel refuse larger files of a process, as a full disk does all."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.slow(*SAVING)
@pytest.mark.parametrize(
    ("size", "jobs", "file"), [(2_000, 1, "metrics.jsonl"), (2_000, 2, ""), (60_000, 1, "figures/")]
)
def test_a_full_disk_is_told_and_resuming_goes_on(
    size: int, jobs: int, file: str, dlx: Command, whole: Path, tmp_path: Path
) -> None:
    """While runs are written, or the checkpoint of those beside them, and while the report is."""
    options = ["name=full", "train.checkpoint_seconds=60", "--jobs", jobs]
    started = start(*COMMAND, *VARIED, *options, cwd=tmp_path, preexec_fn=no_larger_than(size))
    out, err = started.communicate(timeout=60)
    assert (started.returncode, out) == (9, "")
    assert err.startswith("error: cannot write runs/full/") and file in err, err
    assert err.count("\n") == 1 and "File too large" in err
    path = only(tmp_path, "full")
    assert not (path / "report.html").exists()
    assert not list(path.rglob(".*.tmp"))
    ended = dlx("resume", "full", "--quiet")
    assert ended.code == 0, ended.err
    assert_equal_to(whole, path)


@pytest.mark.slow(*SAVING)
def test_ctrl_c_twice_and_a_second_process(dlx: Command, whole: Path, tmp_path: Path) -> None:
    started = begun(tmp_path, "twice", "cohorts/*/checkpoints/step*")
    started.send_signal(signal.SIGSTOP)  # so that it does not end meanwhile
    second = dlx("resume", "twice", "--quiet")
    assert (second.code, second.out) == (7, "")
    assert f"is in use by process {started.pid}" in second.err
    started.send_signal(signal.SIGINT)
    started.send_signal(signal.SIGCONT)
    said = started.stderr.readline()
    started.send_signal(signal.SIGINT)
    assert said.startswith("stopped by SIGINT, saved; `dlx resume runs/twice/")
    _, err = started.communicate(timeout=60)
    assert (started.returncode, err) == (130, "")
    ended = dlx("resume", "twice", "--quiet")
    assert ended.code == 0, ended.err
    assert_equal_to(whole, only(tmp_path, "twice"))


@pytest.mark.slow(*SAVING)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_resuming_makes_a_report_that_was_not_written_whole(
    number: int, dlx: Command, whole: Path, tmp_path: Path
) -> None:
    started = begun(tmp_path, "cut", "summary.json")
    started.send_signal(number)
    _, err = started.communicate(timeout=60)
    path = only(tmp_path, "cut")
    status = json.loads((path / "run.json").read_text())["status"]
    assert not (path / "report.html").exists()
    if number == signal.SIGKILL:
        assert (started.returncode, status, err) == (-9, "running", "")
    else:
        assert (started.returncode, status) == (128 + number, "interrupted")
        name = signal.Signals(number).name
        assert err.startswith(f"stopped by {name}: all runs have ended, but the report is not")
    trained = {file: file.stat().st_mtime_ns for file in path.rglob("weights.safetensors")}
    assert len(trained) == 2
    ended = dlx("resume", "cut", "--quiet")
    assert ended.code == 0, ended.err
    assert {file: file.stat().st_mtime_ns for file in trained} == trained
    assert_equal_to(whole, path)


@pytest.mark.slow(*SAVING)
@pytest.mark.parametrize("threads", [1, 4])
def test_processes_know_plug_ins_and_what_is_allowed(
    threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copies of the process, with one thread each, and fresh ones, with two."""
    (tmp_path / "waves.py").write_text(PLUGIN)
    (tmp_path / "rows.py").write_text(FUNCTION)
    allowed = ["--plugin", "waves.py", "--allow-code"]
    config = ["data={name: python, function: 'rows:make'}", "model.activation=wave"]
    sizes = ["train.steps=5", "train.batch_size=8", "name=theirs", "--jobs", "2", "--json"]
    threaded = os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    monkeypatch.setattr("tests.cli.conftest.environment", lambda: threaded)
    started = start(*allowed, "ablate", "xor", *config, *sizes, *VARIED, cwd=tmp_path)
    out, err = started.communicate(timeout=60)
    assert (started.returncode, "error" in err) == (0, False), err
    summary = json.loads(out)
    assert [(variant["n"], variant["failed"]) for variant in summary["variants"]] == [
        (2, 0),
        (2, 0),
    ]
