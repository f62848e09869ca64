"""A folder of runs of which some are damaged: the list has the others, and says what is wrong."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from dlx.config.load import dump, load
from dlx.runs import documents
from tests.battery.conftest import Record
from tests.cli.conftest import Command, start

DEEP = b"[" * 200_000 + b"]" * 200_000
CONFIG = dump(load({"data": "xor", "train": {"steps": 100}}))


def info(number: int, **changes: Any) -> dict[str, Any]:
    fields = {
        "kind": "run",
        "status": "completed",
        "seed": number % 5,
        "sequence": number + 1,
        "steps": 100,
        "seconds": 1.0,
        "created": f"2026-01-01T{number // 3600:02d}:{number // 60 % 60:02d}:00.000000Z",
        "metrics": {"dev": {"accuracy": 0.5, "cost": 1.0}},
    }
    return fields | changes


def sealed(**changes: Any) -> bytes:
    """Return a document whose digest is right, whatever it holds."""
    fields = {"schema": documents.SCHEMA} | info(0, **changes)
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return json.dumps(fields | {"digest": documents.sha256(text.encode())}).encode()


# A folder in place of the file, and no file at all, are None and "".
DAMAGE: dict[str, bytes | str | None] = {
    "empty": b"",
    "zeros": bytes(500),
    "nested": DEEP,
    "nested mappings": b'{"a":' * 200_000,
    "infinity": b'{"kind": "run", "seed": Infinity}',
    "not a number": b"NaN",
    "no text": b"\xff\xfe",
    "no mapping": b"[]",
    "no kind": b"{}",
    "newer": b'{"schema": 99}',
    "digits": b'{"schema": ' + b"9" * 5000 + b"}",
    "a folder": None,
    "missing": "",
    "changed": sealed().replace(b"completed", b"running"),
    "a cost without end": sealed(metrics={"dev": {"cost": 10**400}}),
    "steps without end": sealed(steps=10**400),
    "seconds without end": sealed(seconds=10**400),
    "a seed that is a list": sealed(seed=[1]),
    "metrics that are a number": sealed(metrics=3),
    "a time that is none": sealed(created="9999-99-99"),
    "a status of its own": sealed(status="fine"),
    "resumed without entries": sealed(resumed=[3]),
}


def make(folder: Path, count: int, damaged: int) -> None:
    for number in range(count):
        run = folder / "many" / f"20260101-000000-{number:05d}"
        run.mkdir(parents=True)
        (run / "config.yaml").write_text(CONFIG)
        path = run / "run.json"
        if number >= damaged:
            path.write_bytes(documents.encode(info(number)))
            continue
        content = [*DAMAGE.values()][number % len(DAMAGE)]
        if content is None:
            path.mkdir()
        elif isinstance(content, bytes):
            path.write_bytes(content)


def test_damaged_runs_do_not_stop_the_list(dlx: Command, tmp_path: Path) -> None:
    count, damaged = 2 * len(DAMAGE), len(DAMAGE)
    make(tmp_path / "runs", count, damaged)
    for _ in range(2):  # without the index, and with it
        ended = dlx("runs", "--json")
        assert ended.code == 0, ended.err
        assert len(ended.json["runs"]) == count - damaged
        assert ended.err.count("warning: ") == damaged
    for number, what in enumerate(DAMAGE):
        ended = dlx("evaluate", f"runs/many/20260101-000000-{number:05d}")
        assert ended.code == 4, (what, ended.err)
        assert ended.err.startswith("error: "), what
        assert ended.err.count("\n") == 1, what


DEEP_FILES = {
    "weights.safetensors": len(DEEP).to_bytes(8, "little") + DEEP,
    "preprocessing.safetensors": len(DEEP).to_bytes(8, "little") + DEEP,
    "metrics.jsonl": DEEP + b"\n",
    "config.yaml": DEEP,
}


@pytest.mark.parametrize("name", DEEP_FILES)
def test_files_nested_deeply_whose_digests_are_right(
    name: str, dlx: Command, tmp_path: Path
) -> None:
    assert dlx("train", "moons", "train.steps=2", "--quiet", "--no-figures").code == 0
    (run,) = (tmp_path / "runs" / "moons").iterdir()
    (run / name).write_bytes(DEEP_FILES[name])
    fields = documents.read(run / "run.json")
    digests = fields["digests"] | {name: documents.sha256(DEEP_FILES[name])}
    documents.write(run / "run.json", fields | {"digests": digests})
    for command in (["evaluate"], ["resume"], ["report"], ["predict", "--split", "test"]):
        ended = dlx(command[0], "moons", *command[1:])
        assert ended.code in (0, 2, 4), ended.err
        assert "Traceback" not in ended.err
    assert dlx("runs").code == 0


@pytest.mark.parametrize("content", [DEEP, b'{"a":' * 200_000, b"", b"\xff", b'{"a": Infinity}'])
def test_an_ablations_summary_that_is_damaged(content: bytes, dlx: Command, tmp_path: Path) -> None:
    asked = ["ablate", "xor", "train.steps=2", "--vary", "optimizer.lr=0.1,0.2", "--seeds", "2"]
    assert dlx(*asked, "--anyway", "--quiet").code == 0
    (ablation,) = (tmp_path / "runs" / "xor").iterdir()
    (ablation / "summary.json").write_bytes(content)
    assert dlx("runs").code == 0
    assert dlx("table", "xor").code in (0, 4)
    assert dlx("resume", "xor").code == 0
    assert json.loads((ablation / "summary.json").read_bytes())["variants"]


@pytest.mark.battery
def test_10_000_folders_with_100_damaged(tmp_path: Path, record_property: Record) -> None:
    make(tmp_path / "runs", 10_000, 100)
    seconds = []
    for _ in range(2):
        began = time.monotonic()
        process = start("runs", "--json", cwd=tmp_path)
        out, err = process.communicate(timeout=600)
        seconds.append(round(time.monotonic() - began, 1))
        assert process.returncode == 0, err
        assert len(json.loads(out)["runs"]) == 9_900
        assert err.count("warning: ") == 100
    counts = {"folders": 10_000, "damaged": 100, "first, next list in seconds": seconds}
    record_property("counts", counts)
