"""The config that a look at a table suggests: it loads, it trains, and it says why."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from dlx import api
from dlx.data.tables.starter import look, starter
from dlx.errors import ConfigError

NUM_ROWS = 60


@pytest.fixture
def frame() -> pd.DataFrame:
    """A table with one column of each kind."""
    generator = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "key": [f"k{i}" for i in range(NUM_ROWS)],
            "width": generator.normal(size=NUM_ROWS).round(3),
            "colour: of it": generator.choice(["red", "blue"], NUM_ROWS),
            "sold": pd.date_range("2024-01-01", periods=NUM_ROWS).astype(str),
            "remark": generator.choice([f"text {i}" for i in range(40)], NUM_ROWS),
            "unit": "cm",
            "is\nnew": generator.choice([True, False], NUM_ROWS),
            "size": generator.choice(["36", "38", "S", "M", "L", "XL"], NUM_ROWS),
            "y": generator.normal(size=NUM_ROWS),
            "grade": generator.integers(1, 4, NUM_ROWS),
            "kind": generator.choice(["a", "b"], NUM_ROWS),
        }
    )


def suggested(frame: pd.DataFrame, folder: Path, target: str, **options) -> tuple[dict, str]:
    """Write the table and its config, train two epochs, and return what the config says."""
    (folder / "data").mkdir(exist_ok=True)
    path = folder / "data" / "table.csv"
    frame.to_csv(path, index=False, **options)
    text = starter(path, target, folder)
    (folder / "table.yaml").write_text(text)
    run = api.train(folder / "table.yaml", ["train.epochs=2"], runs_dir=folder / "runs")
    assert set(run.metrics) == {"train", "stop", "dev", "test"}
    return yaml.safe_load(text)["data"], text


def test_columns_get_their_roles(frame, tmp_path):
    data, text = suggested(frame, tmp_path, "y")
    assert data == {
        "name": "csv",
        "path": "data/table.csv",
        "target": "y",
        "id": "key",
        "ignore": ["sold", "remark", "unit"],
        "categorical": ["size"],
        "standardize": True,
    }
    assert "# or time: sold, so that the past predicts the future" in text
    assert "#   colour: of it: 2 categories\n" in text
    assert "#   unit: the same in every row\n" in text


@pytest.mark.parametrize(("target", "task"), [("grade", "classification"), ("kind", None)])
def test_classes(target, task, frame, tmp_path):
    data, text = suggested(frame, tmp_path, target)
    assert data.get("task") == task
    assert "# classes: " + ("1, 2, 3" if target == "grade" else "a, b") in text


def test_gaps_and_placeholders(frame, tmp_path):
    frame["width"] = frame["width"].astype(object)
    frame.loc[3, "width"] = "?"
    frame.loc[5, "colour: of it"] = None
    data, text = suggested(frame, tmp_path, "y", sep=";", encoding="cp949")
    assert (data["missing"], data["missing_values"], data["separator"]) == ("impute", ["?"], ";")
    assert "and '?'" in text
    frame.loc[7, "y"] = None
    assert suggested(frame, tmp_path, "y")[0]["missing"] == "drop"


def test_numbers_with_commas_are_left_out(frame, tmp_path):
    frame["width"] = [f"{number:.2f}".replace(".", ",") for number in frame["width"]]
    frame["size"] = ["1,200" if row == 3 else str(900 + row % 50) for row in range(NUM_ROWS)]
    data, text = suggested(frame, tmp_path, "y")
    assert {"width", "size"} <= set(data["ignore"])
    assert "#   width: numbers with commas: write points, and nothing between thousands\n" in text


def test_korean_text_is_read_again(frame, tmp_path):
    frame["kind"] = frame["kind"].map({"a": "가", "b": "나"})
    data, text = suggested(frame, tmp_path, "kind", encoding="cp949")
    assert data["encoding"] == "cp949"
    assert "# classes: 가, 나" in text


def test_small_and_large_tables_take_about_as_many_steps(frame, tmp_path):
    path = tmp_path / "t.csv"
    for num_rows, batch_size, epochs in ((5, 1, 200), (60, 3, 166), (60_000, 128, 7)):
        pd.DataFrame({"a": range(num_rows), "y": np.arange(num_rows) / 2}).to_csv(path, index=False)
        train = yaml.safe_load(starter(path, "y", tmp_path))["train"]
        assert (train["batch_size"], train["epochs"]) == (batch_size, epochs)


def test_numbers_called_id_are_ids():
    assert look(pd.Series([3, 1, 2], name="ID")).kind == "id"
    assert look(pd.Series([3, 1, 2], name="age")).kind == "number"


def test_a_target_has_to_be_named(frame, tmp_path):
    path = tmp_path / "t.csv"
    frame[["width", "y"]].to_csv(path, index=False)
    with pytest.raises(ConfigError, match=r"name the column to predict with --target; .*: w"):
        starter(path, None, tmp_path)
    with pytest.raises(ConfigError, match=r"has no column 'widht'; did you mean 'width'"):
        starter(path, "widht", tmp_path)
