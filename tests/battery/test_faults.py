"""Calls on files that fail, and processes killed at any moment: one line, nothing lost.

The short form tries some; `pytest -m battery` all faults of all commands.
"""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.battery.conftest import Record
from tests.battery.faults import FAULTS, preloaded, why_not
from tests.battery.faulty import WORKS
from tests.guarded import RUNS, SAVING

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())


def tried(folder: Path, *arguments: object, by: str = "faulty") -> dict[str, Any]:
    """Return counts of what was tried; nothing was wrong."""
    command = [sys.executable, "-m", f"tests.battery.{by}", folder / "scene", *arguments]
    ended = subprocess.run(
        [*map(str, command)], env=preloaded(folder), capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    result = json.loads(ended.stdout)
    wrong = {name: part["wrong"] for name, part in result.items() if part["wrong"]}
    assert wrong == {}
    return {name: part["counts"] for name, part in result.items()}


@pytest.mark.slow(*SAVING, "dlx/search/")
@pytest.mark.parametrize("work", ["train natively", "ablate in processes", "search"])
def test_some_faults(work: str, tmp_path: Path) -> None:
    faults = "kill in a write", "kill before a removal", "full disk", "short writes"
    counts = tried(tmp_path, work, "calls", 1, *faults)
    assert all(part["tried"] == 1 for part in counts.values())
    total: Counter[str] = sum((Counter(part) for part in counts.values()), Counter())
    assert total["killed"] > 0 and total["exit 9"] > 0 and total["exit 0"] > 0


@pytest.mark.slow(*RUNS, "dlx/runs/", "dlx/training/store.py")
def test_some_reads_and_closes(tmp_path: Path) -> None:
    counts = tried(tmp_path, "ablate", "calls", 2, "error of a read", "error of a close")
    assert [part["tried"] for part in counts.values()] == [2, 2, 2, 2]


@pytest.mark.battery
@pytest.mark.parametrize("work", WORKS)
def test_every_fault_at_many_calls(
    work: str, share: float, tmp_path: Path, record_property: Record
) -> None:
    counts = tried(tmp_path, work, "calls", round(20 * share), *FAULTS)
    assert all(part["tried"] > 0 for part in counts.values())
    record_property("counts", counts)


@pytest.mark.battery
@pytest.mark.parametrize("work", WORKS)
def test_kills_at_random_moments(
    work: str, share: float, tmp_path: Path, record_property: Record
) -> None:
    counts = tried(tmp_path, work, "random", 7, round(1000 * share) // len(WORKS) + 1)
    record_property("counts", counts)


def can_mount(folder: Path) -> bool:
    """Say whether this process may mount a file system of its own."""
    made = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True)
    return made.returncode == 0 and subprocess.run(["umount", folder]).returncode == 0


@pytest.mark.battery
@pytest.mark.parametrize("work", WORKS)
def test_small_disks(work: str, share: float, tmp_path: Path, record_property: Record) -> None:
    if not can_mount(tmp_path):
        pytest.skip("a small disk is mounted by root alone")
    counts = tried(tmp_path, work, "disks", round(20 * share))
    assert counts["small disks"]["exit 9"] > 0
    record_property("counts", counts)


@pytest.mark.battery
def test_reads_of_commands_that_look_at_runs(
    share: float, tmp_path: Path, record_property: Record
) -> None:
    counts = tried(tmp_path, round(20 * share), by="reading")
    assert counts["reads of commands"]["tried"] > 0
    record_property("counts", counts)
