"""`dlx predict` and the exported script say the same of any table, however it is written."""

import csv
import importlib
import io
import json
import sys
import tempfile
import threading
import urllib.request
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from dlx import api
from dlx.errors import DataError
from tests.shown_files import write_examples

pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")  # of what failed
NUM_ROWS = 20
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


def written(random: Random, table: dict[str, list[str]]) -> bytes:
    """Write a table as CSV in some layout."""
    separator = random.choice([",", ";", "\t", "|", " "])
    encoding = random.choice(["utf-8", "utf-8-sig", "utf-16", "cp949"])
    is_quoted = separator == " " or random.random() < 0.5
    padding = "" if is_quoted else random.choice(["", " "])
    blank = random.sample(range(1, NUM_ROWS + 1), random.randint(0, 2))
    text = io.StringIO()
    quoting = csv.QUOTE_ALL if is_quoted else csv.QUOTE_MINIMAL
    writer = csv.writer(text, delimiter=separator, quoting=quoting, lineterminator="\n")
    for number, row in enumerate([list(table), *zip(*table.values(), strict=True)]):
        if number in blank:
            text.write("\n")
        writer.writerow([f"{padding}{cell}{padding}" for cell in row])
    return text.getvalue().encode(encoding)


@st.composite
def tables(
    draw: st.DrawFn, num_files: int
) -> tuple[dict[str, Any], bytes, list[tuple[bytes, Rows]]]:
    """Draw the options of a source, the file of its table, and files of new rows with the rows."""
    random = draw(st.randoms(use_true_random=True))  # of the cells, of which no two tables share
    cells_of = lambda texts: random.choices(texts, k=NUM_ROWS)
    names = draw(st.lists(st.sampled_from(NAMES), min_size=2, max_size=4, unique=True))
    kinds = {name: draw(st.sampled_from(list(KINDS))) for name in names}
    options: dict[str, Any] = {"missing": "impute", "categorical": [], "numbers": {}, "dates": {}}
    options["categorical"] = [name for name, kind in kinds.items() if kind == "category"]
    for name, kind in kinds.items():
        if kind in OPTIONS:
            key, option = OPTIONS[kind]
            options[key][name] = option
    old = {name: cells_of(KINDS[kind][0]) for name, kind in kinds.items()}
    answers = TARGETS[draw(st.sampled_from(list(TARGETS)))]
    options["task"] = "regression" if "1.5" in answers else "classification"
    old["y"] = [*answers * 3, *cells_of(answers)][:NUM_ROWS]
    usual = [None, ["-200", "NA", "nan"], {names[0]: ["-200", "?", "NA", "nan"]}]
    options["missing_values"] = draw(st.sampled_from(usual))
    if draw(st.booleans()):
        options["id"] = "key"
        old["key"] = [f"{place}" for place in range(NUM_ROWS)]
    files = []
    for _ in range(num_files):
        new = {name: cells_of(KINDS[kind][1]) for name, kind in kinds.items()}
        if "id" in options:
            new["key"] = old["key"]
        new = {name: new[name] for name in random.sample(list(new), len(new))}
        cells = [row for row in zip(*new.values(), strict=True) if any(map(str.strip, row))]
        rows = [dict(zip(new, row, strict=True)) for row in cells]  # blank rows are left out
        files.append((written(random, new), rows))
    return options, written(random, old), files


def loaded(folder: Path) -> ModuleType:
    """Import the exported script as Python does when its folder is on the path."""
    sys.path.insert(0, str(folder))
    try:
        for name in ("cells", "layout", "texts", "load"):
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
        for place, (content, rows) in enumerate(files):
            (folder / f"new{place}.csv").write_bytes(content)
            check_file(run, script, folder / f"new{place}.csv", rows)


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
    assert out.getvalue() == said.csv()
    remarks = [f"note: {sentence}" for sentence in said.notes]
    remarks += [f"warning: {sentence}" for sentence in said.warnings]
    assert err.getvalue().splitlines() == remarks
    with pytest.warns() if said.warnings else redirect_stderr(err):
        answers = script.answers(rows)
    own = [{name: row[name] for name in script.COLUMNS} for row in said.records()]
    assert [of_32_bits(answer) for answer in answers] == [of_32_bits(row) for row in own]


def of_32_bits(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer with its numbers as a network gives them, however many digits they have."""
    return {k: np.float32(v) if isinstance(v, float) else v for k, v in answer.items()}


quickly = settings(
    max_examples=4,
    suppress_health_check=list(HealthCheck),  # pyright: ignore[reportArgumentType]
    phases=[Phase.explicit, Phase.generate],  # to shrink a failing example takes minutes
    derandomize=True,
    database=None,
)


@quickly
@given(tables(5))
def test_the_script_and_predict_say_the_same(drawn) -> None:
    check(*drawn)


@pytest.mark.slow("dlx/data/tables/", "dlx/models/export.py")
@pytest.mark.parametrize("half", range(2))  # side by side
def test_the_script_and_predict_say_the_same_of_ten_thousand_tables(half: int) -> None:
    contents: set[bytes] = set()

    @seed(half)
    @settings(quickly, max_examples=255)
    @given(tables(20))
    def agree(drawn) -> None:
        check(*drawn)
        contents.update(content for content, _ in drawn[2])

    agree()
    assert len(contents) >= 5_000


def test_a_file_of_more_rows_than_are_asked_at_a_time(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(1025, 3)).tolist()
    (tmp_path / "t.csv").write_text("a,b,y\n" + "".join(f"{a},{b},{y}\n" for a, b, y in values))
    data = {"name": "csv", "path": str(tmp_path / "t.csv"), "target": "y"}
    config = {"name": "t", "data": data, "train": {"steps": 1, "batch_size": 4}}
    run = api.train(config | {"model": {"hidden": [64]}}, runs_dir=tmp_path / "runs")
    run.export(tmp_path / "out")
    rows = [{"a": str(a), "b": str(b)} for a, b, _ in values]
    check_file(run, loaded(tmp_path / "out"), tmp_path / "t.csv", rows)


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
