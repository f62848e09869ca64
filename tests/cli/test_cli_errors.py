"""Bad input: one clear error, the documented exit code, nothing half made."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dlx.cli import app
from dlx.errors import StorageError
from dlx.runs import RunDirectory, documents
from tests.cli.conftest import Command, environment, only_run
from tests.guarded import COMMANDS

CONFIG_ERRORS = [
    (
        ["train.epoch=3"],
        r"override 'train.epoch=3': train.epoch: unknown key; did you mean 'epochs'",
    ),
    (["train.epochs=many"], "override 'train.epochs=many': train.epochs: received"),
    (["model.dropout=1.0"], "model.dropout: received 1.0"),
    (["model.hidden=[-3]"], r"model.hidden\[0\]: received -3"),
    (["train.batch_size=100000"], "train.batch_size: received 100000, but there are 1079 training"),
    (["train.device=cuda:99"], r"train.device: received cuda:99, but this machine has cpu"),
    (["name=../outside"], "name: received '../outside'"),
    (["name=a/b"], "name: received 'a/b'"),
    (["--seed", "-1"], "override 'seed=-1': seed: received -1"),
    (["model.activation=step"], "no gradient passes through step"),
]


@pytest.mark.parametrize(("arguments", "message"), CONFIG_ERRORS)
def test_a_config_that_cannot_be(
    arguments: list[str], message: str, dlx: Command, tmp_path: Path
) -> None:
    ended = dlx("train", "digits", *arguments)
    assert (ended.code, ended.out) == (2, "")
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(ended.err)
    assert ended.err.startswith("error: ") and ended.err.count("error") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments", [("train",), ("evaluate",), ("runs",), ("train", "xor", "--x")]
)
def test_a_name_that_is_longer_than_any_path_loses_its_middle(
    arguments: tuple[str, ...], dlx: Command
) -> None:
    *command, last = arguments
    ended = dlx(*command, f"{last}{'x' * 10_000}") if command else dlx(last, "x" * 10_000)
    assert ended.code in (2, 4) and "xxx … xxx" in ended.err and len(ended.err) < 300


@pytest.mark.slow(*COMMANDS)
def test_all_errors_at_once_in_a_process(process: Command, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("data: digits\nmodle: mlp\ntrain:\n  epochs: -1\n")
    ended = process("train", "bad.yaml", "optimizer.lr=high", "--json")
    assert (ended.code, ended.out) == (2, "")
    lines = ended.err.splitlines()
    assert lines[0] == "error: 3 errors"
    assert lines[1].startswith("  bad.yaml:2: modle: unknown key; did you mean 'model'?")
    assert lines[2].startswith("  bad.yaml:4: train.epochs: received -1")
    assert lines[3].startswith("  override 'optimizer.lr=high': optimizer.lr: received 'high'")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.yaml"]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("digit", "no such file, nor a config that comes with dlx; did you mean 'digits'?"),
        ("configs/xor.yaml", "did you mean 'xor'?"),
        ("seed=3", "CONFIG comes before KEY=VALUE"),
        ("mine.yaml", "mine.yaml: no such file"),
    ],
)
def test_a_config_that_is_not_there(config: str, message: str, dlx: Command) -> None:
    ended = dlx("train", config)
    assert ended.code == 2
    assert message in ended.err


def test_missing_data(dlx: Command, tmp_path: Path) -> None:
    ended = dlx("train", "mnist", "--data-dir", "nowhere")
    assert (ended.code, ended.out) == (3, "")
    assert "error: data set 'mnist' is missing" in ended.err
    assert "`dlx data fetch mnist`" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_missing_run(dlx: Command, trained: Path) -> None:
    ended = dlx("evaluate", "digit", "--runs-dir", trained)
    assert ended.code == 4
    assert f"error: no run 'digit' in {trained}; did you mean 'digits'?" in ended.err


@pytest.mark.parametrize("command", [["evaluate"], ["predict", "--split", "test"], ["export"]])
def test_damaged_weights(command: list[str], dlx: Command, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "runs")
    (path,) = Path("runs/digits").iterdir()
    weights = path / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    ended = dlx(command[0], "digits", *command[1:])
    assert (ended.code, ended.out) == (4, "")
    assert "weights.safetensors is damaged" in ended.err


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"x")])
def test_resume_mends_a_finished_run(
    damage: Callable[[Path], object], dlx: Command, trained: Path, tmp_path: Path
) -> None:
    shutil.copytree(trained, tmp_path / "runs")
    (path,) = Path("runs/digits").iterdir()
    whole = (path / "weights.safetensors").read_bytes()
    damage(path / "weights.safetensors")
    ended = dlx("evaluate", "digits")
    assert ended.code == 4
    assert "resume" in ended.err
    assert dlx("resume", "digits").code == 0
    assert (path / "weights.safetensors").read_bytes() == whole


def test_a_damaged_document(dlx: Command, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "runs")
    (path,) = Path("runs/digits").iterdir()
    info = documents.read(path / "run.json")
    for changes in ({"seconds": "long"}, {"task": {"kind": "sums"}}):
        documents.write(path / "run.json", info | changes)
        ended = dlx("evaluate", "digits")
        assert (ended.code, ended.out) == (4, "")
        assert f"run.json is damaged: its {next(iter(changes))}" in ended.err
    (path / "run.json").write_text(json.dumps(info | {"schema": 2, "seconds": 0}))
    ended = dlx("evaluate", "digits")
    assert (ended.code, ended.out) == (4, "")
    assert "run.json is damaged: its fields were changed" in ended.err


def test_a_name_that_is_too_long(dlx: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(f"extends: {'x' * 5000}\n")
    for config in ("x" * 5000, "mine.yaml"):
        ended = dlx("train", config)
        assert ended.code == 2
        assert "xxx: this name is too long; choose another" in ended.err


def test_foreign_weights(dlx: Command, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "runs")
    (digits,), (iris,) = Path("runs/digits").iterdir(), Path("runs/iris").iterdir()
    shutil.copy(iris / "weights.safetensors", digits)
    ended = dlx("evaluate", "digits")
    assert ended.code == 4
    assert "weights" in ended.err


def test_a_run_without_its_config(dlx: Command, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "runs")
    (path,) = Path("runs/digits").iterdir()
    (path / "config.yaml").unlink()
    ended = dlx("evaluate", "digits")
    assert ended.code == 4
    assert "config.yaml" in ended.err


def test_changed_data(dlx: Command, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "runs")
    (path,) = Path("runs/digits").iterdir()
    RunDirectory(path).write_info(data_fingerprint="another")
    for command in (["evaluate", "digits"], ["resume", "digits", "train.epochs=5"]):
        ended = dlx(*command)
        assert ended.code == 3
        assert "have changed since" in ended.err


def test_divergence_keeps_good_checkpoints(dlx: Command, tmp_path: Path) -> None:
    # A linear network under a rate that grows: some epochs go well before the cost overflows.
    ended = dlx(
        *("train", "digits", "model.hidden=[]", "model.output=identity", "model.loss=mse"),
        *("optimizer={name: sgd, lr: 30, schedule: {name: constant, warmup: 1000}}", "--json"),
        *("train.checkpoint_seconds=0", "train.steps=1000"),
    )
    assert ended.code == 5
    assert "error: the training cost was not finite after" in ended.err
    assert "in the loss" in ended.err  # the squares overflow before the outputs do
    path = only_run(tmp_path / "runs")
    assert ended.json["status"] == "diverged"
    assert ended.json["run"] == str(path.relative_to(tmp_path))
    assert not (path / "weights.safetensors").exists()

    from dlx.runs import checkpoints

    newest = checkpoints.load_newest(path / "checkpoints")
    assert newest is not None and newest.step > 0
    assert all(bool(tensor.isfinite().all()) for tensor in newest.tensors.values())


def test_divergence_at_once(dlx: Command, tmp_path: Path) -> None:
    ended = dlx("train", "digits", "optimizer={name: sgd, lr: 1e30}")
    assert ended.code == 5
    assert "error: the cost was not finite at step 1; layer 2 is the first" in ended.err
    path = only_run(tmp_path / "runs")
    for command in (["resume", path], ["evaluate", path], ["export", path]):
        ended = dlx(*command)
        assert ended.code in (4, 5)
        assert "diverged" in ended.err or "not finite" in ended.err


def test_unwritable_runs_directory(dlx: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    ended = dlx("train", "xor", "train.steps=5", "--runs-dir", "file/runs")
    assert (ended.code, ended.out) == (9, "")
    assert "error: cannot make file/runs" in ended.err
    assert (tmp_path / "file").read_text() == "in the way"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows deletes no folder in use")
def test_a_working_folder_that_was_deleted(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "dlx", "train", "xor", "--runs-dir", str(tmp_path)]
    script = 'mkdir "$0"; cd "$0"; rmdir "$0"; exec "$@"'
    ended = subprocess.run(
        ["sh", "-c", script, str(tmp_path / "gone"), *words],
        env=environment() | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
    )
    message = "error: the working folder has been deleted; change to one that is there (cd)\n"
    assert (ended.returncode, ended.stderr) == (9, message)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such paths")
def test_a_working_folder_whose_path_is_longer_than_a_system_call_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Path, "cwd", lambda: Path("/" + "x/" * 2100))
    with pytest.raises(StorageError, match="the working folder's path has 4,096 bytes or more, "):
        app._check_folder()


def test_a_run_in_use(dlx: Command, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "runs")
    with next(map(RunDirectory, Path("runs/digits").iterdir())).lock():
        for command in (["resume", "digits", "train.epochs=9"], ["runs", "rm", "digits", "--yes"]):
            ended = dlx(*command)
            assert ended.code == 7
            assert "is in use by process" in ended.err


def test_an_archive_of_pickled_objects(dlx: Command, tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", inputs=np.array([{}] * 4), targets=np.arange(4))
    (tmp_path / "mine.yaml").write_text("data: {name: npz, path: set.npz}\n")
    ended = dlx("train", "mine.yaml")
    assert ended.code == 3
    assert "set.npz: its array 'inputs' cannot be read (it holds pickled objects" in ended.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.yaml", "set.npz"]


@pytest.mark.slow(*COMMANDS)
def test_a_folder_whose_name_is_no_text(dlx: Command, tmp_path: Path) -> None:
    """A byte that is not UTF-8 in a path: Python keeps it, and nothing that is written may fail."""
    folder = os.fsdecode(b"runs-\xff")
    where = ["--runs-dir", folder]
    ended = dlx("train", "moons", "train.steps=1", "--quiet", *where)
    assert (ended.code, ended.err) == (0, "")
    assert dlx("report", "moons", *where).code == 0
    assert dlx("figures", "moons", *where).code == 0
    asked = ["ablate", "xor", "train.steps=3", "--vary", "optimizer.lr=0.1,0.2", "--seeds=2"]
    assert dlx(*asked, "--anyway", "--quiet", *where).code == 0
    assert dlx("runs", *where).code == 0


@pytest.mark.slow(*COMMANDS)
@pytest.mark.skipif(sys.platform == "win32", reason="has no such limit")
def test_too_few_open_files(tmp_path: Path) -> None:
    program = (
        "import os, sys, torch\nfrom dlx.cli import main\nimport dlx.api\n"
        "held = []\nimport resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))\n"
        "try:\n    while True: held.append(os.open(os.devnull, os.O_RDONLY))\n"
        "except OSError: pass\nos.close(held.pop())\nsys.exit(main(sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", program, "train", "moons", "train.steps=2", "--quiet"]
    ended = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=100
    )
    assert ended.returncode == 9, ended.stderr
    assert "Too many open files; raise the limit on open files (ulimit -n)" in ended.stderr
    assert "Traceback" not in ended.stderr
