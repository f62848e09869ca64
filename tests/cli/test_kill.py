"""kill -9 at random moments of a training on MNIST: resumed, it is as if it had never happened."""

import json
import random
import time
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Command, start
from tests.guarded import SAVING

pytestmark = pytest.mark.slow(*SAVING)

KILLS = 3
CONFIG = """\
data: {name: mnist, split: {dev: 10000}}
model: {hidden: [16], dropout: 0.1, init: he_normal}
optimizer: {name: adam, lr: 0.001, schedule: cosine}
train: {batch_size: 128, checkpoint_seconds: 0}
log: {every: 100}
"""
CLOCKS = ("seconds", "time", "crc")


def records(path: Path) -> list[dict]:
    lines = (path / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k not in CLOCKS} for line in lines]


def kill_while_it_trains(arguments: list[str], folder: Path) -> None:
    """Start a command, and kill it a random while after it has logged something."""
    started = start(*arguments, "--quiet", cwd=folder)
    before = {path: path.stat().st_size for path in folder.glob("runs/killed/*/metrics.jsonl")}
    while started.poll() is None:
        files = folder.glob("runs/killed/*/metrics.jsonl")
        if any(path.stat().st_size > before.get(path, 0) for path in files):
            break
        time.sleep(0.01)
    time.sleep(random.uniform(0, 0.5))
    assert started.poll() is None, "it ended before it could be killed"
    started.kill()
    started.communicate(timeout=60)


# Steps; the native engine is so fast that it needs more of them to be killed in.
ENGINES = {"torch": 2500, "native": 10000}


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("engine", ENGINES)
def test_killed_three_times(engine: str, dlx: Command, mnist: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (tmp_path / "killed.yaml").write_text(CONFIG)
    steps = ENGINES[engine]
    keys = [f"train.steps={steps}", f"train.engine={engine}"]
    whole = dlx("train", "killed.yaml", *keys, "name=whole", "--data-dir", mnist, "--json")
    assert whole.code == 0, whole.err

    data = ["--data-dir", str(mnist)]
    for number in range(KILLS):
        command = ["resume", "killed"] if number else ["train", "killed.yaml", *keys]
        kill_while_it_trains([*command, *data], tmp_path)
    ended = dlx("resume", "killed", *data, "--json")
    assert ended.code == 0, ended.err
    assert ended.json["metrics"] == whole.json["metrics"]

    ((killed,), (other,)) = ((tmp_path / "runs" / name).iterdir() for name in ("killed", "whole"))
    assert (killed / "weights.safetensors").read_bytes() == (
        other / "weights.safetensors"
    ).read_bytes()
    rows = records(killed)
    assert rows == records(other)
    assert [row["step"] for row in rows] == list(range(0, steps + 1, 100))
    assert len(list((killed / "dev").iterdir())) == KILLS + 1
    assert len(list((killed / "train").iterdir())) == KILLS + 2  # and one of the run as a whole

    for split in ("train", "dev", "test"):
        events = EventAccumulator(str(killed / split), size_guidance={"scalars": 0})
        events.Reload()
        tags = {tag for row in rows for tag in row[split]}
        assert set(events.Tags()["scalars"]) >= tags
        for tag in tags:
            logged = [(row["step"], row[split][tag]) for row in rows if tag in row[split]]
            shown = events.Scalars(tag)
            assert [event.step for event in shown] == [step for step, _ in logged]
            assert [event.value for event in shown] == [
                pytest.approx(np.float32(value), rel=0, abs=0) for _, value in logged
            ]
