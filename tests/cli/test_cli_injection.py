"""Names of classes and columns that would command a terminal or a spreadsheet."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Command

RED = "\x1b[31mred\x1b]0;title\x07\u202e\u2066\u200f"
COMMANDING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
ROWS = "".join(
    f"{number},{number % 7},{(RED, '=cmd|calc')[number % 2]}\r\n" for number in range(60)
)
TABLE = f"{RED}x,@SUM(A1),=target\r\n{ROWS}"
CONFIG = """\
name: sold
data: {name: csv, path: sold.csv, target: "=target"}
model: {hidden: [2]}
train: {steps: 3, batch_size: all}
"""
COMMANDS = [
    ["train", "sold.yaml", "--dry-run"],
    ["evaluate", "sold"],
    ["predict", "sold", "--split", "test"],
    ["diagnose", "sold"],
    ["runs"],
    ["inspect", "sold.yaml"],
    ["data", "show", "csv", "path=sold.csv", "target='=target'"],
    ["encode", "sold", "--split", "test"],
    ["export", "sold"],
]
# A class and a column that end a text in Python and go on with what is to be executed.
CODE = '""";__import__("pathlib").Path("executed").touch();"""'


@pytest.fixture
def sold(dlx: Command, tmp_path: Path) -> Path:
    (tmp_path / "sold.csv").write_bytes(TABLE.encode())
    (tmp_path / "sold.yaml").write_text(CONFIG)
    ended = dlx("train", "sold.yaml")
    assert ended.code == 0, ended.err
    assert "\x1b" not in ended.out + ended.err
    return tmp_path


def test_nothing_that_is_printed_commands_the_terminal(
    sold: Path, dlx: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    for command in [*COMMANDS, *([*command, "--json"] for command in COMMANDS)]:
        ended = dlx(*command)
        assert ended.code == 0, ended.err
        styles = re.sub("\x1b\\[[0-9;]*m", "", ended.out)
        assert not COMMANDING.search(styles + ended.err), command
        assert "\x1b[31m" not in ended.out
    ended = dlx("init", "sold.csv", "--target", "=target", "--output", "again.yaml")
    assert ended.code == 0 and not COMMANDING.search(ended.err)
    assert not COMMANDING.search((sold / "again.yaml").read_text())


def test_a_page_shows_them_as_they_are_written(sold: Path, dlx: Command) -> None:
    assert dlx("report", "sold").code == 0
    [page] = sold.glob("runs/sold/*/report.html")
    assert not COMMANDING.search(page.read_text())
    assert "\\u202e" in page.read_text()


def test_predictions_hold_no_formulas_unless_they_are_asked_for(
    sold: Path, dlx: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlx.texts._raw_csv", False)  # as it is again after this test
    assert dlx("predict", "sold", "--split", "test", "--output", "p.csv").code == 0
    header, *rows = (sold / "p.csv").read_text().splitlines()
    assert "'@SUM(A1)" in header.split(",")
    assert any("'=cmd|calc" in row.split(",") for row in rows)
    assert not any(cell.startswith(("=", "@")) for row in rows for cell in row.split(","))
    assert dlx("--raw-csv", "predict", "sold", "--split", "test", "--output", "raw.csv").code == 0
    assert "=cmd|calc" in (sold / "raw.csv").read_text().replace("'=cmd", "")
    assert "'=" not in (sold / "raw.csv").read_text()


def test_no_name_is_executed_by_what_is_exported(dlx: Command, tmp_path: Path) -> None:
    """The script names columns, classes and the run in its docstrings."""
    quote = lambda text: '"' + text.replace('"', '""') + '"'
    target = f"{CODE}y"
    rows = [f"{number},{quote((CODE, 'b')[number % 2])}" for number in range(60)]
    header = f"{quote(CODE)},{quote(target)}"
    (tmp_path / "table.csv").write_text("\n".join([header, *rows]) + "\n")
    data = {"name": "csv", "path": "table.csv", "target": target}
    config = {"name": "sold", "data": data, "train": {"steps": 3}}
    (tmp_path / "sold.yaml").write_text(json.dumps(config))
    folders = ["--runs-dir", tmp_path / CODE]
    assert dlx("train", "sold.yaml", "--quiet", *folders).code == 0
    assert dlx("export", "sold", "--output", "out", *folders).code == 0
    code = f"import load; print(load.answers([{{{CODE!r}: 1}}]), load.answers.__doc__)"
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": "out"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    assert "{'predicted': " in ended.stdout and CODE in ended.stdout
    assert not (tmp_path / "executed").exists()
