"""`dlx train` and `dlx resume` that end well."""

import json
import os
import pty
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from dlx.api import Training
from tests.cli.conftest import Command, environment, only_run, start
from tests.guarded import COMMANDS, SAVING

RESULT = [
    *("run", "status", "weights", "seed", "steps", "epochs", "seconds", "parameters", "metrics"),
    "baseline",
]


@pytest.mark.slow(*COMMANDS)
def test_json_in_a_process(process: Command, tmp_path: Path) -> None:
    ended = process("train", "digits", "train.epochs=2", "--seed", "3", "--json")
    assert ended.code == 0
    assert list(ended.json) == [*RESULT, "linear_model", "diagnosis"]
    path = only_run(tmp_path / "runs")
    assert ended.json["run"] == str(path.relative_to(tmp_path))
    assert (ended.json["status"], ended.json["seed"], ended.json["steps"]) == ("completed", 3, 34)
    assert list(ended.json["metrics"]) == ["train", "dev", "test"]
    lines = ended.err.splitlines()
    assert lines[0] == f"training runs/digits/{path.name}"
    assert lines[1].startswith("epoch 0/2  step 0/34  cost ")
    assert lines[-1].startswith("epoch 2/2  step 34/34  ")
    assert re.search(r"cost [\d.]+ \(dev [\d.]+\)  accuracy [\d.]+ % \(dev [\d.]+ %\)", lines[-1])


def test_table(dlx: Command) -> None:
    ended = dlx("train", "xor", "train.steps=10", "--quiet")
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    first, heading, *rows, last, constant = lines[:10]
    assert lines[10] == "diagnosis: nothing found" or lines[10].split(":")[0] in ("high", "medium")
    assert re.match(r"runs/xor/\S+: completed, 10 steps, 10 epochs, .* 151 parameters", first)
    assert heading.split() == ["cost", "accuracy"]
    assert [row.split()[0] for row in rows[:3]] == ["train", "dev", "test"]
    assert [row.split() for row in rows[3:]] == [
        ["baseline,", split, "–", "50.00", "%"] for split in ("train", "dev", "test")
    ]
    assert last == "(metrics of the last weights, on all rows)"
    assert constant.startswith("(baseline: the majority class of the training rows")


def test_the_best_weights_are_named(dlx: Command) -> None:
    ended = dlx(
        "train", "iris", "train.epochs=20", "train.early_stopping={patience: 3}", "--json", "-q"
    )
    assert ended.json["weights"] == "best"


def test_lines_at_most_one_a_second(dlx: Command) -> None:
    ended = dlx("train", "xor", "train.steps=200", "log.every=1", "--json")
    assert ended.err.count("step") < 10
    assert "step 200/200" in ended.err.splitlines()[-1]


@pytest.mark.slow(*COMMANDS)
def test_live_display_on_a_terminal(tmp_path: Path) -> None:
    terminal, stderr = pty.openpty()
    started = start("train", "digits", "train.epochs=20", cwd=tmp_path, stderr=stderr)
    os.close(stderr)
    shown = b""
    while True:
        try:
            chunk = os.read(terminal, 4096)
        except OSError:  # the other side is closed
            break
        shown += chunk
        if not chunk:
            break
    os.close(terminal)
    out, _ = started.communicate(timeout=60)
    assert started.returncode == 0
    assert "completed" in out
    text = re.sub(rb"\x1b\[[^a-zA-Z]*[a-zA-Z]", b"", shown).decode()
    assert re.search(r"epoch [\d.]+/20 +step [\d,]+/340 +[\d,]+ steps/s +\d+ s left", text)
    assert re.search(r"cost [\d.]+ \(dev [\d.]+\) +accuracy [\d.]+ %", text)
    assert "\x1b[2K" in shown.decode()  # lines are drawn over


@pytest.mark.slow(*COMMANDS)
def test_progress_that_nobody_reads(tmp_path: Path) -> None:
    started = start("train", "digits", "train.epochs=3", "--json", cwd=tmp_path)
    assert started.stdout is not None and started.stderr is not None
    started.stderr.close()
    assert json.loads(started.stdout.read())["status"] == "completed"
    assert started.wait(60) == 0
    started.stdout.close()
    assert environment()["OMP_NUM_THREADS"] == "1"


