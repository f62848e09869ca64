"""A clock that is set back, set forward or stands still changes neither order nor names."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dlx.report.run_list import summaries
from dlx.runs import RunDirectory, directory
from dlx.runs.info import MOST
from tests.cli.conftest import Command, dlx

__all__ = ["dlx"]
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
CLOCKS = {
    "back": [NOW, NOW - DAY, NOW - 2 * DAY, NOW - 3 * DAY],
    "forward": [NOW, NOW + 900 * DAY, NOW + DAY, NOW + 2 * DAY],
    "frozen": [NOW] * 4,
}


def set_clock(monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return now

    monkeypatch.setattr(directory, "datetime", Clock)


def made(runs_dir: Path, monkeypatch: pytest.MonkeyPatch, clock: str) -> list[Path]:
    paths = []
    for number, now in enumerate(CLOCKS[clock]):
        set_clock(monkeypatch, now)
        paths.append(RunDirectory.create(runs_dir, "ab"[number % 2], config="").path)
    return paths


@pytest.mark.parametrize("clock", CLOCKS)
def test_names_mean_the_run_that_began_last(
    clock: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = made(tmp_path, monkeypatch, clock)
    runs, _ = directory.list_runs(tmp_path)
    assert [run.path for run in runs] == paths[::-1]
    assert directory.find("latest", tmp_path).path == paths[-1]
    assert directory.find("b", tmp_path).path == paths[3]
    assert directory.find("a", tmp_path).path == paths[2]
    for _ in range(2):  # without the index, and with it
        listed = summaries(tmp_path)
        assert [run["run"] for run in listed.runs] == [str(path) for path in paths[::-1]]
        told = [text for text in listed.warnings if "the clock was changed: " in text]
        assert len(told) == (clock != "frozen")


@pytest.mark.parametrize("content", [None, b"", b"x", b"-5", b"9" * 5000, b"\xff"])
def test_a_count_that_is_lost_is_made_again(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = made(tmp_path, monkeypatch, "back")
    count = tmp_path / ".count"
    assert count.read_text() == "4"
    count.unlink() if content is None else count.write_bytes(content)
    set_clock(monkeypatch, NOW - 9 * DAY)
    last = RunDirectory.create(tmp_path, "c", config="")
    assert directory.find("latest", tmp_path).path == last.path
    runs, _ = directory.list_runs(tmp_path)
    assert [run.path for run in runs[1:]] == paths[::-1]


def test_runs_of_earlier_versions_are_older_and_sorted_by_their_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = made(tmp_path, monkeypatch, "back")
    for path in paths[:3]:
        info = RunDirectory(path).read_info()
        info.pop("ordinal")
        directory.documents.write(path / "run.json", info)
    runs, _ = directory.list_runs(tmp_path)
    assert [run.path for run in runs] == [paths[3], *paths[:3]]


def test_an_age_below_0_is_told(
    dlx: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, datetime.now(UTC) + DAY)
    RunDirectory.create(tmp_path / "runs", "a", config="data: {name: xor}\n")
    ended = dlx("runs")
    assert ended.code == 0
    assert "clock was changed" in ended.out
    assert " -" not in ended.out


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_a_count_that_is_no_file_is_made_again(
    make: Callable[[Path], None], tmp_path: Path
) -> None:
    """Nothing waits for somebody to write into it, or reads what has no end."""
    first = RunDirectory.create(tmp_path, "a", config="")
    (tmp_path / ".count").unlink()
    make(tmp_path / ".count")
    last = RunDirectory.create(tmp_path, "a", config="")
    assert (tmp_path / ".count").read_text() == "2"
    assert [run.path for run in directory.list_runs(tmp_path)[0]] == [last.path, first.path]


def test_the_largest_number_of_a_run_spoils_no_later_one(tmp_path: Path) -> None:
    first = RunDirectory.create(tmp_path, "a", config="")
    first.write_info(sequence=MOST, ordinal=MOST)
    for _ in range(2):
        last = RunDirectory.create(tmp_path, "a", config="")
        assert last.read_info()["ordinal"] == last.read_info()["sequence"] == MOST
    assert directory.find("a", tmp_path).path == last.path
