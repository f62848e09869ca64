"""Many processes at once, and processes that may take little memory."""

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.battery.conftest import Record
from tests.cli.conftest import environment, start
from tests.cli.test_memory_limits import LIMITED

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the limits are those of POSIX")


def started_at_once(folder: Path, number: int) -> Counter[str]:
    """Start so many runs of two names at once; return what became of them."""
    asked = ["train", "moons", "train.steps=2", "--quiet", "--no-figures"]
    processes = [start(*asked, f"name={'ab'[n % 2]}", cwd=folder) for n in range(number)]
    ended = [(*process.communicate(timeout=3000), process.returncode) for process in processes]
    counts = Counter(f"exit {code}" for _, _, code in ended)
    for _, err, code in ended:
        lines = err.splitlines()
        assert code == 0, err
        assert all(line.startswith("warning: waiting for ") for line in lines), err
        counts["waits that were told"] += len(lines)
    return counts


def assert_in_order(folder: Path, number: int) -> None:
    """Every run is whole, and no two have the same number."""
    infos = [json.loads(path.read_text()) for path in folder.glob("runs/*/*/run.json")]
    assert len(infos) == number
    assert {info["status"] for info in infos} == {"completed"}
    assert sorted(info["ordinal"] for info in infos) == list(range(1, number + 1))
    for name in "ab":
        family = [json.loads(path.read_text()) for path in folder.glob(f"runs/{name}/*/run.json")]
        assert sorted(info["sequence"] for info in family) == list(range(1, len(family) + 1))


@pytest.mark.slow("dlx/runs/", "dlx/training/")
def test_starts_at_once_share_no_number(tmp_path: Path) -> None:
    assert started_at_once(tmp_path, 4)["exit 0"] == 4
    assert_in_order(tmp_path, 4)


@pytest.mark.battery
def test_50_starts_at_once(tmp_path: Path, record_property: Record) -> None:
    began = time.monotonic()
    counts = started_at_once(tmp_path, 50)
    counts["seconds"] = round(time.monotonic() - began)
    record_property("counts", dict(counts))
    assert_in_order(tmp_path, 50)


def resumed_at_once(folder: Path, number: int) -> Counter[str]:
    """Go on with a stopped run by so many processes at once; return what became of them."""
    asked = ["train", "moons", "train.steps=3000", "train.checkpoint_seconds=0", "--quiet"]
    process = start(*asked, "--no-figures", cwd=folder)
    while not list(folder.glob("runs/moons/*/checkpoints/step=*")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.kill()
    process.communicate()
    processes = [start("resume", "moons", "--quiet", cwd=folder) for _ in range(number)]
    ended = [(*process.communicate(timeout=3000), process.returncode) for process in processes]
    counts = Counter(f"exit {code}" for _, _, code in ended)
    for _, err, code in ended:
        assert code in (0, 7), err
        assert code == 0 or ("error: " in err and "is in use by process" in err), err
        assert "Traceback" not in err
    [run] = folder.glob("runs/moons/*")
    assert json.loads((run / "run.json").read_text())["status"] == "completed"
    lines = (run / "metrics.jsonl").read_bytes().splitlines()
    steps = [json.loads(line)["step"] for line in lines]
    assert steps == sorted(set(steps)) and steps[-1] == 3000
    return counts


@pytest.mark.slow("dlx/runs/", "dlx/training/")
def test_a_double_resume_trains_once(tmp_path: Path) -> None:
    assert resumed_at_once(tmp_path, 2)["exit 0"] >= 1


@pytest.mark.battery
def test_20_resumes_at_once(tmp_path: Path, record_property: Record) -> None:
    counts = resumed_at_once(tmp_path, 20)
    record_property("counts", dict(counts))
    assert counts["exit 0"] >= 1


@pytest.mark.battery
def test_any_little_memory_ends_in_words(tmp_path: Path, record_property: Record) -> None:
    """From 0 MiB beyond what a start takes up to what a run needs, in steps."""
    asked = ["train", "digits", "model.hidden=[2000,2000]", "train.batch_size=all"]
    asked += ["train.steps=2", "--quiet"]
    counts: Counter[str] = Counter()
    for mebibytes in range(0, 2000, 100):
        command = [sys.executable, "-c", LIMITED, str(mebibytes), *asked]
        ended = subprocess.run(
            command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=600
        )
        counts["tried"] += 1
        counts[f"exit {ended.returncode}"] += 1
        assert ended.returncode in (0, 6), (mebibytes, ended.returncode, ended.stderr)
        if ended.returncode:
            (line,) = [x for x in ended.stderr.splitlines() if x.startswith("error: ")]
            assert "memory" in line, line
            assert "Traceback" not in ended.stderr, ended.stderr
    record_property("counts", dict(counts))
    assert counts["exit 6"] > 5 and counts["exit 0"] > 1
