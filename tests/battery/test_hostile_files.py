"""Files that try to run code: none is executed, and each ends with a documented exit code."""

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.battery.conftest import Record
from tests.battery.hostile_files import cases
from tests.cli.conftest import environment

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its payloads are of a shell")
ALLOWED = {"exit 0", "exit 2", "exit 3", "exit 4", "tried"}


def opened(folder: Path, first: int, last: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.battery.hostile_files", folder, first, last]
    ended = subprocess.run(
        [*map(str, command)], env=environment(), capture_output=True, text=True, timeout=3600
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def assert_harmless(result: dict[str, Any], number: int) -> None:
    assert result["executed"] == {}
    assert result["failed"] == {}
    assert result["counts"].keys() <= ALLOWED
    assert result["counts"]["tried"] == number


def test_the_watch_sees_what_is_executed(tmp_path: Path) -> None:
    """Else nothing would be proven by what it does not see."""
    program = (
        "import os, pickle, sys\nfrom pathlib import Path\n"
        "from tests.battery.hostile_files import _Watch, _payloads\n"
        "watch = _Watch(Path(sys.argv[1]))\nwatch.active = True\n"
        "for name, content in _payloads(sys.argv[1] + '/it-ran').items():\n"
        "    if name.startswith('pickle'):\n        pickle.loads(content)\n"
        "watch.active = False\nprint(len(watch.noted))\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    ended = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout.split()[-1]) >= 24
    assert (tmp_path / "it-ran").exists()


def test_some_hostile_files(tmp_path: Path) -> None:
    assert_harmless(opened(tmp_path, 0, 36), 36)


@pytest.mark.battery
def test_all_hostile_files(tmp_path: Path, record_property: Record) -> None:
    number = sum(1 for _ in itertools.chain(cases("it-ran")))
    assert number >= 500
    result = opened(tmp_path, 0, number)
    record_property("counts", result["counts"])
    assert_harmless(result, number)
