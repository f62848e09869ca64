import json
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import dlx
from dlx.errors import RunError, StorageError
from dlx.runs.ablations import read_cohort
from dlx.tracking.evaluations import Evaluation, Record
from dlx.tracking.metrics import MetricsFile, line, lines, of_cohort, of_run, read, records
from tests.tracking.evaluated import START, as_written, of_one, of_row

PATH = Path("metrics.jsonl")
VALUES = st.one_of(st.none(), st.floats(), st.sampled_from([0.0, -0.0, 0.5]))
NUMBERS = [7, 1, 12, 2]  # of runs; the text of one begins with that of another
HEAD = {"epoch": 0.5, "time": 1.0}  # of a line, after its step
TINY = {
    "name": "tiny",
    "data": "xor",
    "model": {"hidden": [2]},
    "train": {"steps": 6, "batch_size": 4},
    "log": {"every": 2, "level": "minimal"},
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The metrics.jsonl of a run."""
    run = dlx.train(TINY, runs_dir=tmp_path_factory.mktemp("runs"))
    content = (run.path / "metrics.jsonl").read_bytes()
    assert content.count(b"\n") == 4
    return content


@pytest.fixture(scope="module")
def ablation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ablation of one cohort of four runs."""
    section = {"vary": {"model.activation": ["relu", "tanh"]}, "seeds": 2, "metric": "dev.cost"}
    return dlx.ablate(TINY | {"ablation": section}, runs_dir=tmp_path_factory.mktemp("runs")).path


def write(path: Path, text: str) -> None:
    file = MetricsFile(path)
    file.append(text)
    file.close()


def test_round_trip(tmp_path: Path, record: Record) -> None:
    path = tmp_path / "metrics.jsonl"
    write(
        path, lines(of_one(record), [1.25], START) + line({"step": 938, **HEAD, "dev": {"가": 1.0}})
    )
    expected = as_written(record, seconds=1.25, time=START)
    assert read(path) == [expected, {"step": 938, **HEAD, "dev": {"가": 1.0}}]
    assert [*json.loads(path.read_text().splitlines()[0])] == [*expected, "crc"]
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_numbers_of_every_kind() -> None:
    numbers = {
        "nan": math.nan,
        "inf": -math.inf,
        "numpy": np.float32(0.1),
        "numpy nan": np.float64("nan"),
        "integer": np.int64(7),
        "tensor": torch.tensor(0.1, dtype=torch.float64),
        "none": None,
    }
    text = line({"step": 1, "seconds": math.nan, "train": numbers})
    written = json.loads(text, parse_constant=pytest.fail)
    assert isinstance(written.pop("crc"), int)
    assert written == {
        "step": 1,
        "seconds": None,
        "train": {
            "nan": None,
            "inf": None,
            "numpy": float(np.float32(0.1)),
            "numpy nan": None,
            "integer": 7,
            "tensor": 0.1,
            "none": None,
        },
    }


def test_what_was_not_measured_is_left_out(tmp_path: Path) -> None:
    nan, inf = math.nan, math.inf
    evaluation = Evaluation(
        *(5, 0.5, 640, [0, 2, 3]),
        {
            "train": {"cost": [1.0, 9.0, None, inf], "accuracy": [None, 9.0, 0.5, -nan]},
            "dev": {"cost": [None, 9.0, 2.0, None]},
            "test": {"cost": [None, 9.0, None, None]},
        },
    )
    write(tmp_path / "metrics.jsonl", lines(evaluation, [0.1, 0.2, nan, 0.4], START, NUMBERS))
    head = {"step": 5, "epoch": 0.5, "examples": 640, "time": START}
    assert read(tmp_path / "metrics.jsonl") == [
        head | {"run": 7, "seconds": 0.1, "train": {"cost": 1.0}},
        head | {"run": 12, "seconds": None, "train": {"accuracy": 0.5}, "dev": {"cost": 2.0}},
        head | {"run": 2, "seconds": 0.4, "train": {"cost": None, "accuracy": None}},
    ]


def evaluations(data: st.DataObject, tags: list[str]) -> list[Evaluation]:
    """Draw evaluations of four runs, as many splits as one whose name is a trap."""
    values = st.lists(VALUES, min_size=len(NUMBERS), max_size=len(NUMBERS))
    drawn = []
    for step in range(data.draw(st.integers(1, 3))):
        rows = data.draw(st.sets(st.integers(0, len(NUMBERS) - 1), min_size=1))
        metrics: dict[str, dict[str, list[Any]]] = {
            split: {tag: data.draw(values) for tag in tags} for split in ("train", "%s \u2028")
        }
        drawn.append(Evaluation(step, step / 7, step * 128, sorted(rows), metrics))
    return drawn


@given(st.data(), st.lists(st.text(max_size=8), unique=True, max_size=3))
@settings(max_examples=100, deadline=None)
def test_a_line_is_its_record_in_json(data: st.DataObject, tags: list[str]) -> None:
    seconds = [0.25, math.nan, 1e-7, 3.0]
    for evaluation in evaluations(data, [*tags, '100 % "a"\n가\x85']):
        expected = ""
        for row in evaluation.rows:
            record = evaluation.record(row)
            shown = {split: tags for split, tags in record.metrics.items() if tags}
            record = replace(record, metrics=shown)
            expected += line(as_written(record, seconds=seconds[row], time=START))
        assert lines(evaluation, seconds, START) == expected


@given(st.data(), st.lists(st.text(max_size=8), unique=True, max_size=3))
@settings(max_examples=100, deadline=None)
def test_the_lines_of_a_run_of_a_cohort_are_those_that_it_writes_alone(
    data: st.DataObject, tags: list[str]
) -> None:
    seconds = [0.25, 1.5, 1e-7, 3.0]
    drawn = evaluations(data, [*tags, '100 % "a"\n가\x85', ', "crc": 1}'])
    together = "".join(lines(evaluation, seconds, START, NUMBERS) for evaluation in drawn)
    for row, number in enumerate(NUMBERS):
        alone = "".join(
            lines(of_row(evaluation, row), [seconds[row]], START)
            for evaluation in drawn
            if row in evaluation.rows
        )
        assert of_run(together.encode(), number, PATH) == alone.encode()
    assert of_run(together.encode(), 77, PATH) == b""


def test_a_half_written_last_line_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    whole = line({"step": 1, **HEAD})
    path.write_text(whole + '{"step": 2, "tra')
    assert read(path) == [{"step": 1, **HEAD}]
    file = MetricsFile(path, len(whole))
    assert file.size == len(whole)
    file.append(line({"step": 2, **HEAD}))
    file.close()
    assert read(path) == [{"step": 1, **HEAD}, {"step": 2, **HEAD}]
    assert list(records(path, len(whole))) == [{"step": 2, **HEAD}]


def test_what_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    with pytest.raises(RunError, match=r"cannot read .*metrics\.jsonl: No such file"):
        read(path)
    head = b'"epoch": 0.5, "time": 1.0'
    first = b'{"step": 1, %b, "dev": {}}\n' % head
    third = b'\n{"step": 3, %b, "dev": {}}\n' % head
    for damage in (b"{", b"7", b"\xff", b"[" * 200_000):
        path.write_bytes(first + damage + third)
        with pytest.raises(RunError, match=r"metrics\.jsonl:2: damaged line"):
            read(path)
        path.write_bytes(line({"step": 1, **HEAD}).encode() + damage + b"\n")
        with pytest.raises(RunError, match=r"metrics\.jsonl:2: damaged line"):
            read(path)


def test_files_without_checksums_are_read(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    old = [
        {"step": 0, "epoch": 0.0, "time": START, "train": {"cost": 0.5, "100 %": None}},
        {"stage": 1, "step": 1, "epoch": 0.5, "time": START, "dev": {"cost": 2}},
        {"step": 2, "epoch": 1.0, "time": START},
    ]
    path.write_text("".join(json.dumps(record) + "\n" for record in old))
    assert read(path) == old
    old_lines, new_line = path.read_text(), line({"step": 3, **HEAD})
    path.write_text(old_lines + new_line)  # a run that was resumed later
    assert read(path) == [*old, {"step": 3, **HEAD}]
    path.write_text(new_line + old_lines)
    with pytest.raises(RunError, match=r"metrics\.jsonl:2: damaged line: it does not match"):
        read(path)
    path.write_text(old_lines + new_line.replace("crc", "crd"))
    with pytest.raises(RunError, match=r"metrics\.jsonl:4: damaged line: it has no checksum"):
        read(path)


def flipped(content: bytes, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Give a content with a bit changed: one of each byte, and all of the checksum's at the end."""
    for position in range(start, end):
        for bit in range(8) if end - position < 24 else [position % 8]:
            damaged = bytearray(content)
            damaged[position] ^= 1 << bit
            yield position, bytes(damaged)


@pytest.mark.parametrize("number", [1, 2, 4])
def test_every_flipped_byte_is_noticed(number: int, tiny: bytes, tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    whole = tiny.splitlines(keepends=True)
    start = sum(map(len, whole[: number - 1]))
    for position, content in flipped(tiny, start, start + len(whole[number - 1])):
        path.write_bytes(content)
        message = rf"metrics\.jsonl:{number}: damaged line"
        if position == len(tiny) - 1:
            message = "its last line does not end with a newline"
        with pytest.raises(RunError, match=message):
            read(path)


def test_a_last_line_that_is_cut_off_is_left_out(tiny: bytes, tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(tiny)
    expected, last = read(path), len(tiny.splitlines(keepends=True)[-1])
    for length in range(len(tiny) - last, len(tiny)):
        path.write_bytes(tiny[:length])
        assert read(path) == expected[:-1]


def test_every_flipped_byte_of_a_single_line_is_noticed(tiny: bytes, tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    first = tiny.splitlines(keepends=True)[0]
    for position, content in flipped(first, 0, len(first)):
        path.write_bytes(content)
        is_last = position == len(first) - 1
        with pytest.raises(RunError, match="newline" if is_last else "jsonl:1: damaged line"):
            read(path)


def test_every_flipped_byte_of_a_cohort_is_noticed(ablation: Path) -> None:
    folder = ablation / "cohorts" / "1"
    cohort, path = read_cohort(folder), folder / "metrics.jsonl"
    assert cohort is not None
    content = path.read_bytes()
    by_number = of_cohort(folder, cohort)
    assert sorted(by_number) == [1, 2, 3, 4]
    assert [record["step"] for record in by_number[3]] == [0, 2, 4, 6]
    try:
        for _, damaged in flipped(content, 0, content.index(b"\n")):
            path.write_bytes(damaged)
            with pytest.raises(RunError, match=r"metrics\.jsonl is damaged, or was changed"):
                of_cohort(folder, cohort)
            with pytest.raises(RunError, match=r"metrics\.jsonl:1: damaged line"):
                of_run(damaged, 4, path)  # whose lines are others
        for _, damaged in flipped(content, len(content) - 1, len(content)):
            path.write_bytes(damaged)
            with pytest.raises(RunError, match=r"metrics\.jsonl is damaged"):
                of_cohort(folder, cohort)
        path.write_bytes(content[:-1])
        with pytest.raises(RunError, match=r"metrics\.jsonl is damaged.*put it back"):
            of_cohort(folder, cohort)
        path.write_bytes(content + b"what another session has begun")
        assert of_cohort(folder, cohort) == by_number
    finally:
        path.write_bytes(content)


@pytest.mark.parametrize("position", [5, 24, 100])
def test_a_position_that_does_not_fit_the_file(tmp_path: Path, position: int) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "epoch": 0.5, "time": 1.0, "dev": {}}\n')
    with pytest.raises(RunError, match=f"no line ends at byte {position}.*put it back"):
        MetricsFile(path, position)
    assert read(path) == [{"step": 1, "epoch": 0.5, "time": 1.0, "dev": {}}]


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, small_limit: int) -> None:
    file = MetricsFile(tmp_path / "metrics.jsonl")
    file.append(line({"step": 1, **HEAD}))
    with pytest.raises(StorageError, match=r"cannot write .*metrics\.jsonl: File too large"):
        file.append(
            line({"step": 2, **HEAD, "train": dict.fromkeys(map(str, range(small_limit)), 0.5)})
        )
    file.append(line({"step": 3, **HEAD}))
    file.close()
    assert [record["step"] for record in read(tmp_path / "metrics.jsonl")] == [1, 3]


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match=r"cannot open .*a part of the path is a file"):
        MetricsFile(tmp_path / "file" / "metrics.jsonl")


def test_it_is_fast() -> None:
    count = 32
    generator = np.random.default_rng(0)
    metrics: dict[str, dict[str, list[Any]]] = {
        split: {tag: generator.random(count).tolist() for tag in ("cost", "accuracy")}
        for split in ("train", "dev", "test")
    }
    evaluation = Evaluation(100, 0.5, 12_800, list(range(count)), metrics)
    seconds = generator.random(count).tolist()
    lines(evaluation, seconds, START, range(count))
    start = time.process_time()
    for _ in range(200):
        lines(evaluation, seconds, START, range(count))
    # 3 ms for the 200 lines of a run where it was written.
    assert (time.process_time() - start) / count < 0.01
