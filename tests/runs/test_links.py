"""Links and special files in a folder of runs: refused, and what they lead to stays as it is."""

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from dlx import api
from dlx.cli import main
from dlx.errors import RunError
from dlx.runs import AppendFile, RunDirectory
from dlx.runs.files import refuse_links

TEXT = b"the user's own file\n"
# Of a run's folder: what may be a link to a file, or to a folder.
FILES = (
    *("metrics.jsonl", ".lock", "run.json", "config.yaml", "weights.safetensors", "report.html"),
    *("preprocessing.safetensors", "train/events.out.tfevents.0000000001.dlx", "any.txt"),
)
FOLDERS = ("checkpoints", "train", "dev", "figures", "export")
COMMANDS = (
    ["resume", "RUN"],
    ["resume", "RUN", "train.epochs=3"],
    ["evaluate", "RUN"],
    ["report", "RUN"],
    ["figures", "RUN"],
    ["export", "RUN"],
    ["diagnose", "RUN"],
    ["verify", "RUN"],
    ["predict", "RUN", "--split", "test"],
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has ended."""
    config = {"name": "small", "data": "iris", "model": {"hidden": [3]}, "train": {"epochs": 2}}
    return api.train(config, runs_dir=tmp_path_factory.mktemp("made")).path


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "small" / finished.name
    shutil.copytree(finished, folder)
    return folder


def put(link: Path, target: Path) -> None:
    if link.is_dir():
        shutil.rmtree(link)
    link.unlink(missing_ok=True)
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(target)


def ended(
    command: list[str], run: Path, capsys: pytest.CaptureFixture[str]
) -> tuple[int, list[str]]:
    capsys.readouterr()
    words = [str(run) if word == "RUN" else word for word in command]
    code = main([*words, *(["--no-figures"] if command[0] == "resume" else [])])
    return code, capsys.readouterr().err.splitlines()


@pytest.mark.parametrize("name", FILES)
def test_a_link_to_a_file_is_refused_by_every_command(
    name: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "own"
    own.write_bytes(TEXT)
    put(run / name, own)
    for command in COMMANDS:
        code, lines = ended(command, run, capsys)
        assert code == 4, (command, lines)
        assert lines == [
            f"error: {run / name} is a link, which dlx does not follow in a folder of runs; delete "
            "it, or put the file or folder itself in its place"
        ]
    assert own.read_bytes() == TEXT


@pytest.mark.parametrize("name", FOLDERS)
def test_a_link_to_a_folder_is_refused_by_every_command(
    name: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "kept").write_bytes(TEXT)
    put(run / name, own)
    for command in COMMANDS:
        code, lines = ended(command, run, capsys)
        assert code == 4, (command, lines)
        assert lines[0].startswith(f"error: {run / name} is a link, which dlx does not follow")
    assert [path.name for path in own.iterdir()] == ["kept"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
@pytest.mark.parametrize("name", [*FILES, "checkpoints/any"])
def test_a_fifo_is_refused_by_every_command(
    name: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing waits for somebody to write into it."""
    (run / name).unlink(missing_ok=True)
    os.mkfifo(run / name)
    for command in COMMANDS:
        code, lines = ended(command, run, capsys)
        assert code == 4, (command, lines)
        assert lines[0].startswith(f"error: {run / name} is a special file, which dlx does not")


def test_the_list_of_runs_names_a_link_and_goes_on(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = run.with_name("20260101-000000-0000")
    shutil.copytree(run, other)
    put(other / "run.json", tmp_path / "nowhere")
    (other.parent / "20260101-000000-0001").mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(other.parent / "20260101-000000-0001" / "run.json")
    assert main(["runs", "--runs-dir", str(tmp_path / "runs")]) == 0
    printed = capsys.readouterr()
    assert run.name in printed.out
    assert printed.err.count("warning: ") == 2


def test_a_folder_with_a_link_is_removed_and_not_what_it_leads_to(
    run: Path, tmp_path: Path
) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "kept").write_bytes(TEXT)
    put(run / "checkpoints", tmp_path / "own")
    put(run / "metrics.jsonl", tmp_path / "own" / "kept")
    assert main(["runs", "rm", str(run), "--yes"]) == 0
    assert not run.exists()
    assert (tmp_path / "own" / "kept").read_bytes() == TEXT


def test_another_name_of_a_file_keeps_its_content(run: Path, tmp_path: Path) -> None:
    """A hard link is an ordinary file; what dlx appends to, or notes, is one of its own."""
    own, note = tmp_path / "own", tmp_path / "note"
    own.write_bytes(TEXT)
    note.write_bytes(TEXT)
    (run / "metrics.jsonl").rename(own)
    os.link(own, run / "metrics.jsonl")
    (run / ".lock").unlink()
    os.link(note, run / ".lock")
    before = own.read_bytes()
    longer = api.resume(run, ["train.epochs=3"])
    assert longer.status == "completed" and len(longer.history) > before.count(b"\n")
    assert (own.read_bytes(), note.read_bytes()) == (before, TEXT)


def test_links_of_an_ablation_are_refused_and_inner_runs_are_not_written_through_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = {"name": "many", "data": "iris", "model": {"hidden": [3]}, "train": {"epochs": 1}}
    varied = ["model.activation=relu,tanh"]
    path = api.ablate(config, varied=varied, seeds=2, runs_dir=tmp_path / "runs").path
    own = tmp_path / "own"
    for name in ("runs", "cohorts/2", "activation=relu", "figures", "relu"):
        shutil.copytree(path, tmp_path / "copy" / path.name)
        copy = tmp_path / "copy" / path.name
        own.mkdir()
        put(copy / name, own)
        for command in (["resume", copy], ["evaluate", f"{copy}#1"], ["report", copy]):
            capsys.readouterr()
            assert main([*map(str, command)]) == 4
            assert f"error: {copy / name} is a link" in capsys.readouterr().err
        with pytest.raises(RunError, match="is a link"):
            from dlx.report.board import derive

            derive(copy)
        assert list(own.iterdir()) == []
        shutil.rmtree(copy)
        own.rmdir()


def test_the_lock_and_lists_of_all_runs_are_no_links(run: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_bytes(TEXT)
    runs_dir = tmp_path / "runs"
    put(runs_dir / ".lock", own)
    with pytest.raises(RunError, match=r"\.lock is a link"):
        RunDirectory.create(runs_dir, "new", config="seed: 0\n")
    for name in (".tags.json", ".index.json"):
        put(runs_dir / name, own)
    assert main(["runs", "--runs-dir", str(runs_dir)]) == 4
    (runs_dir / ".tags.json").unlink()
    assert main(["runs", "--runs-dir", str(runs_dir)]) == 0
    assert own.read_bytes() == TEXT


@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to("/dev/null")])
def test_only_files_and_folders_are_let_through(
    make: Callable[[Path], None], tmp_path: Path
) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    refuse_links(tmp_path)
    refuse_links(tmp_path / "missing")
    make(tmp_path / "a" / "b" / "c")
    if stat.S_ISLNK((tmp_path / "a" / "b" / "c").lstat().st_mode):
        with pytest.raises(RunError, match=r"a/b/c is a link"):
            refuse_links(tmp_path)
        with pytest.raises(RunError, match=r"a/b/c is a link"):
            AppendFile(tmp_path / "a" / "b" / "c")
    else:
        refuse_links(tmp_path)
