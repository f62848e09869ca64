"""A user's own table from the command line: train, evaluate, predict."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.cli.conftest import Command, Ended

CONFIG = """\
name: sales
data: {name: csv, path: data/sales.csv, target: price, id: id, standardize: true}
model: {hidden: [16]}
optimizer: {name: adam, lr: 0.01}
train: {epochs: 30, batch_size: 32}
"""


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def sales(dlx: Command) -> pd.DataFrame:
    """Houses whose price follows from their columns; config and file lie in folders."""
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "id": [f"h{i}" for i in range(400)],
            "area": generator.normal(90, 20, 400).round(1),
            "city": generator.choice(["서울", "부산", "대구"], 400),
        }
    )
    extra = frame["city"].map({"서울": 3e8, "부산": 1e8, "대구": 0})
    frame["price"] = (3e6 * frame["area"] + extra + generator.normal(0, 1e7, 400)).round(-3)
    Path("data").mkdir()
    frame.to_csv("data/sales.csv", index=False)
    Path("sales.yaml").write_text(CONFIG)
    return frame


def trained(dlx: Command, *overrides: str) -> Ended:
    ended = dlx("train", "sales.yaml", *overrides, "--json", "--quiet")
    assert ended.code == 0, ended.err
    return ended


def test_a_table_is_learnt(dlx: Command, sales: pd.DataFrame, monkeypatch, tmp_path: Path) -> None:
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")  # data.path is relative to the config
    ended = dlx("train", "../sales.yaml", "--json", "--quiet")
    assert ended.json["metrics"]["test"]["cost"] < 0.05  # of a variance of 1
    again = dlx("evaluate", "latest", "--json").json["metrics"]
    assert again["test"]["cost"] == pytest.approx(ended.json["metrics"]["test"]["cost"])


def test_predictions_are_in_the_targets_own_units(dlx: Command, sales: pd.DataFrame) -> None:
    trained(dlx)
    found = rows(dlx("predict", "sales", "--split", "test").out)
    assert list(found[0]) == ["row", "id", "area", "city", "target", "predicted"]
    assert len(found) == 80
    for each in found:
        row = sales.iloc[int(each["row"]) - 2]  # as a spreadsheet counts
        assert (each["id"], each["city"]) == (row["id"], row["city"])
        assert float(each["target"]) == pytest.approx(row["price"])
        assert float(each["predicted"]) == pytest.approx(row["price"], abs=6e7)


def test_a_run_keeps_its_columns(dlx: Command, sales: pd.DataFrame) -> None:
    run = Path(trained(dlx).json["run"])
    columns = json.loads((run / "table.json").read_text())["columns"]
    assert [column["name"] for column in columns] == ["area", "city"]
    assert columns[1]["categories"] == ["대구", "부산", "서울"]


def test_a_table_that_has_changed_is_not_evaluated(dlx: Command, sales: pd.DataFrame) -> None:
    trained(dlx)
    sales.iloc[1:].to_csv("data/sales.csv", index=False)
    ended = dlx("evaluate", "sales")
    assert ended.code == 3
    assert "the data 'csv' have changed" in ended.err


@pytest.mark.parametrize(
    ("overrides", "code", "message"),
    [
        (["data.path=sales.csv"], 3, "sales.csv: no such file; data.path is relative to the con"),
        (["data.target=prize"], 2, "has no column 'prize'; did you mean 'price'?"),
        (["data.separator=;"], 2, "if it holds several, name another data.separator"),
        (["data.encoding=ascii"], 3, "row 2: byte 0xeb is not ascii; name its data.encoding"),
        (["data.task=classification"], 3, "no training row has class"),
        (["data.target=city", "data.task=regression"], 3, "row 2, column 'city': "),
        (["data.split.dev=400"], 3, "none is left to train on"),
    ],
)
def test_bad_tables(
    overrides: list[str], code: int, message: str, dlx: Command, sales: pd.DataFrame
) -> None:
    ended = dlx("train", "sales.yaml", *overrides)
    assert (ended.code, message in ended.err) == (code, True), ended.err
    assert not Path("runs").exists()


def test_a_source_that_needs_options_says_so(dlx: Command) -> None:
    ended = dlx("data", "show", "csv")
    assert ended.code == 2
    assert "data csv: path: required, but not given" in ended.err
