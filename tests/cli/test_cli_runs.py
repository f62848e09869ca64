"""`dlx runs`, `dlx runs rm`, `dlx board`."""

import json
import os
import pty
import shutil
import signal
import urllib.request
from pathlib import Path

import pytest

from dlx.cli import run_folders
from dlx.runs import RunDirectory
from dlx.runs.ablations import read_index
from tests.cli.conftest import Command, start
from tests.guarded import COMMANDS, PICTURES
from tests.report.ablation_folder import make_ablation


@pytest.fixture
def runs(trained: Path, tmp_path: Path) -> Path:
    """A copy of the trained runs that may be changed."""
    shutil.copytree(trained, tmp_path / "runs")
    return tmp_path / "runs"


def names(runs: Path) -> set[str]:
    return {path.name for path in runs.iterdir() if path.is_dir()}


def test_the_list_is_newest_first(dlx: Command, trained: Path) -> None:
    ended = dlx("runs", "--runs-dir", trained)
    heading, *rows = ended.out.splitlines()
    columns = ["run", "status", "seed", "steps", "dev", "test", "seconds", "age"]
    assert heading.split() == columns
    assert [row.split("/")[0] for row in rows] == ["xor", "iris", "digits"]
    assert all("completed" in row and "%" in row for row in rows)


def test_the_list_as_json(dlx: Command, trained: Path) -> None:
    runs = dlx("runs", "--runs-dir", trained, "--json").json["runs"]
    assert [run["name"] for run in runs] == ["xor", "iris", "digits"]
    (path,) = (trained / "xor").iterdir()
    info = json.loads((path / "run.json").read_text())
    assert runs[0]["run"] == str(path)
    assert {key: runs[0][key] for key in ("status", "seed", "steps", "metrics", "created")} == {
        key: info[key] for key in ("status", "seed", "steps", "metrics", "created")
    }


def test_a_tag_pins_a_run_and_the_list_shows_it(dlx: Command, runs: Path) -> None:
    (path,) = (runs / "xor").iterdir()
    ended = dlx("runs", "tag", "xor", "xor@production")
    assert ended.err == f"xor@production now means {path.relative_to(runs.parent)}\n"
    heading, first, *_ = dlx("runs").out.splitlines()
    assert heading.split()[-1] == "tags" and first.split()[-1] == "xor@production"
    assert [run["tags"] for run in dlx("runs", "--json").json["runs"]] == [
        ["xor@production"],
        [],
        [],
    ]
    dlx("train", "xor", "train.steps=1", "--quiet")
    for name, said in (
        ("xor@production", "tagged xor@production"),
        ("xor", "the newest of 2 runs called 'xor'"),
    ):
        for command in (["predict", name, "--split", "test"], ["evaluate", name], ["export", name]):
            ended = dlx(*command)
            assert "run: runs/xor/" in ended.err and said in ended.err
            assert (path.name in ended.err) == (name == "xor@production")
    assert dlx("runs", "rm", "xor@production", "--yes").code == 4
    moved = dlx("runs", "tag", "xor", "xor@production", "--json")
    assert moved.json["before"] == str(path.relative_to(runs.parent))
    assert dlx("runs", "untag", "xor@production").code == 0
    assert "no run has a tag" in dlx("predict", "xor@production", "--split", "test").err


def test_an_unfinished_run_shows_its_last_evaluation(dlx: Command, runs: Path) -> None:
    (path,) = (runs / "digits").iterdir()
    RunDirectory(path).write_info(status="running", metrics=None)
    run = dlx("runs", "--json").json["runs"][-1]
    last = json.loads((path / "metrics.jsonl").read_text().splitlines()[-1])
    assert (run["status"], run["steps"]) == ("interrupted", last["step"])
    assert run["metrics"]["dev"] == {key: last["dev"][key] for key in ("cost", "accuracy")}


def test_a_damaged_run_is_warned_of(dlx: Command, runs: Path) -> None:
    (path,) = (runs / "digits").iterdir()
    (path / "run.json").write_text("{")
    ended = dlx("runs")
    assert (ended.code, len(ended.out.splitlines())) == (0, 3)
    assert ended.err.startswith("warning: ") and "run.json is damaged" in ended.err


