"""What the system does not tell is never taken for missing, whatever `Path.exists` and `glob` say.

From Python 3.14 on `Path.exists` takes any error for a file that is not there, and from 3.13 on
`Path.glob` leaves out a folder that it cannot read. Here both do so on every Python.
"""

import errno
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import dlx
from dlx.runs import RunDirectory, checkpoints
from dlx.runs.ablations import read_index, read_summary
from dlx.runs.directory import find
from dlx.runs.files import exists, make_directory, matching
from dlx.search.directory import Progress

Untold = Callable[[str], None]
SOURCES = Path(dlx.__file__).parent

# Decisions that lose and hide nothing: what is offered after an error, temporary files, earlier
# ablations that a plan may look at, figures, sources of dlx itself.
FREE = {
    "ablation/cluster_worker.py": 3,
    "ablation/variances.py": 1,
    "report/figures.py": 1,
    "report/run/observer.py": 1,
    "runs/files.py": 1,
    "training/stages.py": 2,
}


@pytest.fixture
def untold(monkeypatch: pytest.MonkeyPatch) -> Untold:
    """Let the system tell nothing of files and folders of a name, as Python 3.14 has it."""
    names: set[str] = set()

    def failing(call: Callable) -> Callable:
        def told(path: Path | str = ".", *args: object, **options: object) -> object:
            if Path(path).name in names:
                raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
            return call(path, *args, **options)

        return told

    monkeypatch.setattr(os, "stat", failing(os.stat))
    monkeypatch.setattr(os, "listdir", failing(os.listdir))
    monkeypatch.setattr(os, "scandir", failing(os.scandir))
    monkeypatch.setattr(Path, "exists", os.path.exists)
    return names.add


def test_exists(tmp_path: Path, untold: Untold) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    assert exists(tmp_path) and exists(tmp_path / "file")
    for name in ("none", "file/none", "loop", "a\0b"):
        assert not exists(tmp_path / name)
    untold("file")
    with pytest.raises(OSError, match="Input/output error"):
        exists(tmp_path / "file")


def test_matching(tmp_path: Path, untold: Untold) -> None:
    for name in ("b", "a", "c.txt"):
        make_directory(tmp_path / "runs" / name)
        (tmp_path / "runs" / name / "run.json").touch()
    (tmp_path / "runs" / "file").touch()
    (tmp_path / "runs" / "loop").symlink_to("loop")
    expected = [tmp_path / "runs" / name / "run.json" for name in ("a", "b", "c.txt")]
    assert matching(tmp_path / "runs", "*/run.json") == expected
    assert matching(tmp_path / "runs", "*.txt/run.json") == expected[2:]
    assert matching(tmp_path / "none", "*/run.json") == []
    untold("b")
    with pytest.raises(OSError, match="Input/output error"):
        matching(tmp_path / "runs", "*/run.json")


def test_decisions(tmp_path: Path, untold: Untold) -> None:
    """Each looked away from what is there: another run, no journal, a fresh start."""
    run = RunDirectory.create(tmp_path, "xor")
    folder = run.path
    for name in ("summary.json", "plan.json"):
        (folder / name).write_text("{}")
    make_directory(run.checkpoints)
    for name, look in {
        "run.json": lambda: find(folder, tmp_path),
        "summary.json": lambda: read_summary(folder, "summary.json"),
        "plan.json": lambda: Progress.read(folder),
        "checkpoints": lambda: checkpoints.clear(run.checkpoints),
        folder.name: lambda: read_index(folder),
    }.items():
        untold(name)
        with pytest.raises(OSError, match="Input/output error"):
            look()


def test_nothing_else_asks_python() -> None:
    pattern = re.compile(r"\.(?:exists|r?glob)\(")
    counts = {}
    for part in ("ablation", "report", "runs", "search", "tracking", "training"):
        for path in sorted((SOURCES / part).rglob("*.py")):
            if count := len(pattern.findall(path.read_text())):
                counts[path.relative_to(SOURCES).as_posix()] = count
    assert counts == FREE
