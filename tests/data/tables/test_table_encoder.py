"""From columns to inputs: beside scikit-learn's ColumnTransformer, and on what it has not seen."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from dlx.data.dataset import Column, Table
from dlx.data.pipeline import load_dataset, prepare
from dlx.data.tables import encoder as encoders
from dlx.data.tables.cells import Format
from dlx.data.tables.encoder import Encoder
from dlx.errors import DataError, RunError

COLUMNS = (Column("width"), Column("colour", ("blue", "red", "white")))
TRAIN = np.array([[1, 0], [3, 1], [np.nan, 1]])


def table(columns: tuple[Column, ...], imputes: bool = True) -> Table:
    return Table(columns, ("y",), np.arange(3) + 2, imputes)


def fitted(imputes: bool = True) -> Encoder:
    return encoders.fit(TRAIN, table(COLUMNS, imputes), source="table.csv")


def test_means_indicators_and_one_hot():
    encoder = fitted()
    assert encoder.features == ("width", "width is missing", "colour=blue", "colour=red")
    assert encoder.places == {"width": slice(0, 2), "colour": slice(2, 4)}
    expected = [[1, 0, 1, 0], [3, 0, 0, 1], [2, 1, 0, 1]]
    assert encoder(TRAIN, COLUMNS).tolist() == expected


def test_an_unseen_category_is_all_zeros_and_said():
    rows = np.array([[1, 2], [2, 2], [3, np.nan], [4, 0]])
    encoder = fitted()
    assert encoder(rows, COLUMNS)[:, 2:].tolist() == [[0, 0], [0, 0], [0, 0], [1, 0]]
    assert encoder.unseen(rows, COLUMNS) == [
        "2 of 4 rows have a 'colour' that no training row has ('white'); all inputs of this column "
        "are 0 for them",
        "1 of 4 rows have no 'colour', which no training row lacks; all inputs of this column are "
        "0 for them",
    ]
    assert encoder.unseen(TRAIN, COLUMNS) == []


def test_a_number_that_no_training_row_lacks_is_said():
    encoder = encoders.fit(TRAIN[:2], table(COLUMNS), source="table.csv")
    assert encoder.unseen(TRAIN, COLUMNS) == [
        "1 of 3 rows have no 'width', which no training row lacks; it is the mean of the training "
        "rows for them"
    ]


def test_dates_are_a_calendar():
    column = Column("sold", None, Format("date", (), dates=("%Y-%m-%d %H:%M",)))
    texts = ["2024-01-01 06:00", "2024-04-04 18:00", "", "2023-12-31 00:00"]
    values = column.form.values(texts)[:, None]
    encoder = encoders.fit(values, table((column,)), source="table.csv")
    inputs = encoder(values, (column,))
    assert encoder.features == (
        *("sold year", "sold days", "sold month sine", "sold month cosine"),
        *("sold weekday sine", "sold weekday cosine", "sold hour sine", "sold hour cosine"),
        "sold is missing",
    )
    np.testing.assert_allclose(inputs[0], [2024, 19723.25, 0, 1, 0, 1, 1, 0, 0], atol=1e-12)
    thursday = [np.sin(6 / 7 * np.pi), np.cos(6 / 7 * np.pi)]
    np.testing.assert_allclose(inputs[1], [2024, 19817.75, 1, 0, *thursday, -1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(inputs[2, :-1], inputs[[0, 1, 3], :-1].mean(0))
    assert inputs[2, -1] == 1


def test_codes_of_another_file_mean_its_own_categories():
    other = (Column("width"), Column("colour", ("red",)))
    assert fitted()(np.array([[1.0, 0]]), other).tolist() == [[1, 0, 0, 1]]


def test_it_is_saved_as_json(tmp_path):
    encoder = fitted()
    path = tmp_path / "table.json"
    assert Encoder.from_json(encoder.to_json(), path) == encoder
    with pytest.raises(RunError, match=r"table.json: damaged .*; train the run again"):
        Encoder.from_json(encoder.to_json()[:-20], path)


def test_columns_that_cannot_be_encoded():
    nothing = np.array([[np.nan, 0], [np.nan, 1]])
    message = "table.csv: column 'width' has no value in any training row; list it under data.igno"
    with pytest.raises(DataError, match=message):
        encoders.fit(nothing, table(COLUMNS), source="table.csv")
    names = (Column("name", tuple(map(str, range(1001)))),)
    codes = np.arange(1001.0)[:, None]
    with pytest.raises(DataError, match=r"'name' has 1,001 different texts .* more than the 1,000"):
        encoders.fit(codes, table(names), source="table.csv")


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10_000),
    standardize=st.booleans(),
    gaps=st.sampled_from([0, 0.2]),
    num_rows=st.integers(30, 80),
)
def test_the_matrix_is_scikit_learns(seed, standardize, gaps, num_rows, tmp_path):
    """Only features with gaps in the training rows get an indicator, there as here."""
    generator = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "width": generator.normal(5, 2, num_rows).round(3),
            "count": generator.integers(0, 9, num_rows).astype(float),
            "colour": generator.choice(["red", "blue", "white", "빨강"], num_rows),
            "size": generator.choice(["S", "M"], num_rows),
        }
    )
    numbers = ["width", "count"]
    frame[numbers] = frame[numbers].mask(generator.random((num_rows, 2)) < gaps)
    frame["y"] = np.arange(num_rows) * 1.5
    path = tmp_path / "table.csv"
    frame.to_csv(path, index=False)
    dataset = load_dataset("csv", Path(), path=path, target="y", missing="impute")
    splits = prepare(dataset, standardize=standardize)
    assert splits.dev is not None and splits.test is not None

    train = frame.iloc[splits.train.rows]
    parts = [
        (name, SimpleImputer(add_indicator=True), [name])
        if name in numbers
        else (name, OneHotEncoder(handle_unknown="ignore", sparse_output=False), [name])
        for name in frame.columns[:-1]
    ]
    transformer = ColumnTransformer(parts)
    reference = make_pipeline(transformer, StandardScaler()) if standardize else transformer
    reference.fit(train)
    for part in (splits.train, splits.dev, splits.test):
        expected = np.asarray(reference.transform(frame.iloc[part.rows]))
        np.testing.assert_allclose(part.inputs.numpy(), expected, rtol=1e-5, atol=2e-5)
    scaler = StandardScaler().fit(train[["y"]])
    expected = np.asarray(scaler.transform(frame.iloc[splits.test.rows][["y"]]))
    np.testing.assert_allclose(splits.test.targets.numpy(), expected, rtol=1e-5, atol=1e-6)
