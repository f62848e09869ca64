"""SIGINT, SIGTERM and SIGHUP to a real training process: saved, resumed, equal to never stopped."""

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

import pytest

from dlx.stopping import numbers
from tests.cli.conftest import Command, start
from tests.guarded import SAVING

OVERRIDES = ["train.steps=3000", "log.every=100", "optimizer.schedule=cosine"]


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def stop(started: Popen[str], number: int) -> tuple[int, str, str]:
    sent = time.monotonic()
    started.send_signal(number)
    out, err = started.communicate(timeout=60)
    assert time.monotonic() - sent < 5
    return started.returncode, out, err


@pytest.mark.slow(*SAVING)
@pytest.mark.usefixtures("one_thread")
def test_stopped_twice_and_resumed(dlx: Command, tmp_path: Path) -> None:
    whole = dlx("train", "digits", *OVERRIDES, "name=whole", "--json", "--quiet")
    assert whole.code == 0

    runs = tmp_path / "runs" / "digits"
    started = start("train", "digits", *OVERRIDES, "--json", "--quiet", cwd=tmp_path)
    wait_until(lambda: any(lines(path) > 5 for path in runs.glob("*/metrics.jsonl")))
    (path,) = runs.iterdir()
    code, out, err = stop(started, signal.SIGINT)
    assert code == 130
    assert err.startswith("stopped by SIGINT at step ")
    stopped = json.loads(out)
    assert (stopped["status"], stopped["weights"]) == ("interrupted", None)
    assert 500 <= stopped["steps"] < 3000

    before = lines(path / "metrics.jsonl")
    started = start("resume", "digits", "--json", "--quiet", cwd=tmp_path)
    wait_until(lambda: lines(path / "metrics.jsonl") > before + 5)
    started.send_signal(signal.SIGSTOP)  # so that it does not end meanwhile
    in_use = dlx("resume", "digits")
    assert in_use.code == 7
    assert f"is in use by process {started.pid}" in in_use.err
    started.send_signal(signal.SIGCONT)
    code, out, err = stop(started, signal.SIGTERM)
    assert code == 143
    assert json.loads(out)["status"] == "interrupted"
    assert "`dlx resume runs/digits/" in err

    ended = dlx("resume", "digits", "--json", "--quiet")
    assert ended.code == 0
    assert ended.json["metrics"] == whole.json["metrics"]
    (other,) = (tmp_path / "runs" / "whole").iterdir()
    for file in ("weights.safetensors", "preprocessing.safetensors"):
        assert (path / file).read_bytes() == (other / file).read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGHUP")
def test_nohup_is_heeded() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup may have started the tests, too
    try:
        assert signal.SIGHUP in numbers()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        assert numbers() == (signal.SIGINT, signal.SIGTERM)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.slow(*SAVING)
@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGHUP")
@pytest.mark.parametrize("command", ["train", "ablate"])
def test_a_terminal_that_is_closed_stops_and_saves(command: str, tmp_path: Path) -> None:
    """As a connection does that breaks off: the progress has nowhere to go, and SIGHUP comes."""
    import pty

    asked = [command, "moons", "train.steps=100000000", "log.every=1000", "--no-figures"]
    if command == "ablate":
        asked[-1:] = ["--vary", "model.hidden=[4],[3]", "--seeds", "3", "--jobs", "2"]
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(tmp_path)
        os.environ["OMP_NUM_THREADS"] = "1"
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup may have started the tests
        os.execv(sys.executable, [sys.executable, "-m", "dlx", *asked])
    try:
        os.set_blocking(terminal, False)

        def trains() -> bool:
            with contextlib.suppress(BlockingIOError):
                os.read(terminal, 100_000)
            return any(lines(path) > 2 for path in tmp_path.glob("runs/**/metrics.jsonl"))

        wait_until(trains)
    finally:
        os.close(terminal)
    ended: list[int] = []

    def has_ended() -> bool:
        found, status = os.waitpid(child, os.WNOHANG)
        ended.extend([status] * bool(found))
        return bool(found)

    try:
        wait_until(has_ended, 5)
    finally:
        if not ended:
            os.killpg(child, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(ended[0]) == 129
    [run] = tmp_path.glob("runs/moons/*")
    assert json.loads((run / "run.json").read_text())["status"] == "interrupted"
    assert list(run.rglob("checkpoints/step=*.safetensors"))