def test_runs_of_a_name_that_meet_a_condition(dlx: Command, trained: Path) -> None:
    options = ["--where", "dev.accuracy>0", "--sort", "-seed", "--columns", "optimizer,dev.cost"]
    for words in (["xor", *options], [*options, "xor"]):
        heading, row = dlx("runs", "--runs-dir", trained, *words).out.splitlines()
        assert heading.split() == ["run", "optimizer", "dev.cost"] and row.startswith("xor/")
    before = sorted(trained.rglob("*"))
    for condition, place in (("open('x')", "character 1"), ("dev.acuracy > 1", "'dev.accuracy'")):
        ended = dlx("runs", "--runs-dir", trained, "--where", condition)
        assert (ended.code, ended.out) == (2, "") and place in ended.err
        assert len(ended.err.splitlines()) == 1
    assert sorted(trained.rglob("*")) == before
    assert dlx("runs", "nope", "--runs-dir", trained).code == 4


def test_no_runs(dlx: Command) -> None:
    assert dlx("runs", "--json").json == {"runs": []}
    assert "no runs in runs" in dlx("runs").err


def test_rm_without_a_terminal_needs_yes(dlx: Command, runs: Path) -> None:
    ended = dlx("runs", "rm", "digits")
    assert ended.code == 2
    assert "give --yes" in ended.err
    assert names(runs) == {"digits", "iris", "xor"}


def test_rm_with_yes(dlx: Command, runs: Path) -> None:
    ended = dlx("runs", "rm", "digits", "iris", *(runs / "iris").iterdir(), "--yes", "--json")
    assert ended.code == 0
    assert len(ended.json["deleted"]) == 2  # iris was named twice
    assert names(runs) == {"xor"}


def test_rm_of_what_is_not_there_deletes_nothing(dlx: Command, runs: Path) -> None:
    ended = dlx("runs", "rm", "digits", "nope", "--yes")
    assert ended.code == 4
    assert names(runs) == {"digits", "iris", "xor"}


def test_rm_in_the_folder_that_runs_was_given(dlx: Command, trained: Path, tmp_path: Path) -> None:
    for place in ("here", "there"):
        shutil.copytree(trained, tmp_path / place)
    assert dlx("runs", "--runs-dir", "here", "rm", "xor", "--yes").code == 0
    assert dlx("runs", "rm", "iris", "--runs-dir", "there", "--yes").code == 0
    assert names(tmp_path / "here") == {"digits", "iris"}
    assert names(tmp_path / "there") == {"digits", "xor"}


@pytest.mark.parametrize(("answer", "left"), [(b"n\n", {"digits", "iris", "xor"}), (b"y\n", None)])
def test_rm_asks(answer: bytes, left: set[str] | None, runs: Path, tmp_path: Path) -> None:
    terminal, stdin = pty.openpty()
    started = start("runs", "rm", "digits", cwd=tmp_path, stdin=stdin)
    os.close(stdin)
    os.write(terminal, answer)
    _, err = started.communicate(timeout=60)
    os.close(terminal)
    assert started.returncode == 0
    assert "delete this run? [y/N]" in err
    assert names(runs) == (left or {"iris", "xor"})


@pytest.mark.slow(*PICTURES)
def test_board_serves_the_runs(runs: Path, tmp_path: Path) -> None:
    started = start("board", "--port", "0", cwd=tmp_path)
    assert started.stdout is not None
    line = started.stdout.readline()
    address = line.split()[3]
    assert line.startswith("TensorBoard on runs: http://localhost:")
    with urllib.request.urlopen(f"{address}data/plugins_listing", timeout=10) as answer:
        assert json.load(answer)["scalars"]["enabled"] in (True, False)
    with urllib.request.urlopen(address, timeout=10) as answer:
        assert b"TensorBoard" in answer.read()
        assert answer.url.startswith(f"{address}?smoothing=0&runColorGroup=regex")
    started.send_signal(signal.SIGINT)
    _, err = started.communicate(timeout=30)
    assert started.returncode == 0
    assert "Traceback" not in err and "error" not in err


