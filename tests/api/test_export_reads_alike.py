"""`dlx predict` and the exported script say the same of any table, however it is written."""

import csv
import importlib
import io
import itertools
import json
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dlx import api
from dlx.errors import DataError
from tests.shown_files import write_examples

NUM_ROWS = 20
NUM_FILES = 5  # of new rows for a trained network
Rows = list[dict[str, str]]
CATEGORIES = (
    *(
        "red",
        "blue",
        "sky blue",
        "NA",
        "None",
        "N/A",
        "nan",
        "?",
        "1",
        "1.0",
        "01",
        "TRUE",
        "false",
    ),
    *("서울", "부산 동구", "a,b", "c;d", 'x"y', "$5", "x", "-", "(3)", "#1"),
)
NUMBERS = ("1", "2.5", "-3", "0.125", "1e3", "+7", ".5", "20240100001", "-200", "-200.0", "0")
MONEY = ("$7.50", "$1,200.00", "($30)", "-$5", "$0", "$12,345,678.9")
DATES = ("2024-01-31", "2023-02-28", "1999-12-01", "2024-03-05")
TIMES = ("31.01.2024 06:00", "1.2.2023 23:59", "05.12.1999 00:00")
# Of each kind, what cells hold in the training file, and what they hold in a new one.
KINDS = {
    "number": (NUMBERS, (*NUMBERS, "", " ", "NA", "nan", "-2e2", "123456.789", "00", "5.")),
    "category": (CATEGORIES, (*CATEGORIES, "green", "대구", "", " ", "NULL", "2.00", "Red", "1e0")),
    "money": (MONEY, (*MONEY, "", "$3", "$ 4", "NA")),
    "date": (DATES, (*DATES, "", "NA", "2030-07-01")),
    "time": (TIMES, (*TIMES, "", "30.06.2030 12:00")),
}
OPTIONS = {
    "money": ("numbers", {"thousands": ",", "strip": ["$"], "parentheses": True}),
    "date": ("dates", "%Y-%m-%d"),
    "time": ("dates", "%d.%m.%Y %H:%M"),
}
TARGETS = {
    "number": ("1.5", "1700000000", "-3"),
    "two": ("None", "yes"),
    "three": ("1", "2.0", "x"),
}
NAMES = ("age", "my city", "값", "x=1", 'na"me', "row", "id", "T, °C", "year")


