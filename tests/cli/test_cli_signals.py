"""SIGINT and SIGTERM to a real training process: saved, resumed, equal to never stopped."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

import pytest

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