def test_an_ablation_trains_its_base_run(dlx: Command, tmp_path: Path) -> None:
    (tmp_path / "vary.yaml").write_text(
        "data: xor\ntrain: {steps: 3, batch_size: all}\n"
        "ablation: {vary: {optimizer.lr: [0.1, 0.2]}}\n"
    )
    ended = dlx("train", "vary.yaml", "--quiet", "--json")
    assert (ended.code, ended.json["steps"]) == (0, 3)
    assert ended.err == "note: this trains the base run of vary.yaml, without its ablation\n"


def test_figures_are_drawn_after_metrics_are_printed(
    dlx: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert dlx("train", "moons", "train.epochs=1", "--no-figures", "--quiet").code == 0
    run = only_run(tmp_path / "runs")
    assert not (run / "figures").exists()
    extended = dlx("resume", run, "train.epochs=2", "--no-figures", "--quiet")
    assert extended.code == 0 and not (run / "figures").exists()
    assert dlx("resume", run, "train.epochs=3", "--quiet").code == 0
    assert list((run / "figures").glob("decision*.png"))
    monkeypatch.setattr(Training, "draw", lambda training: sys.stdout.write("drawn\n"))
    ended = dlx("resume", run, "train.epochs=4", "--quiet")
    assert re.search(r"\ntest +[\d.]+ +[\d.]+ %\n(.|\n)*drawn\n$", ended.out)


def test_a_default_batch_size_adapts_and_says_so(dlx: Command, tmp_path: Path) -> None:
    (tmp_path / "few.yaml").write_text("data: {name: digits, limit: 100}\ntrain: {epochs: 1}\n")
    remark = "note: train.batch_size is 100, all training rows (default 128)\n"
    ended = dlx("train", "few.yaml", "--quiet", "--json")
    assert (ended.code, ended.err, ended.json["steps"]) == (0, remark, 1)
    saved = only_run(tmp_path / "runs") / "config.yaml"
    assert "\n  batch_size: 100\n" in saved.read_text()
    again = dlx("train", saved, "--quiet", "--json", "--runs-dir", "again")
    assert (again.code, again.err) == (0, "")
    assert again.json["metrics"] == ended.json["metrics"]
    options = ["--seeds=1", "--anyway", "--dry-run"]
    ended = dlx("ablate", "few.yaml", "--vary", "data.limit=50,100", *options)
    assert ended.code == 0
    assert ended.err == (
        "note: limit=50: train.batch_size is 50, all training rows (default 128)\n"
        "note: limit=100: train.batch_size is 100, all training rows (default 128)\n"
    )
    refused = dlx("train", "few.yaml", "train.batch_size=101")
    assert "received 101, but there are 100 training rows; lower it or use all" in refused.err


def test_dry_run(dlx: Command, tmp_path: Path) -> None:
    ended = dlx("train", "digits", "model.batch_norm=true", "--dry-run", "--json")
    document = ended.json
    assert (ended.code, ended.err) == (0, "")
    assert document["data"]["rows"] == {"train": 1079, "dev": 359, "test": 359}
    assert [(layer["inputs"], layer["outputs"]) for layer in document["layers"]] == [
        (64, 64),
        (64, 64),
        (64, 10),
    ]
    assert [layer["parameters"] for layer in document["layers"]] == [4224, 4224, 650]
    assert document["parameters"] == 4224 + 4224 + 650
    assert (document["steps"], document["epochs"], document["batch_size"]) == (680, 40, 64)
    assert document["cost"] == pytest.approx(2.3, abs=0.7)  # log 10, before anything is learned
    text = dlx("train", "digits", "model.batch_norm=true", "--dry-run").out
    assert "digits: digits (1,079 train, 359 dev, 359 test rows), multiclass" in text
    assert "64 → 10" in text and "batch norm before, dropout 0.2" in text
    assert "cross_entropy" in text and "nothing was written" in text
    assert list(tmp_path.iterdir()) == []


def test_dry_run_costs_what_the_first_step_costs(dlx: Command, tmp_path: Path) -> None:
    document = dlx("train", "digits", "--dry-run", "--json").json
    dlx("train", "digits", "train.steps=1", "--quiet")
    last = (only_run(tmp_path / "runs") / "metrics.jsonl").read_text().splitlines()[-1]
    assert json.loads(last)["train"]["running/cost"] == pytest.approx(document["cost"], rel=1e-6)


def test_dry_run_of_what_cannot_be_trained(dlx: Command) -> None:
    ended = dlx("train", "gates/and", "model.output=step", "train.steps=0", "--dry-run")
    assert ended.code == 0
    assert "0 steps" in ended.out


@pytest.mark.parametrize("engine", ["native", "torch"])
def test_dry_run_of_what_diverges_at_once_says_what_training_says(
    dlx: Command, engine: str
) -> None:
    words = ["train", "xor", "model.init={name: constant, value: 3e38}", f"train.engine={engine}"]
    dry, trained = dlx(*words, "--dry-run"), dlx(*words, "--quiet")
    assert (dry.code, dry.out, trained.code) == (5, "", 5)
    said = dry.err.removesuffix("\n")
    assert trained.err.startswith(f"{said} (runs")
    assert "is the first with values that are not finite; try a lower optimizer.lr" in said


LATE = '''
import dlx
from dlx.nn.metrics import RIGHT


@dlx.register("metric", RIGHT, ("binary",), rising=True, scale="share")
def late_metric(right, rows):
    """A metric that fails."""
    raise ZeroDivisionError("no metric")


@dlx.register("schedule")
def late_schedule(step, num_steps):
    """A schedule that fails."""
    raise ZeroDivisionError("no schedule")
'''
# An evaluation, and a stage of pre-training, come after the first batch has passed the network.
BEGINNINGS = {
    "late.py:9: ZeroDivisionError: no metric": "log.metrics=[late_metric]",
    "late.py:15: ZeroDivisionError: no schedule": (
        "pretrain={epochs: 1, optimizer: {name: sgd, schedule: late_schedule}}"
    ),
}


@pytest.mark.parametrize(("said", "asked"), BEGINNINGS.items())
@pytest.mark.usefixtures("forgotten")
def test_dry_run_begins_as_training_does(
    dlx: Command, tmp_path: Path, said: str, asked: str
) -> None:
    (tmp_path / "late.py").write_text(LATE)
    dry = dlx("--plugin", "late.py", "train", "moons", asked, "--dry-run")
    assert (dry.code, said in dry.err) == (2, True), dry.err
    assert not (tmp_path / "runs").exists()
    trained = dlx("--plugin", "late.py", "train", "moons", asked, "--quiet")
    assert (trained.code, trained.err) == (2, dry.err)
    together = ["ablate", "moons", asked, "--vary", "optimizer.lr=0.1,0.2", "--seeds", "2"]
    ended = dlx("--plugin", "late.py", *together, "--dry-run")
    assert (ended.code, said in ended.err) == (2, True), ended.err


def test_resume_leaves_a_finished_run_alone(dlx: Command, tmp_path: Path) -> None:
    first = dlx("train", "xor", "train.steps=10", "--json").json
    assert list(first.pop("diagnosis")) == ["findings", "notes"]
    assert first.pop("linear_model") == {}, "it is no table"
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    again = dlx("resume", "latest", "--json")
    assert (again.code, again.json, again.err) == (0, first, "")
    assert before == {path: path.stat().st_mtime_ns for path in before}


@pytest.mark.slow(*SAVING)
def test_resume_extends_a_finished_run(dlx: Command) -> None:
    dlx("train", "xor", "train.steps=10", "optimizer.schedule=constant")
    extended = dlx("resume", "xor", "train.steps=30", "--json", "--quiet").json
    whole = dlx("train", "xor", "train.steps=30", "--json", "--quiet").json
    assert (extended["steps"], extended["metrics"]) == (30, whole["metrics"])


def test_resume_changes_no_choice(dlx: Command) -> None:
    dlx("train", "xor", "train.steps=10")
    ended = dlx("resume", "xor", "optimizer.lr=0.1")
    assert ended.code == 2
    assert "a run that has begun keeps its optimizer.lr" in ended.err
    ended = dlx("resume", "xor", "train.accumulate=2", "train.steps=20")
    assert (ended.code, "a run that has begun keeps it, 1; train a new run" in ended.err) == (
        2,
        True,
    )


def test_files_of_the_users_own(dlx: Command, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    targets = np.arange(60) % 2
    np.save(tmp_path / "x.npy", generator.normal(size=(60, 4)) + targets[:, None])
    np.save(tmp_path / "t.npy", targets)
    config = "data: {name: npy, inputs: x.npy, targets: t.npy}\ntrain: {batch_size: 20}\n"
    (tmp_path / "mine.yaml").write_text(config)
    ended = dlx("train", "mine.yaml", "--json")
    assert ended.json["metrics"]["train"]["accuracy"] > 0.5
    assert dlx("predict", "latest", "x.npy").out.count("\n") == 61
