"""A user's own table from the command line: train, evaluate, predict, export."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.cli.conftest import Command, Ended, environment
from tests.guarded import EXPORT, LEARNING

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
    predictions = rows(dlx("predict", "sales", "--split", "test").out)
    assert list(predictions[0]) == ["row", "id", "area", "city", "target", "predicted"]
    assert len(predictions) == 80
    for prediction in predictions:
        row = sales.iloc[int(prediction["row"]) - 2]  # as a spreadsheet counts
        assert (prediction["id"], prediction["city"]) == (row["id"], row["city"])
        assert float(prediction["target"]) == pytest.approx(row["price"])
        assert float(prediction["predicted"]) == pytest.approx(row["price"], abs=6e7)


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
        (["data.encoding=ascii"], 3, "row 2: byte 0xeb is not ascii; name its encoding"),
        (["data.task=classification"], 3, "are no classes; name another target"),
        (["data.target=city", "data.task=regression"], 3, "row 2, column 'city': "),
        (["data.split.dev=400"], 3, "none is left to train on; take fewer"),
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


GAPS = """\
id,width,colour,open,y
a,1.5,red,true,no
b,?,blue,false,yes
c,2.5,,true,no
d,3.5,red,false,yes
"""
GAPS_CONFIG = {
    "name": "gaps",
    "data": {
        "name": "csv",
        "path": "gaps.csv",
        "target": "y",
        "id": "id",
        "missing": "impute",
        "missing_values": ["?"],
        "standardize": True,
    },
    "model": {"hidden": [4]},
    "train": {"steps": 20, "batch_size": 8},
}


@pytest.fixture
def gaps(dlx: Command) -> None:
    """A trained run whose table has missing values, truth values and a class to predict."""
    from dlx import api

    header, *body = GAPS.splitlines()
    Path("gaps.csv").write_text("\n".join([header, *body * 8]) + "\n")
    api.train(GAPS_CONFIG)


def test_a_file_is_matched_by_name_and_keeps_its_ids(dlx: Command, sales: pd.DataFrame) -> None:
    trained(dlx)
    expected = {
        prediction["id"]: prediction["predicted"]
        for prediction in rows(dlx("predict", "sales", "--split", "test").out)
    }
    some = sales[sales["id"].isin(list(expected))]
    shuffled = some[["city", "price", "id", "area"]].assign(new="left alone")
    shuffled.to_csv("new.csv", index=False, sep=";", encoding="cp949")
    predictions = rows(dlx("predict", "sales", "new.csv").out)
    assert list(predictions[0]) == ["row", "id", "predicted"]
    assert [int(prediction["row"]) for prediction in predictions] == list(
        range(2, len(expected) + 2)
    )
    for prediction in predictions:
        assert float(prediction["predicted"]) == pytest.approx(
            float(expected[prediction["id"]]), rel=1e-5
        )


def test_an_unseen_category_is_predicted_with_a_warning(dlx: Command, sales) -> None:
    trained(dlx)
    Path("new.csv").write_text("area,city\n90,제주\n")
    ended = dlx("predict", "sales", "new.csv")
    assert ended.code == 0
    assert "warning: 1 of 1 rows have a 'city' that no training row has ('제주')" in ended.err
    assert list(rows(ended.out)[0]) == ["row", "predicted"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("area,citi\n90,서울\n", "(it has: area, citi); did you mean 'citi'?"),
        ("area,city\n90,서울\n,서울\n", "new.csv, row 3, column 'area': the value is missing"),
        (
            "area,city\nwide,서울\n",
            "new.csv, row 2, column 'area': 'wide' is not a number; correct",
        ),
        ("area,city\n90,서울,1\n", "new.csv, row 2: 3 values instead of 2"),
        ("area,city\n", "new.csv: a header but no rows"),
    ],
)
def test_files_that_cannot_be_predicted(text: str, message: str, dlx: Command, sales) -> None:
    trained(dlx)
    Path("new.csv").write_text(text)
    ended = dlx("predict", "sales", "new.csv")
    assert (ended.code, message in ended.err) == (3, True), ended.err


def loaded(*files: str) -> subprocess.CompletedProcess[str]:
    """Run the script of the export in `plain` on files."""
    return subprocess.run(
        [sys.executable, "plain/load.py", *files],
        env={k: v for k, v in environment().items() if k != "PYTHONPATH"},
        capture_output=True,
        text=True,
    )


@pytest.mark.slow(*EXPORT)
def test_the_exported_script_says_what_predict_says(dlx: Command, gaps: None) -> None:
    text = GAPS.replace("width,", " width ,") + "\ne, ?,green,FALSE,no\nf,2.5,blue,,yes\n"
    Path("new.csv").write_text(text)
    said = dlx("predict", "gaps", "new.csv")
    assert [row["id"] for row in rows(said.out)] == list("abcdef")
    assert dlx("export", "gaps", "--output", "plain").out.splitlines() == [
        f"plain/{name}"
        for name in (
            *("weights.safetensors", "preprocessing.safetensors", "table.json"),
            *("cells.py", "layout.py", "texts.py", "load.py"),
        )
    ]
    Path("semicolons.csv").write_bytes(text.replace(",", ";").encode("utf-16"))
    answer = loaded("new.csv", "semicolons.csv")
    assert answer.returncode == 0, answer.stderr
    first, second = answer.stdout.split("row,")[1:]
    assert first == second
    assert "row," + first == said.out
    run, *remarks = said.err.splitlines(keepends=True)
    assert run.startswith("run: ") and "'colour' that no training row has" in said.err
    assert answer.stderr == 2 * "".join(remarks)
    Path("new.csv").write_text("id,width,colour,open\na,wide,red,true\n")
    wrong = loaded("new.csv")
    assert wrong.returncode == 1
    assert wrong.stderr == "new.csv: row 2, column 'width': 'wide' is not a number\n"
    Path("new.csv").write_text("id,width,colour,open\na,1,red,true\nb,2\nc,3,red,true\n")
    assert loaded("new.csv").stderr.startswith("new.csv: row 3: 2 values instead of 4, separated")
    assert loaded("none.csv").stderr == "none.csv: No such file or directory\n"


@pytest.mark.slow(*EXPORT)
def test_the_exported_script_answers_in_units_and_takes_rows(
    dlx: Command, sales: pd.DataFrame
) -> None:
    trained(dlx)
    dlx("export", "sales", "--output", "plain")
    sales.head(3).to_csv("new.csv", index=False)
    said = dlx("predict", "sales", "new.csv").out
    assert loaded("new.csv").stdout == said
    row = {"area": float(sales["area"][0]), "city": sales["city"][0], "left": "alone"}
    code = f"from load import answers; print(answers([{row!r}])[0]['predicted'])"
    printed = subprocess.run([sys.executable, "-c", code], cwd="plain", capture_output=True)
    assert float(printed.stdout) == pytest.approx(float(rows(said)[0]["predicted"]), rel=1e-6)


def test_a_labelled_file_is_evaluated(dlx: Command, sales: pd.DataFrame) -> None:
    part = trained(dlx).json["metrics"]["test"]
    predictions = rows(dlx("predict", "sales", "--split", "test").out)
    chosen = sales.iloc[[int(prediction["row"]) - 2 for prediction in predictions]]
    chosen.to_csv("new.csv", index=False, sep=";", encoding="cp949")
    measured = dlx("evaluate", "sales", "new.csv", "--json").json["metrics"]["new"]
    assert {name: measured[name] for name in part} == pytest.approx(part, rel=1e-5)
    chosen.drop(columns="price").to_csv("new.csv", index=False)
    ended = dlx("evaluate", "sales", "new.csv")
    assert ended.code == 3 and "new.csv: no column 'price'" in ended.err


def test_init_writes_a_config_that_trains(dlx: Command, sales: pd.DataFrame) -> None:
    ended = dlx("init", "data/sales.csv", "--target", "price", "-o", "data/mine.yaml")
    assert ended.err == "data/mine.yaml written; `dlx train data/mine.yaml` trains it\n"
    result = dlx("train", "data/mine.yaml", "--json", "--quiet").json
    assert result["metrics"]["test"]["cost"] < 0.05
    assert dlx("init", "data/sales.csv", "--target", "price", "-o", "data/mine.yaml").code == 2


def test_init_says_nothing_twice(dlx: Command) -> None:
    Path("t.csv").write_text("w,y\n" + "5 kg,1.5\n7 lb,2\n6 kg,3\n3 lb,4.5\n" * 9)
    ended = dlx("init", "t.csv", "--target", "y")
    assert ended.err.count("holds numbers with several units ('kg', 'lb')") == 1


@pytest.mark.parametrize(
    ("text", "target", "message"),
    [
        ("a,b\n" + "1,0\n2,0\n" * 9, "b", "column 'b' is '0' in every row: there is nothing to"),
        ("a,b\n" + "x,1\nx,2\n" * 9, "b", "data: no column is left as an input"),
    ],
)
def test_init_says_of_what_cannot_be_trained_that_it_cannot(
    text: str, target: str, message: str, dlx: Command
) -> None:
    Path("t.csv").write_text(text)
    ended = dlx("init", "t.csv", "--target", target)
    assert ended.code in (2, 3) and "trains it" not in ended.err
    assert "t.yaml is written, but cannot be trained yet: " in ended.err and message in ended.err
    again = dlx("train", "t.yaml")
    assert again.code == ended.code and message in again.err


def test_a_layout_is_named_where_it_cannot_be_judged(dlx: Command) -> None:
    rows = "".join(f"{i % 7}:{i % 5}.5:{i % 3}\n" for i in range(60))
    Path("t.csv").write_text("größe:y:z\n" + rows, encoding="utf-8")
    assert "no column 'y'" in dlx("init", "t.csv", "--target", "y").err
    ended = dlx("init", "t.csv", "--target", "y", "--separator", ":", "-o", "t.yaml")
    assert "trains it" in ended.err and "separator: ':'" in Path("t.yaml").read_text()
    assert dlx("train", "t.yaml", "train.epochs=1", "--quiet").code == 0
    said = dlx("predict", "t", "t.csv").out
    Path("other.csv").write_text(("größe;y;z\n" + rows.replace(":", ";")), encoding="cp1252")
    other = dlx("predict", "t", "other.csv")
    assert other.out == said  # its layout is judged, whatever the training file's is
    assert "other.csv is not UTF-8; it is read as cp1252" in other.err
    named = dlx("predict", "t", "other.csv", "--encoding", "latin-1", "--separator", ";")
    assert named.out == said and "UTF-8" not in named.err
    wrong = dlx("predict", "t", "other.csv", "--encoding", "utf-8")
    assert wrong.code == 3 and "byte 0xf6 is not utf-8; name its encoding" in wrong.err
    refused = dlx("init", "digits", "--separator", ";")
    assert refused.code == 2 and "--separator goes with a file" in refused.err


def test_a_table_without_names_is_trained_and_predicted(dlx: Command) -> None:
    colours = ("red", "blue")
    Path("t.csv").write_text("".join(f"{i % 7},{colours[i % 2]},{i % 5}.5\n" for i in range(60)))
    ended = dlx("init", "t.csv", "--target", "3")
    assert "note: row 1 of t.csv holds values" in ended.err and "trains it" in ended.err
    assert dlx("train", "t.yaml", "train.epochs=1", "--quiet").code == 0
    assert len(rows(dlx("predict", "t", "t.csv").out)) == 60


def test_predictions_show_cells_as_they_stand(dlx: Command) -> None:
    body = "".join(f'"${1000 + i:,}.50",{20240100000 + i},{i}\n' for i in range(60))
    Path("t.csv").write_text("price,order,y\n" + body)
    assert dlx("init", "t.csv", "--target", "y").code == 0
    data = yaml.safe_load(Path("t.yaml").read_text())["data"]
    assert data["numbers"] == {"price": {"thousands": ",", "strip": ["$"]}}
    assert dlx("train", "t.yaml", "train.epochs=1", "--quiet").code == 0
    row = rows(dlx("predict", "t", "--split", "test").out)[0]
    place = int(row["row"]) - 2
    assert row["price"] == f"${1000 + place:,}.50" and row["order"] == str(20240100000 + place)
    first = dlx("predict", "t", "--split", "test", "--json").json["predictions"][0]
    assert (first["price"], first["order"]) == (1000.5 + place, 20240100000 + place)


@pytest.mark.slow(*LEARNING)
def test_an_autoencoder_of_a_table_needs_no_target(dlx: Command) -> None:
    Path("t.csv").write_text("a,b\n" + "".join(f"{i % 7},{i % 5}.5\n" for i in range(60)))
    data = "{name: csv, path: t.csv, standardize: true}"
    model = "{name: autoencoder, encoder: [3, 1]}"
    Path("t.yaml").write_text(f"data: {data}\nmodel: {model}\ntrain: {{epochs: 1}}\n")
    assert dlx("train", "t.yaml", "--quiet").code == 0
    assert list(rows(dlx("predict", "t", "t.csv").out)[0]) == ["row", "predicted_a", "predicted_b"]
    dlx("export", "t", "--output", "plain")
    assert loaded("t.csv").stdout, dlx("predict", "t" == "t.csv").out
    refused = dlx("train", "t.yaml", "model={name: mlp}")
    assert refused.code == 2
    assert "data.target: name the column to predict; mlp needs one" in refused.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["data/sales.csv"], 2, "name the column to predict with --target"),
        (["sale.csv", "--target", "price"], 3, "sale.csv: no such file"),
        (["digits", "--target", "price"], 2, "--target goes with a file"),
    ],
)
def test_init_of_tables_that_cannot_be(
    arguments: list[str], code: int, message: str, dlx: Command, sales: pd.DataFrame
) -> None:
    ended = dlx("init", *arguments)
    assert (ended.code, message in ended.err) == (code, True), ended.err


@pytest.mark.slow(*EXPORT)
def test_onnx_answers_in_units(dlx: Command, sales: pd.DataFrame) -> None:
    pytest.importorskip("onnxscript", reason="needs dlx[onnx]")
    import onnx  # pyright: ignore[reportMissingImports]
    from onnx.reference import ReferenceEvaluator  # pyright: ignore[reportMissingImports]

    from dlx import api

    trained(dlx)
    files = ("network.onnx", "table.json", "cells.py", "layout.py", "texts.py")
    assert dlx("export", "sales", "--format", "onnx", "-o", "o").out.split() == [
        f"o/{name}" for name in files
    ]
    properties = {p.key: p.value for p in onnx.load("o/network.onnx").metadata_props}
    assert json.loads(properties["columns"]) == ["area", "city"]
    assert json.loads(properties["features"])[1] == "city=대구"
    assert json.loads(properties["targets"]) == ["price"] and properties["task"] == "regression"
    inputs = np.random.default_rng(0).random((7, 4))
    (outputs,) = ReferenceEvaluator("o/network.onnx").run(None, {"inputs": inputs})
    assert outputs == pytest.approx(api.load("sales").predict(inputs), rel=1e-5)


def test_a_table_that_comes_with_dlx_trains_and_beats_the_mean(
    dlx: Command, tmp_path: Path
) -> None:
    made = dlx("init", "table", "-o", "mine.yaml", "--json")
    assert made.json == {"config": "mine.yaml", "files": ["mine.yaml", "table.csv"]}
    assert "mine.yaml and table.csv written" in made.err
    results = {}
    for ignored in ("[]", "[species]"):
        ended = dlx("train", "mine.yaml", f"data.ignore={ignored}", "--json", "-q")
        assert ended.code == 0, ended.err
        results[ignored] = ended.json
    test, mean = results["[]"]["metrics"]["test"], results["[]"]["baseline"]["test"]
    assert mean["r2"] < 0.05 and test["r2"] > 0.9
    assert test["mae"] < 0.25 * mean["mae"]
    assert test["mae"] < 0.75 * results["[species]"]["metrics"]["test"]["mae"]
    (tmp_path / "mine.yaml").unlink()
    refused = dlx("init", "table", "-o", "mine.yaml")
    assert refused.code == 2
    assert "table.csv exists already; choose another place with --output" in refused.err
    assert not (tmp_path / "mine.yaml").exists()
