"""Files of a stranger's runs in which one value is another one, and whose digests are right."""

import os
import random
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.battery import shapes
from tests.battery.conftest import Record

pytestmark = pytest.mark.usefixtures("one_thread")


def made(folder: Path, *names: str) -> Path:
    """Return a folder with the runs of some names."""
    before = Path.cwd()
    try:
        shapes.make(folder, *names)
    finally:
        os.chdir(before)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("shapes") / "shared", "one", "many")


def asked(every: list[shapes.Case], folder: Path, work: Path) -> list[str]:
    """Return what is wrong, a text for each case."""
    before = Path.cwd()
    try:
        said = [(case, shapes.tried(folder, work / "work", *case)) for case in every]
    finally:
        os.chdir(before)
    return [f"{case}: {problem}" for case, problem in said if problem]


def test_the_judge_sees_what_is_wrong() -> None:
    problem = shapes.problem
    assert "exit 1" in problem("runs", 1, "", "error: Traceback")
    assert "exit code 77" in problem("runs", 77, "", "error: a\n")
    assert "escapes" in problem("runs", 0, "\x1b[31mx", "")
    assert "2 errors" in problem("runs", 4, "", "error: a\nerror: b\n")
    assert "nonsense" in problem("runs", 0, "cost nan", "")
    assert problem("runs", 0, "nan-run 0.5", "") == ""
    assert problem("runs", 4, "", "error: run.json is damaged: its kind is 3; put it back\n") == ""


def test_some_changed_files(folder: Path, tmp_path: Path) -> None:
    lines = ("runs", "table {}", "evaluate {}")
    quick = [case for case in shapes.cases(folder) if case[2] in lines]
    assert asked(random.Random(0).sample(quick, 16), folder, tmp_path) == []


KNOWN: list[tuple[shapes.Case, str]] = [
    (
        ("one", shapes.Change("run.json", ("task", "kind"), "removed"), "evaluate {}"),
        "task.kind is",
    ),
    (("one", shapes.Change("run.json", ("seed",), "True"), "inspect {}"), "its seed is True"),
    (
        ("one", shapes.Change("table.json", ("targets", 0, "name"), "2"), "evaluate {} table.csv"),
        r"table.json: damaged \(its targets\[0\].name is 2\)",
    ),
    (
        ("one", shapes.Change("metrics.jsonl", ("rows", 1), "repeated"), "diagnose {}"),
        "metrics.jsonl:4: damaged line: its step 4 comes after step 8",
    ),
    (
        ("one", shapes.Change("metrics.jsonl", ("rows", 0, "dev", "cost"), "'x'"), "diagnose {}"),
        "metrics.jsonl:1: damaged line: its dev.cost is 'x'",
    ),
    (
        ("one", shapes.Change("metrics.jsonl", ("rows", 0, "dev", "cost"), "1e400"), "report {}"),
        "metrics.jsonl:1: damaged line: its dev.cost is inf",
    ),
    (
        ("many", shapes.Change("ablation.yaml", ("train",), "2"), "evaluate {}#2"),
        "ablation.yaml is damaged: its train is 2; put it back",
    ),
    (
        ("many", shapes.Change("summary.json", ("variants", 0, "name"), "'x'"), "board {} --top 1"),
        "summary.json is damaged: its .* names .*, which is none of its variants; `dlx resume",
    ),
    (
        ("many", shapes.Change("run.json", ("registered", "plan", "also"), "removed"), "report {}"),
        "run.json is damaged: its registered.plan.also is missing",
    ),
]


def test_what_was_mended_names_file_and_field(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for case, said in KNOWN:
        run = shapes.change(folder, tmp_path / "work", *case[:2])
        code, _, err = shapes.ask(case[2].replace("{}", str(run)).split())
        assert code == 4, (case, err)
        assert re.search(f"(?m)^error: .*{said}", err), (case, err)


@pytest.mark.battery
def test_thousands_of_changed_files(share: float, tmp_path: Path, record_property: Record) -> None:
    folder, draw = made(tmp_path / "shared", *shapes.NAMES), random.Random(1)
    by_file: dict[tuple[str, str], list[shapes.Case]] = {}
    for case in shapes.cases(folder):
        by_file.setdefault((case[0], case[1].file), []).append(case)
    number = round(4000 * share / len(by_file)) + 1
    every = [case for own in by_file.values() for case in draw.sample(own, number)]
    wrong = asked(every, folder, tmp_path)
    counts = Counter(case[1].way for case in every)
    record_property("counts", {"tried": len(every), "failed": len(wrong), "ways": dict(counts)})
    assert wrong == []