def columns(texts: Sequence[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(texts), min_size=NUM_ROWS, max_size=NUM_ROWS)


def written(draw: st.DrawFn, table: dict[str, list[str]]) -> bytes:
    """Write a table as CSV in some layout."""
    separator = draw(st.sampled_from([",", ";", "\t", "|", " "]))
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp949"]))
    is_quoted = separator == " " or draw(st.booleans())
    padding = "" if is_quoted else draw(st.sampled_from(["", " "]))
    blank = draw(st.sets(st.integers(1, NUM_ROWS), max_size=2))
    text = io.StringIO()
    quoting = csv.QUOTE_ALL if is_quoted else csv.QUOTE_MINIMAL
    writer = csv.writer(text, delimiter=separator, quoting=quoting, lineterminator="\n")
    for number, row in enumerate([list(table), *zip(*table.values(), strict=True)]):
        if number in blank:
            text.write("\n")
        writer.writerow([f"{padding}{cell}{padding}" for cell in row])
    return text.getvalue().encode(encoding)


@st.composite
def tables(draw: st.DrawFn) -> tuple[dict[str, Any], bytes, list[tuple[bytes, Rows]]]:
    """Draw the options of a source, the file of its table, and files of new rows with the rows."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=2, max_size=4, unique=True))
    kinds = {name: draw(st.sampled_from(list(KINDS))) for name in names}
    options: dict[str, Any] = {"missing": "impute", "categorical": [], "numbers": {}, "dates": {}}
    options["categorical"] = [name for name, kind in kinds.items() if kind == "category"]
    for name, kind in kinds.items():
        if kind in OPTIONS:
            key, option = OPTIONS[kind]
            options[key][name] = option
    old = {name: draw(columns(KINDS[kind][0])) for name, kind in kinds.items()}
    answers = TARGETS[draw(st.sampled_from(list(TARGETS)))]
    options["task"] = "regression" if "1.5" in answers else "classification"
    old["y"] = [*answers * 3, *draw(columns(answers))][:NUM_ROWS]
    usual = [None, ["-200", "NA", "nan"], {names[0]: ["-200", "?", "NA", "nan"]}]
    options["missing_values"] = draw(st.sampled_from(usual))
    if draw(st.booleans()):
        options["id"] = "key"
        old["key"] = [f"{place}" for place in range(NUM_ROWS)]
    files = []
    for _ in range(NUM_FILES):
        new = {name: draw(columns(KINDS[kind][1])) for name, kind in kinds.items()}
        if "id" in options:
            new["key"] = old["key"]
        new = {name: new[name] for name in draw(st.permutations(list(new)))}
        cells = [row for row in zip(*new.values(), strict=True) if any(map(str.strip, row))]
        rows = [dict(zip(new, row, strict=True)) for row in cells]  # blank rows are left out
        files.append((written(draw, new), rows))
    return options, written(draw, old), files


def loaded(folder: Path) -> ModuleType:
    """Import the exported script as Python does when its folder is on the path."""
    sys.path.insert(0, str(folder))
    try:
        for name in ("cells", "layout", "load"):
            sys.modules.pop(name, None)
        return importlib.import_module("load")
    finally:
        sys.path.remove(str(folder))


def check(options: dict[str, Any], old: bytes, files: list[tuple[bytes, Rows]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "old.csv").write_bytes(old)
        data = {"name": "csv", "path": str(folder / "old.csv"), "target": "y", **options}
        data |= {"standardize": True, "split": {"dev": 0, "test": 0}}
        train = {"steps": 2, "batch_size": 10, "device": "cpu"}
        config = {"name": "t", "data": data, "model": {"hidden": [3]}, "train": train}
        run = api.train(config | {"log": {"level": "minimal"}}, runs_dir=folder / "runs")
        run.export(folder / "out")
        script = loaded(folder / "out")
        for content, rows in files:
            (folder / "new.csv").write_bytes(content)
            check_file(run, script, folder / "new.csv", rows)


def check_file(run: api.Run, script: ModuleType, path: Path, rows: Rows) -> None:
    """Check that a run and its exported script say the same of a file and of its rows."""
    out, err = io.StringIO(), io.StringIO()
    try:
        said = run.predict_file(path)
    except DataError:
        with pytest.raises(ValueError):
            script.answer_file(path)
        return
    with redirect_stdout(out), redirect_stderr(err):
        script.answer_file(path)
    lines, others = (list(csv.reader(io.StringIO(text))) for text in (out.getvalue(), said.csv()))
    assert lines[0] == others[0]
    # Of a row far from all training rows, outputs before the softmax are large, and have fewer
    # digits after the point.
    precision = 1e-6 if run.task.classes is None else 1e-5
    compare(lines[1:], others[1:], precision)
    remarks = [f"note: {sentence}" for sentence in said.notes]
    remarks += [f"warning: {sentence}" for sentence in said.warnings]
    assert err.getvalue().splitlines() == remarks
    with pytest.warns() if said.warnings else redirect_stderr(err):
        answers = script.answers(rows)
    own = [[str(row[name]) for name in script.COLUMNS] for row in said.records()]
    compare([[str(cell) for cell in answer.values()] for answer in answers], own, precision)


def compare(one: list[list[str]], other: list[list[str]], precision: float) -> None:
    """Check that cells are the same, but numbers for the last of their 24 bits."""
    assert len(one) == len(other)
    largest = 0.0
    for cell, own in zip(itertools.chain(*one), itertools.chain(*other), strict=True):
        if cell != own:
            largest = largest or max(1.0, *(abs(float(row[-1])) for row in other))
            near = pytest.approx(float(own), rel=1e-6, abs=precision * largest)
            assert float(cell) == near, (cell, own, largest)


quickly = settings(
    max_examples=4,
    suppress_health_check=list(HealthCheck),  # pyright: ignore[reportArgumentType]
    phases=[Phase.explicit, Phase.generate],  # to shrink a failing example takes minutes
    derandomize=True,
    database=None,
)


@quickly
@given(tables())
def test_the_script_and_predict_say_the_same(drawn) -> None:
    check(*drawn)


@pytest.mark.slow("dlx/data/tables/", "dlx/models/export.py")
@settings(quickly, max_examples=10_000 // NUM_FILES)
@given(tables())
def test_the_script_and_predict_say_the_same_of_ten_thousand_tables(drawn) -> None:
    check(*drawn)


def test_the_server_of_the_documents_answers(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,c,y\n" + "1,red,no\n2,blue,yes\n" * 10)
    data = {"name": "csv", "path": str(tmp_path / "t.csv"), "target": "y"}
    config = {"name": "t", "data": data, "train": {"steps": 1, "batch_size": 4}}
    run = api.train(config, runs_dir=tmp_path / "runs")
    run.export(tmp_path / "out")
    write_examples(tmp_path / "out", "data.md")
    script = loaded(tmp_path / "out")
    sys.modules["load"] = script
    names: dict[str, Any] = {"__name__": "server"}
    exec((tmp_path / "out" / "server.py").read_text(), names)
    server = names["HTTPServer"](("localhost", 0), names["Handler"])
    names["Handler"].log_message = lambda *_: None
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    rows = [{"a": 1, "c": "red"}, {"a": 2.0, "c": "blue"}]
    url = f"http://localhost:{server.server_port}"
    with urllib.request.urlopen(url, json.dumps(rows).encode(), timeout=60) as answer:
        answers = json.loads(answer.read())
    thread.join()
    server.server_close()
    said = run.predict_file(tmp_path / "t.csv").records()[:2]
    assert [list(answer) for answer in answers] == [["predicted", "p(no)", "p(yes)"]] * 2
    for one, other in zip(answers, said, strict=True):
        assert one["predicted"] == other["predicted"]
        assert one["p(no)"] == pytest.approx(other["p(no)"], rel=1e-6)