@pytest.mark.slow(*PICTURES)
def test_board_shows_the_best_of_an_ablation(tmp_path: Path) -> None:
    means = {"relu": 0.9, "tanh": 0.95, "step": None, "sigmoid": 0.2}
    path = make_ablation(tmp_path / "runs", means).relative_to(tmp_path)
    started = start("board", "demo", "--top", "2", "--port", "0", cwd=tmp_path)
    assert started.stdout is not None
    first, second = started.stdout.readline(), started.stdout.readline()
    address = first.split()[-4]
    what = f"2 variants of {path}, the best by dev accuracy"
    assert first == f"TensorBoard on {what}: {address} (Ctrl-C ends it)\n"
    page = f"{address}?smoothing=0#custom_scalars&_smoothingWeight=0&regexInput="
    assert second.startswith(f"means of the variants, with intervals: {page}")
    with urllib.request.urlopen(f"{address}data/runs", timeout=10) as answer:
        shown = {name.partition("/")[0] for name in json.load(answer)}
    assert shown == {".", "relu", "tanh"}
    started.send_signal(signal.SIGINT)
    _, err = started.communicate(timeout=30)
    assert started.returncode == 0
    assert "left out: sigmoid (20.00 %), step (–)\n" in err
    assert "tick the box" not in err


def test_board_shows_one_run_of_an_ablation(
    dlx: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_ablation(tmp_path / "runs", {"relu": 0.9, "tanh": 0.8}).relative_to(tmp_path)
    monkeypatch.setattr(run_folders, "serve", lambda *_: "http://localhost:1/")
    monkeypatch.setattr(run_folders, "wait", lambda: None)
    number = next(run.number for run in read_index(path).values() if run.name == "tanh/seed=1")
    for name in ("demo/tanh@1", f"demo#{number}", path / "runs" / str(number)):
        ended = dlx("board", name)
        assert ended.code == 0, ended.err
        assert ended.out.startswith(f"TensorBoard on {path}/tanh/seed=1: ")
        assert list((path / "tanh" / "seed=1").rglob("events.out.tfevents.*"))
    assert not (path / "relu" / "seed=1").exists()


def test_board_says_how_to_see_many_curves(
    dlx: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_ablation(tmp_path / "runs", {f"relu {place}": 0.5 for place in range(9)}, seeds=28)
    opened = []
    monkeypatch.setattr(
        run_folders, "serve", lambda *given: opened.append(given[-1]) or "http://localhost:1/"
    )
    monkeypatch.setattr(run_folders, "wait", lambda: None)
    assert "until you tick the box above their list" in dlx("board", path).err
    fewer = dlx("board", path, "--top", 2)
    assert "left out: relu 2 (50.00 %), relu 3 (50.00 %)" in fewer.err
    assert "relu 6 (50.00 %) and 2 more\n" in fewer.err
    assert "tick" not in fewer.err
    assert "tick" in dlx("board", path, "--top", 9).err
    starts = [page.partition("#")[2].partition("&")[0] for page in opened]
    assert starts == ["custom_scalars", "", "custom_scalars"]


def test_board_has_no_best_of_what_is_no_ablation(dlx: Command, runs: Path) -> None:
    ended = dlx("board", "digits", "--top", "2")
    assert ended.code == 4
    assert "is a run, not an ablation; leave out --top" in ended.err
    assert dlx("board", "digits", "--top", "0").code == 2


@pytest.mark.slow(*COMMANDS)
def test_board_on_a_port_that_is_taken(process: Command, runs: Path) -> None:
    import socket

    with socket.create_server(("localhost", 0)) as taken:
        ended = process("board", "--port", taken.getsockname()[1])
    assert ended.code == 2
    assert "error: TensorBoard could not start" in ended.err


@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize("host", ["", "x" * 100, "192.0.2.1"])
def test_board_on_a_host_that_is_none(host: str, dlx: Command) -> None:
    ended = dlx("board", "--host", host)
    assert ended.code == 2
    assert ended.err.startswith(f"error: --host: '{host}' is no address: ")


def test_board_without_runs(dlx: Command) -> None:
    ended = dlx("board")
    assert ended.code == 2
    assert "there is no folder runs" in ended.err
    assert dlx("board", "nope").code == 4
