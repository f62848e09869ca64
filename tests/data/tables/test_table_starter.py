"""The config that a look at a table suggests: it loads, it trains, and it says why."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from dlx import api
from dlx.data.tables.starter import Start, look, starter
from dlx.errors import ConfigError, DataError

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
    text = starter(path, target, folder).text
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
    assert (data["missing"], data["missing_values"]) == ("impute", {"width": ["?"]})
    assert not {"separator", "encoding"} & set(data)  # what is found is not pinned
    assert "and '?'" in text
    frame.loc[7, "y"] = None
    assert suggested(frame, tmp_path, "y")[0]["missing"] == "impute"
    complete = frame.drop(columns=["width", "colour: of it"])
    assert suggested(complete, tmp_path, "y")[0]["missing"] == "drop"


def test_numbers_with_signs_and_units_are_read(frame, tmp_path):
    frame["width"] = [f"{number:.2f} €".replace(".", ",") for number in frame["width"]]
    frame["size"] = ["1.200" if row == 3 else str(900 + row % 50) for row in range(NUM_ROWS)]
    data, text = suggested(frame, tmp_path, "y", sep=";", decimal=",")
    width, size = {"decimal": ",", "strip": ["€"]}, {"decimal": ",", "thousands": "."}
    assert data["numbers"] == {"width": width, "size": size, "y": {"decimal": ","}}
    assert (
        "#   size: numbers from 900 to 1200, with decimal commas, '.' between thousands\n" in text
    )
    assert "target: y                    # a number" in text


def test_korean_text_is_read_again(frame, tmp_path):
    frame["kind"] = frame["kind"].map({"a": "가", "b": "나"})
    data, text = suggested(frame, tmp_path, "kind", encoding="cp949")
    assert "encoding" not in data
    assert "# classes: 가, 나" in text


def started(tmp_path: Path, text: str, target: str = "y") -> tuple[dict, Start]:
    """Write a text as a table, and return what its config says, and all that is said."""
    (tmp_path / "t.csv").write_text(text)
    start = starter(tmp_path / "t.csv", target, tmp_path)
    return yaml.safe_load(start.text)["data"], start


def test_texts_among_numbers_are_missing_only_if_they_look_so(tmp_path):
    for odd, options in (
        ("-", {"missing": "impute", "missing_values": {"a": ["-"]}}),
        ("unknown", {"missing": "impute", "missing_values": {"a": ["unknown"]}}),
        ("3+", {"categorical": ["a"]}),
        ("B1", {"categorical": ["a"]}),
        ("<1", {"categorical": ["a"]}),
    ):
        data, start = started(tmp_path, "a,y\n" + f"1,1.5\n2,2.5\n{odd},3\n0,2\n" * 20)
        found = {
            key: data[key] for key in ("missing", "missing_values", "categorical") if key in data
        }
        assert found == options
        assert repr(odd) in start.notes[0]
    numbers = "".join(f"{i},{i}\n" for i in range(50))
    data, start = started(tmp_path, "a,b,y\n" + numbers.replace(",", ",1,") + "Total,1,3\n")
    assert data["ignore"] == ["a", "b"] and "such as 'Total', and is left out" in start.notes[0]


def test_thousands_among_small_numbers(tmp_path):
    data, _ = started(tmp_path, "rain,y\n" + '29,1.5\n"1,900",2\n-,3\n900,4\n' * 20)
    assert data["numbers"] == {"rain": {"thousands": ","}}
    assert data["missing_values"] == {"rain": ["-"]}


@pytest.mark.parametrize(
    "name", ["", "index", "row_id", "PassengerId", "Person ID", "no", "번호", "S.No", "Unnamed: 0"]
)
def test_row_numbers_are_no_inputs(name, tmp_path):
    text = f"{name},u,y\n" + "".join(f"{i},{i % 7},{i % 5}.5\n" for i in range(3, 60))
    data, start = started(tmp_path, text)
    assert data["ignore"] == [name or "Unnamed: 0"]
    assert "counts the rows: it is no input" in start.notes[0]


def test_a_column_that_goes_up_by_one_is_an_input_if_it_is_not_called_a_number(tmp_path):
    data, _ = started(tmp_path, "rpm,y\n" + "".join(f"{i},{i % 5}.5\n" for i in range(60)))
    assert "ignore" not in data and "id" not in data
    data, start = started(tmp_path, "no,y\n" + "".join(f"{i},{i % 5}.5\n" for i in range(60)))
    assert "ignore" not in data and "no other column is left, so that 'no' is an" in start.notes[0]


def test_dates_alone_are_inputs(tmp_path):
    rows = "".join(f"2024년 {1 + i % 12}월 {1 + i % 28}일,{i}\n" for i in range(40))
    data, start = started(tmp_path, "날짜,y\n" + rows)
    assert data["dates"] == {"날짜": "auto"} and "ignore" not in data
    rows = "".join(f"0{1 + i % 9}/02/2024,{i % 7},{i}\n" for i in range(40))
    data, start = started(tmp_path, "d,x,y\n" + rows)
    assert data["ignore"] == ["d"]
    assert "'%d/%m/%Y'" in start.notes[0] and "whichever is right" in start.notes[0]


def test_points_that_may_stand_between_thousands_are_asked_about(tmp_path):
    _, start = started(tmp_path, "a;y\n" + "1.234;1\n2.500;2\n900;3\n" * 9)
    assert "if the point stands between thousands, write data.numbers: {a: " in start.notes[0]
    assert started(tmp_path, "a;y\n" + "1.234;1\n0.500;2\n9.25;3\n" * 9)[1].notes == ()


def test_codes_and_none_are_values(tmp_path):
    text = "zip,y\n" + "01234,None\n1234,Belt\n00501,None\n" * 20
    data, start = started(tmp_path, text)
    assert data["categorical"] == ["zip"] and "# classes: Belt, None" in start.text


def test_a_table_without_names(tmp_path):
    data, start = started(tmp_path, "red,1,0\nblue,2,1\ngreen,3,0\n" * 9, "3")
    assert data["header"] is False and data["target"] == "3"
    assert "row 1 of t.csv holds values" in start.notes[0]


def test_small_and_large_tables_take_about_as_many_steps(frame, tmp_path):
    path = tmp_path / "t.csv"
    for num_rows, batch_size, epochs in ((5, 1, 200), (60, 3, 166), (60_000, 128, 7)):
        pd.DataFrame({"a": range(num_rows), "y": np.arange(num_rows) / 2}).to_csv(path, index=False)
        train = yaml.safe_load(starter(path, "y", tmp_path).text)["train"]
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


@pytest.mark.parametrize(
    "mark", ["na", "Unknown", "N.A.", "***", "(blank)", "[null]", "없음", "not available"]
)
def test_words_for_missing_among_numbers_are_placeholders(mark):
    seen = look(pd.Series([mark, *map(str, range(20))], name="x"))
    assert (seen.kind, seen.placeholders) == ("number", (mark,))
    assert repr(mark) in seen.note


@pytest.mark.parametrize("form", ["<{}", "{}:30", "~{}", "{}/10", "{} lb or kg?"])
def test_numbers_that_are_not_read_are_named(form):
    seen = look(pd.Series([form.format(number) for number in range(1, 40)], name="x"))
    assert "holds numbers that are not read" in seen.note


def test_a_minus_may_be_the_sign_of_typesetters():
    seen = look(pd.Series(["\u22121.5", "\u22122", "3"], name="x"))
    assert (seen.kind, seen.words) == ("number", "numbers from -2 to 3")


def test_targets_that_cannot_be_predicted_are_refused(frame, tmp_path):
    frame["y"] = np.nan
    with pytest.raises(DataError, match=r"--target: every cell of column 'y' of .* is missing"):
        suggested(frame, tmp_path, "y")
    with pytest.raises(DataError, match=r"--target: column 'sold' of .* holds dates, which dlx"):
        suggested(frame, tmp_path, "sold")


def test_signs_are_classes_and_a_placeholder_among_0_and_1_makes_no_number(tmp_path):
    data, start = started(tmp_path, "a,y\n" + "1,+\n2,-\n3,+\n" * 20)
    assert "missing_values" not in data and "# classes: +, -" in start.text
    data, _ = started(tmp_path, "a,y\n" + "1,0\n2,1\n3,?\n" * 20)
    assert (data["task"], data["missing_values"]) == ("classification", {"y": ["?"]})


@pytest.mark.parametrize("cells", [("1", "2", " NA "), ("$5", "$7", "N/A"), ("1,5", "2,5", "NaN")])
def test_words_for_missing_among_numbers_are_filled_in(cells, tmp_path):
    rows = "".join(f'"{cells[i % 3]}";{i % 7};{i / 2}\n' for i in range(30))
    data, _ = started(tmp_path, f"x;u;y\n{rows}")
    assert data["missing"] == "impute"


@pytest.mark.parametrize(
    ("cells", "form"),
    [
        (("2024年3月5日", "2024年3月17日"), "%Y年%m月%d日"),
        (("1er avril 2018", "17 mars 2018"), "%d %b %Y"),
        (("20180305T1400", "20180317T0900"), "%Y%m%dT%H%M"),
        (tuple(f"2024{m:02}{d}1430" for m in range(1, 7) for d in (14, 28)), "%Y%m%d%H%M"),
    ],
)
def test_dates_are_said_to_be_left_out(cells, form, tmp_path):
    rows = "".join(f"{cells[i % len(cells)]},{i * 7 % 10},{i * 3 % 7 / 2}\n" for i in range(30))
    data, start = started(tmp_path, f"x,u,y\n{rows}")
    assert data["ignore"] == ["x"] and f"({form}" in start.notes[0]
    assert "and is left out; data.time or data.dates uses it" in start.notes[0]


def test_a_share_beside_percent_is_not_read(tmp_path):
    rows = "".join(f"{('50%', '0.5', '7%')[i % 3]},{i * 7 % 10},{i / 2}\n" for i in range(30))
    data, start = started(tmp_path, f"x,u,y\n{rows}")
    assert data["categorical"] == ["x"] and "numbers and '50%', '7%'" in start.notes[0]


def test_codes_beside_texts_are_categories(tmp_path):
    rows = "".join(f"{('01+02', '02', '01')[i % 3]},{i * 7 % 10},{i / 2}\n" for i in range(30))
    data, _ = started(tmp_path, f"x,u,y\n{rows}")
    assert data["categorical"] == ["x"]


@pytest.mark.parametrize("name", ["Nummer", "laufende Nummer", "numéro", "n°", "编号"])
def test_row_numbers_have_names_of_many_languages(name, tmp_path):
    rows = "".join(f"{i + 1},{i * 7 % 10},{i / 2}\n" for i in range(30))
    data, _ = started(tmp_path, f"{name},u,y\n{rows}")
    assert data["ignore"] == [name]
