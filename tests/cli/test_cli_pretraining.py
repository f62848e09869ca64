"""Pre-training on the command line: killed and resumed, reused, in TensorBoard, in ablations."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Command, start
from tests.guarded import SAVING

pytestmark = pytest.mark.usefixtures("one_thread", "without_pictures")

CONFIG = """\
data: digits
model: {hidden: [48, 24], activation: sigmoid}
pretrain: {epochs: 60, batch_size: 64}
train: {epochs: 4, checkpoint_seconds: 0}
"""
ABLATION = """\
data: {name: digits, limit: 100}
model: {hidden: [16], activation: sigmoid}
pretrain: {epochs: 2, batch_size: 20}
train: {epochs: 2, batch_size: 20}
ablation:
  vary: {pretrain.method: [none, autoencoder], optimizer.lr: [0.01, 0.1]}
  seeds: 2
"""


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.slow(*SAVING)
def test_killed_in_a_stage_and_resumed(dlx: Command, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (tmp_path / "killed.yaml").write_text(CONFIG)
    whole = dlx("train", "killed.yaml", "name=whole", "--runs-dir", "others", "--json")
    assert whole.code == 0, whole.err
    started = start("train", "killed.yaml", "--quiet", cwd=tmp_path)
    cache = tmp_path / "runs" / ".cache" / "pretrain"
    while started.poll() is None and not list(cache.glob("training-*/step=*")):
        time.sleep(0.01)
    assert started.poll() is None, "it ended before it could be killed"
    started.kill()
    started.communicate(timeout=60)
    ended = dlx("resume", "killed", "--json")
    assert ended.code == 0, ended.err
    assert ended.json["metrics"] == whole.json["metrics"]
    [path] = (tmp_path / "runs" / "killed").iterdir()
    [other] = (tmp_path / "others" / "whole").iterdir()
    for name in ("weights.safetensors", "pretraining.jsonl"):
        assert (path / name).read_bytes() == (other / name).read_bytes(), name

    stages = ended.json["pretraining"]
    assert [(s["stage"], s["method"], s["layers"]) for s in stages] == [
        (1, "autoencoder", ["1"]),
        (2, "autoencoder", ["2"]),
    ]
    steps = stages[0]["steps"]
    logged = [
        line["step"] + steps * (line["stage"] - 1) for line in lines(path / "pretraining.jsonl")
    ]
    own = [line["step"] + 2 * steps for line in lines(path / "metrics.jsonl")]
    assert logged[0] == 0
    assert logged[-1] == own[0] == 2 * steps, "the stages come before the run, on one axis"
    for split in ("train", "dev"):
        events = EventAccumulator(str(path / split), size_guidance={"scalars": 0})
        events.Reload()
        assert [event.step for event in events.Scalars("pretraining/cost")] == logged
        assert [event.step for event in events.Scalars("cost")] == own


def test_what_is_trained_again_says_that_its_stages_were_reused(
    dlx: Command, tmp_path: Path
) -> None:
    (tmp_path / "c.yaml").write_text(CONFIG.replace("60", "1"))
    first = dlx("train", "c.yaml", "--json")
    again = dlx("train", "c.yaml", "train.epochs=1", "--quiet")
    assert "stage 1: autoencoder of layer 1  epoch 0/1  step 0/17 " in first.err  # of its batches
    assert [stage["reused"] for stage in first.json["pretraining"]] == [False, False]
    assert again.out.count("from the cache") == 2


def test_an_ablation_reuses_stages_and_its_runs_repeat(dlx: Command, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(ABLATION)
    ended = dlx("ablate", "a.yaml", "--anyway", "--json")
    assert ended.code == 0, ended.err
    stages = [path for path in (tmp_path / "runs/.cache/pretrain").iterdir() if path.is_dir()]
    assert len(stages) == 2, "one for each seed, whatever the learning rate"
    means = {
        variant["name"]: variant["metrics"]["dev"]["accuracy"]["mean"]
        for variant in ended.json["variants"]
    }
    assert means["method=none lr=0.01"] != means["method=autoencoder lr=0.01"]
    verified = dlx("verify", ended.json["ablation"], "--runs", "8", "--json")
    assert len(verified.json["verified"]) == 8
    assert all(comparison["identical"] for comparison in verified.json["verified"])
    again = dlx("ablate", "a.yaml", "--anyway", "--json")
    assert "4 of 4 stages of pre-training were reused" in again.err
    assert "were reused" not in ended.err
    assert [variant["metrics"] for variant in again.json["variants"]] == [
        variant["metrics"] for variant in ended.json["variants"]
    ]


def test_a_stage_that_diverges_ends_the_run(dlx: Command, tmp_path: Path) -> None:
    wild = "pretrain: {epochs: 3, optimizer: {name: sgd, lr: 1.0e+38}}\n"
    config = "data: digits\nmodel: {hidden: [8], activation: relu}\n" + wild
    (tmp_path / "wild.yaml").write_text(config)
    ended = dlx("train", "wild.yaml", "--quiet")
    assert ended.code == 5
    assert "pre-training, stage 1: autoencoder of layer 1" in ended.err
    assert "pretrain.optimizer.lr" in ended.err
