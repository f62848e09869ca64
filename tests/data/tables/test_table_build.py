"""A user's table as a data set: roles of columns, files, missing values, splits, leaks."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlx.data.dataset import Column, Dataset, Table, Task
from dlx.data.pipeline import Pool, load_dataset, prepare
from dlx.data.splits import Rows, set_stop_aside, split_rows
from dlx.errors import ConfigError, DataError

PEOPLE = """\
id,person,width,colour,sold,y
a,kim,1.5,red,2024-01-03,10
b,kim,2.5,blue,2024-01-01,20
c,lee,,red,2024-01-02,35
d,han,4.5,white,2024-01-04,40
"""
ROLES = {"id": "id", "group": "person", "ignore": ["sold"]}


def test_columns_have_roles(read):
    dataset = read(PEOPLE, missing="impute", **ROLES)
    assert [column.name for column in dataset.table.columns] == ["width", "colour"]
    assert dataset.table.columns[1].categories == ("blue", "red", "white")
    np.testing.assert_array_equal(dataset.inputs, [[1.5, 1], [2.5, 0], [np.nan, 1], [4.5, 2]])
    assert dataset.targets.tolist() == [[10], [20], [35], [40]]
    assert dataset.table.ids.tolist() == ["a", "b", "c", "d"]
    assert dataset.table.groups.tolist() == [1, 1, 2, 0]
    assert dataset.table.rows.tolist() == [2, 3, 4, 5]
    assert (dataset.name, dataset.classes) == ("table.csv", None)


def test_missing_values_are_errors_unless_told_otherwise(read):
    message = r"row 4, column 'width': the value is missing, .* data.missing: impute or drop"
    with pytest.raises(DataError, match=message):
        read(PEOPLE, **ROLES)
    dropped = read(PEOPLE, missing="drop", **ROLES)
    assert dropped.table.ids.tolist() == ["a", "b", "d"]
    assert dropped.warnings == ("1 of 4 rows with a missing value are left out",)
    assert dropped.notes[0] == (
        "cells that count as missing (empty, or among numbers NA, NaN, NULL, None and the like): 1 "
        "of 'width'"
    )
    with pytest.raises(DataError, match="no row is left for train"):
        read("a,y\n,1\n,2\n", missing="drop")


def test_words_among_class_numbers_are_missing(read):
    """A class called NA would be made of what the author of the file did not know."""
    text = "a,stage\n" + "1,1\n2,2\n3,NA\n" * 5
    kept = read(text, target="stage", task="classification", missing="drop")
    assert kept.classes == ("1", "2") and len(kept.targets) == 10
    with pytest.raises(DataError, match=r"holds 'NA'; if that is a value, write data.missing_val"):
        read(text, target="stage", task="classification")
    told = read(text, target="stage", task="classification", missing_values={"stage": []})
    assert told.classes == ("1", "2", "NA")


def test_targets_that_are_different_in_nearly_every_row_are_no_classes(read):
    with pytest.raises(DataError, match=r"column 'y' of .* 5 different values in 6 rows are no cl"):
        read("a,y\n1,a\n2,b\n3,c\n4,d\n5,e\n6,a\n")


@pytest.mark.parametrize("missing", ["error", "impute"])
def test_targets_and_groups_are_never_filled_in(missing, read):
    if missing == "error":
        with pytest.raises(DataError, match=r"row 3, column 'y': the value is missing, and this"):
            read("a,y\n1,2\n2,\n3,4\n", missing=missing)
    else:
        kept = read("a,y\n1,2\n2,\n,4\n", missing=missing)
        assert kept.targets.tolist() == [[2], [4]] and np.isnan(kept.inputs[1, 0])
        assert kept.warnings == ("1 of 3 rows with no target are left out",)
    with pytest.raises(DataError, match=r"row 2, column 'g': the value is missing, and this"):
        read("a,g,y\n1,,2\n2,x,3\n", missing=missing, group="g")
    assert len(read("a,y\n1,2\n2,\n3,4\n", missing="drop").targets) == 2


def test_a_target_of_texts_is_a_class(read):
    splits = prepare(read("a,y\n" + "1,no\n2,yes\n" * 10))
    assert splits.task == Task("binary", 1, 1, ("no", "yes"), (1,), 12, (6, 6))
    numbers = read("a,y\n" + "1,10\n2,9\n3,2\n" * 10, task="classification")
    assert numbers.classes == ("2", "9", "10")
    with pytest.raises(DataError, match="row 2, column 'y': 'no' is not a number"):
        read("a,y\n1,no\n2,yes\n", task="regression")


def test_a_target_of_two_numbers_is_a_class(read):
    made = read("a,won\n" + "1,0\n2,1.0\n" * 10, target="won")
    assert made.classes == ("0", "1") and made.targets.tolist() == [0, 1] * 10
    assert made.notes == (
        "column 'won' of table.csv: two numbers, 0 and 1, are taken as classes; data.task: "
        "regression predicts a number",
    )
    number = read("a,won\n" + "1,0\n2,1.0\n" * 10, target="won", task="regression")
    assert (number.classes, number.notes) == (None, ())


def test_several_targets_of_0_and_1_are_labels_or_classes(read):
    labels = read("a,u,v\n" + "1,0,1\n2,1,0\n3,1,1\n" * 5, target=["u", "v"])
    assert labels.classes == ("u", "v")
    assert labels.targets.tolist() == [[0, 1], [1, 0], [1, 1]] * 5
    classes = read("a,u,v\n" + "1,0,1\n2,1,0\n" * 5, target=["u", "v"])
    assert classes.classes == ("u", "v") and classes.targets.tolist() == [1, 0] * 5
    assert "a single 1 in every row" in classes.notes[0]
    kept = read("a,u,v\n" + "1,0,1\n2,1,0\n" * 5, target=["u", "v"], task="multilabel")
    assert kept.targets.shape == (10, 2) and kept.notes == ()


def test_several_targets_of_numbers(read):
    splits = prepare(read("a,u,v\n" + "1,2,3\n2,3,9\n4,7,5\n" * 5, target=["u", "v"]))
    assert (splits.task.kind, splits.task.num_outputs) == ("regression", 2)
    assert len(splits.task.target_scale) == 2
    with pytest.raises(DataError, match="'v' holds words and column 'u' numbers other than 0 and"):
        read("a,u,v\n1,2,x\n2,3,z\n", target=["u", "v"])


def test_several_targets_of_two_words_are_labels(read):
    text = "a,u,v,w\n" + "1,no,1,paid\n2,yes,0,unpaid\n3,yes,1,unpaid\n" * 5
    labels = read(text, target=["u", "v", "w"])
    assert labels.classes == ("u", "v", "w")
    assert labels.targets.tolist() == [[0, 1, 1], [1, 0, 0], [1, 1, 0]] * 5
    assert "column 'u': the label holds where it says 'yes'" in labels.notes
    assert "column 'w': the label holds where it says 'paid'" in labels.notes
    with pytest.raises(DataError, match=r"'w' holds texts \('a', 'b', 'c', 3 in all\)"):
        read("a,u,w\n" + "1,no,a\n2,yes,b\n3,yes,c\n" * 5, target=["u", "w"])
    with pytest.raises(DataError, match=r"'u' holds texts, and data\.task says regression"):
        read(text, target=["u", "v"], task="regression")


def test_numeric_targets_are_standardized_on_the_training_rows(read):
    splits = prepare(read("a,y\n" + "".join(f"{i},{1e6 + i}\n" for i in range(50))))
    assert splits.test is not None
    targets = splits.train.targets.numpy()
    assert abs(targets.mean()) < 1e-6 and abs(targets.std() - 1) < 1e-6
    values = splits.task.in_units(splits.test.targets.numpy())
    np.testing.assert_allclose(values[:, 0], 1e6 + splits.test.rows, rtol=1e-7)


def test_a_file_for_each_part(write):
    paths = {
        "train": write("a,c,y\n1,x,1\n2,z,2\n", "train.csv"),
        "test": write("c,y,a\nz,3,5\nnew,4,6\n", "test.csv"),  # in another order
    }
    dataset = load_dataset("csv", Path(), path=paths, target="y")
    splits = prepare(dataset, split={"dev": 0})
    assert splits.test is not None and splits.dev is None
    assert splits.train.inputs.tolist() == [[1, 1, 0], [2, 0, 1]]
    assert splits.test.inputs.tolist() == [[5, 0, 1], [6, 0, 0]]
    assert splits.warnings == (
        "test: 1 of 2 rows have a 'c' that no training row has ('new'); all inputs of this "
        "column are 0 for them",
    )
    with pytest.raises(DataError, match=r"data.split.test: train.csv brings its own test part"):
        prepare(dataset, split={"test": 1})
    paths["dev"] = write("a,c,y\n1,x,\n", "dev.csv")
    with pytest.raises(DataError, match=r"dev.csv, row 2, column 'y': the value is missing"):
        load_dataset("csv", Path(), path=paths, target="y")
    paths["dev"] = write("a,y\n1,2\n", "dev.csv")
    with pytest.raises(DataError, match=r"dev.csv has no column 'c' \(it has: a, y\)"):
        load_dataset("csv", Path(), path=paths, target="y")
    paths["dev"] = write("a,c,y\n0,x,9\n", "dev.csv")
    whole = prepare(load_dataset("csv", Path(), path=paths, target="y"))
    assert whole.dev is not None and whole.dev.rows.tolist() == [2]


def test_a_parquet_file_with_two_columns_of_a_name_is_refused_in_a_line(tmp_path):
    pa = pytest.importorskip("pyarrow", reason="needs dlx[parquet]")
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs dlx[parquet]")
    table = pa.table([pa.array([1]), pa.array([2]), pa.array([3])], names=["x", "y", "x"])
    parquet.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"two columns are called 'x'; rename one of them$"):
        load_dataset("parquet", Path(), path=tmp_path / "t.parquet", target="y")


@pytest.mark.parametrize("seconds", [-(10**11), 2**40])
@pytest.mark.parametrize("asked", [{}, {"dates": {"a": "auto"}}, {"time": "a"}])
def test_a_date_that_no_calendar_has_is_refused_in_a_line(seconds, asked, tmp_path):
    pa = pytest.importorskip("pyarrow", reason="needs dlx[parquet]")
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs dlx[parquet]")
    times = pa.array([0, seconds, 5, 9], pa.timestamp("s"))
    table = pa.table({"a": times, "b": [1, 2, 3, 4], "y": [1, 2, 3, 4]})
    parquet.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"t.parquet, row 3, column 'a': .* years 1 to 9999; corr"):
        load_dataset("parquet", Path(), path=tmp_path / "t.parquet", target="y", **asked)


def test_dates_that_are_all_missing_are_missing_values(tmp_path):
    pa = pytest.importorskip("pyarrow", reason="needs dlx[parquet]")
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs dlx[parquet]")
    times = pa.array([None] * 4, pa.timestamp("s"))
    parquet.write_table(pa.table({"a": times, "y": [1, 2, 3, 4]}), tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"t.parquet, row 2, column 'a': the value is missing"):
        load_dataset("parquet", Path(), path=tmp_path / "t.parquet", target="y")


@pytest.mark.parametrize("damage", ["date", "metadata"])
def test_a_parquet_file_that_python_cannot_read_is_refused_in_a_line(damage, tmp_path):
    pa = pytest.importorskip("pyarrow", reason="needs dlx[parquet]")
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs dlx[parquet]")
    days = pa.array([-(2**31) if damage == "date" else 0] * 4, pa.date32())
    table = pa.table({"a": days, "y": [1, 2, 3, 4]})
    if damage == "metadata":
        table = table.replace_schema_metadata({"pandas": b"{not json"})
    parquet.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"t.parquet: not a parquet file that can be read \(.*\); "):
        load_dataset("parquet", Path(), path=tmp_path / "t.parquet", target="y")


def test_parquet_gives_the_same_data_set_as_csv(tmp_path, write):
    pytest.importorskip("pyarrow", reason="needs dlx[parquet]")
    frame = pd.read_csv(write(PEOPLE))
    frame.to_parquet(tmp_path / "table.parquet")
    options = {"target": "y", "missing": "impute", "group": "person", "time": None, **ROLES}
    one = load_dataset("csv", Path(), path=tmp_path / "table.csv", **options)
    two = load_dataset("parquet", Path(), path=tmp_path / "table.parquet", **options)
    np.testing.assert_array_equal(one.inputs, two.inputs)
    np.testing.assert_array_equal(one.targets, two.targets)
    assert one.table is not None and two.table is not None
    assert one.table.ids is not None and two.table.ids is not None
    assert one.table.columns == two.table.columns
    assert one.table.ids.tolist() == two.table.ids.tolist()
    frame["sold"] = pd.to_datetime(frame["sold"])
    dated_path = tmp_path / "table.parquet"
    frame.drop(columns="width").to_parquet(dated_path)
    dated = load_dataset("parquet", Path(), path=dated_path, target="y", time="sold", ignore=["id"])
    assert dated.table is not None and dated.table.times is not None
    assert np.argsort(dated.table.times).tolist() == [1, 2, 0, 3]
    with pytest.raises(ConfigError, match=r"data\.ignore: .* has no column 'width'"):
        load_dataset("parquet", Path(), path=dated_path, target="y", ignore=["width"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "price"}, r"data.target: .*table.csv has no column 'price' \(it has: id, per"),
        ({"target": "widht"}, "no column 'widht'; did you mean 'width'?"),
        ({"id": "key"}, "data.id: .* has no column 'key'"),
        ({"categorical": ["hue"]}, "data.categorical: .* has no column 'hue'"),
        ({"ignore": ["solt"]}, "data.ignore: .* has no column 'solt'; did you mean 'sold'?"),
        ({"ignore": ["width"], "categorical": ["width"]}, "data.categorical: .* data.ignore too"),
        ({"ignore": ["y"]}, "column 'y' has two uses among target, ignore, id, group and time"),
        ({"group": "person", "time": "sold"}, "data.group and data.time exclude each other"),
        ({"ignore": ["id", "person", "width", "colour", "sold"]}, "no column is left as an input"),
    ],
)
def test_options_that_cannot_be(options, message, read):
    with pytest.raises(ConfigError, match=message):
        read(PEOPLE, missing="impute", **options)


def test_a_file_of_another_separator_is_seen(read):
    with pytest.raises(ConfigError, match=r"\(it has: a:y; if it holds several, name another data"):
        read("a:y\n1:2\n")


def test_parts_of_files_exclude_group_and_time(write):
    paths = {"train": write(PEOPLE, "a.csv"), "test": write(PEOPLE, "b.csv")}
    with pytest.raises(ConfigError, match=r"but data.path names files for them; leave one out"):
        load_dataset("csv", Path(), path=paths, target="y", group="person")


def test_an_ignored_column_may_be_in_one_of_the_files(write):
    paths = {"train": write("a,b,y\n1,x,2\n2,z,3\n", "a.csv"), "test": write("a,y\n1,2\n", "b.csv")}
    dataset = load_dataset("csv", Path(), path=paths, target="y", ignore=["b"])
    assert dataset.table is not None
    assert [column.name for column in dataset.table.columns] == ["a"]
    with pytest.raises(ConfigError, match=r"a\.csv, .*b\.csv has no column 'c'"):
        load_dataset("csv", Path(), path=paths, target="y", ignore=["b", "c"])


def test_nothing_to_learn(read):
    with pytest.raises(DataError, match="column 'y' is 3 in every row: there is nothing to learn"):
        read("a,y\n1,3\n2,3\n")
    with pytest.raises(DataError, match="column 'y' is 'yes' in every row: there is nothing to le"):
        read("a,y\n1,yes\n2,yes\n")
    rows = "".join(f"{i},{i},{max(i - 8, 0)}\n" for i in range(10))
    dataset = read(f"t,a,y\n{rows}", time="t", task="regression")
    with pytest.raises(DataError, match="target 'y' is 0 in every training row: there is nothing"):
        prepare(dataset)


@given(
    st.lists(st.integers(0, 6), min_size=20, max_size=60),
    st.integers(0, 99),
    st.sampled_from([0, 3, 0.2]),
)
def test_a_group_is_in_one_part(groups, seed, dev):
    dataset = made(groups=np.unique(groups, return_inverse=True)[1])
    try:
        rows = split_rows(dataset, split={"dev": dev}, split_seed=seed)
    except DataError as error:
        assert "too few for every part to have its own" in str(error)
        return
    parts = [set(np.array(groups)[part]) for part in (rows.train, rows.dev, rows.test)]
    assert sum(map(len, parts)) == len(set(groups))
    assert sorted(np.concatenate([rows.train, rows.dev, rows.test])) == [*range(len(groups))]
    assert all(parts) or (dev == 0 and not parts[1])


def test_groups_come_near_to_the_sizes_asked_for():
    dataset = made(groups=np.arange(1000) // 10)
    rows = split_rows(dataset, split={"dev": 100, "test": 0.3})
    assert (len(rows.train), len(rows.dev), len(rows.test)) == (600, 100, 300)
    again = split_rows(dataset, split={"dev": 100, "test": 0.3}, split_seed=1)
    assert set(again.test) != set(rows.test)


@given(st.lists(st.integers(0, 20), min_size=20, max_size=60), st.sampled_from([0, 3, 0.2]))
def test_the_past_predicts_the_future(times, dev):
    dataset = made(times=np.array(times, dtype=np.float64))
    try:
        rows = split_rows(dataset, split={"dev": dev})
    except DataError as error:
        assert "too few for every part to have its own" in str(error)
        return
    parts = [np.array(times)[part] for part in (rows.train, rows.dev, rows.test) if len(part)]
    assert all(before.max() < after.min() for before, after in itertools.pairwise(parts))
    assert sum(map(len, parts)) == len(times)


def made(**known):
    """Return a table of one column that is the target too, with groups or times."""
    num_rows = len(next(iter(known.values())))
    values = np.arange(num_rows, dtype=np.float32)[:, None]
    table = Table((Column("a"),), ("y",), np.arange(len(values)) + 2, **known)
    return Dataset("table.csv", values, values, None, table=table)


@given(st.integers(0, 1000), st.booleans())
def test_dev_and_test_rows_change_no_training_byte(seed, standardize):
    """Numbers, gaps, categories and targets of held-out rows may be anything (law 4)."""
    generator = np.random.default_rng(seed)
    inputs = np.stack([generator.normal(size=40), generator.integers(0, 3, 40)], 1)
    inputs[generator.random((40, 2)) < 0.1] = np.nan
    columns = (Column("width"), Column("colour", ("a", "b", "c", "d")))
    table = Table(columns, ("y",), np.arange(40) + 2, imputes=True)
    inputs, targets = inputs.astype(np.float32), generator.normal(size=(40, 1)).astype(np.float32)
    clean = Dataset("t", inputs, targets, None, table=table)
    rows = split_rows(clean, split_seed=seed)
    held_out = np.concatenate([rows.dev, rows.test])
    inputs, targets = inputs.copy(), targets.copy()
    inputs[held_out, 0] = np.where(generator.random(16) < 0.5, np.nan, 1e6)
    inputs[held_out, 1] = 3
    targets[held_out] += 1e6
    elsewhere = (columns[0], Column("colour", ("a", "b", "c", "only held-out rows have it")))
    named = replace(table, columns=elsewhere)
    spoilt = replace(clean, inputs=inputs, targets=targets, table=named)
    first, second = (
        Pool(data).assemble(
            Rows(rows.train, rows.dev, rows.test), standardize=standardize, scale=False
        )
        for data in (clean, spoilt)
    )
    assert first.train.inputs.numpy().tobytes() == second.train.inputs.numpy().tobytes()
    assert first.train.targets.numpy().tobytes() == second.train.targets.numpy().tobytes()
    assert (first.task, first.encoder) == (second.task, second.encoder)
    assert first.fingerprint != second.fingerprint


def test_categories_that_only_train_dev_rows_have_are_said(read):
    dataset = read("c,y\nred,1\nred,2\nblue,3\nred,4\n")
    rows = Rows(np.array([0, 1]), np.array([3]), np.array([], np.int64), np.array([2]))
    splits = Pool(dataset).assemble(rows, standardize=False, scale=False)
    assert splits.warnings == (
        "train_dev: 1 of 1 rows have a 'c' that no training row has ('blue'); all inputs "
        "of this column are 0 for them",
    )


def test_names_of_categories_that_only_dev_rows_have_change_no_training_input(read):
    """The inputs are the categories of each run's own training rows."""
    rows = Rows(np.array([0, 1]), np.array([2, 3]), np.array([4]))
    text = "c,y\nred,1\nblue,2\nred,3\n{},4\n{},5\n"
    alike, other = (
        Pool(read(text.format(*names))).assemble(rows, standardize=True, scale=False)
        for names in (("blue", "red"), ("alpha", "zebra"))
    )
    assert other.task.num_inputs == alike.task.num_inputs == 2
    assert other.train.inputs.equal(alike.train.inputs)


LARGE = "order_no,y\n" + "".join(f"{20240100001 + i},{i / 2}\n" for i in range(50))


def test_large_numbers_keep_their_digits(read):
    splits = prepare(read(LARGE), standardize=True)
    assert len(splits.train.inputs.unique()) == len(splits.train.inputs)
    line = np.polyfit(splits.train.inputs[:, 0].double(), splits.train.targets[:, 0].double(), 1)
    np.testing.assert_allclose(line, [1, 0], atol=1e-6)
    large = prepare(read("a,y\n" + "".join(f"{i},{1.7e9 + i}\n" for i in range(50))))
    values = large.task.in_units(large.train.targets.numpy())
    np.testing.assert_allclose(values[:, 0], 1.7e9 + large.train.rows, atol=1e-4)


def test_a_class_of_the_test_file_alone_is_named_with_the_near_one(write):
    paths = {"train": write("x,y\n1,yes\n2,no\n3,yes\n", "tr.csv"), "test": Path()}
    paths["test"] = write("x,y\n1,yes.\n", "te.csv")
    with pytest.raises(
        DataError, match=r"te.csv, column 'y': no row of .*tr.csv has the class 'ye"
    ):
        load_dataset("csv", Path(), path=paths, target="y")
    paths["test"] = write("x,y\n1,Yes\n", "te.csv")
    with pytest.raises(DataError, match=r"the class 'Yes'; did you mean 'yes'\?"):
        load_dataset("csv", Path(), path=paths, target="y")
    paths = {"train": write("x,y\n1,1\n2,0\n", "tr.csv"), "test": write("x,y\n1,1.0\n", "te.csv")}
    dataset = load_dataset("csv", Path(), path=paths, target="y", task="classification")
    assert dataset.classes == ("0", "1") and dataset.targets.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ("1,yes\n2,no\n3,yes\n", "1,1\n", "te.csv, column 'y': no row .*tr.csv has the class '1'"),
        ("1,1\n2,0\n3,1\n", "1,yes\n", "te.csv, row 2, column 'y': 'yes' is not a number"),
        ("1,1\n2,?\n3,0\n", "1,1\n", r"tr.csv, row 3, column 'y': '\?' is not a number"),
    ],
)
def test_the_file_that_is_written_otherwise_is_named(train, test, message, write):
    paths = {"train": write("x,y\n" + train, "tr.csv"), "test": write("x,y\n" + test, "te.csv")}
    with pytest.raises(DataError, match=message):
        load_dataset("csv", Path(), path=paths, target="y")


def test_a_number_among_the_words_of_an_input_is_one_more_word(write):
    paths = {"train": write("c,y\na,1\nb,2\n", "tr.csv"), "test": write("c,y\n7,3\n", "te.csv")}
    dataset = load_dataset("csv", Path(), path=paths, target="y")
    assert dataset.table is not None and dataset.table.columns[0].categories == ("7", "a", "b")


def test_equal_numbers_are_one_person(read):
    text = "person,x,y\n" + "".join(f"{i % 5}{'.0' * (i > 9)},{i},{i}\n" for i in range(20))
    dataset = read(text, group="person")
    assert dataset.table.groups.tolist() == [0, 1, 2, 3, 4] * 4
    assert set(read(text, id="person").table.ids) == set("01234")


def test_a_column_that_is_text_in_one_file_is_text_in_all(write):
    paths = {"train": write("a,y\n01,1\n2,2\n", "tr.csv"), "test": write("a,y\n1,3\n", "te.csv")}
    dataset = load_dataset("csv", Path(), path=paths, target="y")
    assert dataset.table is not None
    assert set(dataset.table.columns[0].categories or ()) == {"01", "1", "2"}
    paths = {"train": write("a,y\n1,1\n2,2\n", "tr.csv"), "test": write("a,y\nx,3\n", "te.csv")}
    with pytest.raises(DataError, match=r"te.csv, row 2, column 'a': 'x' is not a number"):
        load_dataset("csv", Path(), path=paths, target="y")


def test_without_a_target_the_inputs_are_all_there_is(read):
    dataset = read("a,y\n1,2\n2,3\n", target=None)
    assert dataset.targets.shape == (2, 0) and len(dataset.table.columns) == 2


def test_a_missing_cell_is_named_by_its_text(read):
    message = (
        r"row 3, column 'a': the value is missing \(it holds 'NA'; .* data.missing_values: {a:"
    )
    with pytest.raises(DataError, match=message):
        read("a,y\n1,1\nNA,2\n")
    with pytest.raises(DataError, match=r"column 'y': the value is missing \(it holds 'nan'; if"):
        read("a,y\n1,red\n2,nan\n3,blue\n")
    kept = read("a,y\n" + "1,red\n2,nan\n3,blue\n" * 2, missing_values={"y": []})
    assert kept.classes == ("blue", "nan", "red")


def test_what_means_missing_is_replaced_for_all_columns_or_by_column(read):
    text = "glucose,kind,y\n0,?,1\n90,a,0\n0.0,b,3\n"
    one = read(text, missing="impute", missing_values={"glucose": ["0"]})
    np.testing.assert_array_equal(one.inputs[:, 0], [np.nan, 90, np.nan])
    assert one.table.columns[1].categories == ("?", "a", "b")
    everywhere = read(text, missing="impute", missing_values=[90, "?"])
    np.testing.assert_array_equal(everywhere.inputs, [[0, np.nan], [np.nan, 0], [0, 1]])


def test_a_number_that_seems_to_mean_missing_is_said(read):
    rows = "".join(f"{-200 if i % 9 == 0 else i / 7:.2f},{i % 13},{i}\n" for i in range(90))
    warnings = read("co,n,y\n" + rows).warnings
    assert warnings[0] == (
        "-200 lies apart from all other values, in 10 of 'co' rows; if it means missing, write "
        "data.missing_values: {co: ['-200']}"
    )
    assert not any("-200" in w for w in read("co,n,y\n" + rows, missing_values={"co": []}).warnings)


def test_row_numbers_and_what_gives_the_target_away_are_said(read):
    generator = np.random.default_rng(0)
    rows = [(i, generator.integers(9), "abc"[i // 20], "xyz"[i // 20]) for i in range(60)]
    text = ",u,code,kind\n" + "".join(",".join(map(str, row)) + "\n" for row in rows)
    warnings = "\n".join(read(text, target="kind").warnings)
    assert (
        "column 'Unnamed: 0' counts the rows, and is an input; list it under data.ign" in warnings
    )
    assert "column 'Unnamed: 0' alone tells 100 % of 'kind'" in warnings
    assert "column 'code' alone tells 100 % of 'kind'; if it is known only after it" in warnings
    assert "'u'" not in warnings


def test_dates_are_times_and_inputs(read):
    days = [f"{1 + i % 28:02}/{1 + i // 28:02}/2024" for i in range(60)]
    text = "d,y\n" + "".join(f"{day},{i}\n" for i, day in enumerate(days))
    as_input = prepare(read(text, dates={"d": "%d/%m/%Y"}))
    assert as_input.features is not None and as_input.features[:2] == ("d year", "d days")
    both = {"d": {"format": "auto", "inputs": True}}
    dataset = read(text, dates=both, time="d")
    assert dataset.table.times.tolist() == dataset.inputs[:, 0].tolist()
    rows = split_rows(dataset)
    assert rows.train.max() < rows.dev.min() and rows.dev.max() < rows.test.min()
    alone = read("d,x,y\n" + text[4:].replace(",", ",1,"), dates={"d": "%d/%m/%Y"}, time="d")
    assert [column.name for column in alone.table.columns] == ["x"]
    with pytest.raises(
        DataError, match=r"name it as data.time, .* or write data.dates: {d: '%d/%m"
    ):
        read(text)


def test_numbers_are_read_as_options_say(read):
    text = 'price;size;y\n"1.234,5 €";3 cm;1\n7 €;;2\n'
    options = {"number": {"decimal": ",", "thousands": ".", "strip": ["€"]}}
    dataset = read(text, missing="impute", numbers={"size": {"strip": ["cm"]}}, **options)
    np.testing.assert_array_equal(dataset.inputs, [[1234.5, 3], [7, np.nan]])
    texts = dataset.table.texts(["price", "size"])
    assert texts["price"].tolist() == ["1.234,5 €", "7 €"] and texts["size"].tolist() == [
        "3 cm",
        "",
    ]
    with pytest.raises(ConfigError, match="column 'size' is under numbers and dates; leave one"):
        read(text, numbers={"size": {}}, dates={"size": "auto"})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"number": {"decimal": ",", "thousands": ","}}, "decimal and thousands are both ','"),
        ({"number": {"strip": ["5"]}}, "a sign or unit such as"),
        ({"dates": {"a": "%d/%m"}}, "data.dates: a: '%d/%m' is no format of dates; it has a year"),
        ({"dates": {"a": {"format": "%m-%m"}}}, "is no format of dates"),
        ({"header": "maybe"}, "true, false"),
    ],
)
def test_options_of_cells_that_cannot_be(options, message, read):
    with pytest.raises(ConfigError, match=message):
        read("a,y\n1,2\n2,3\n", **options)


def test_many_categories_and_columns_without_values(read):
    rows = "".join(f"c{i},,{i}\n" for i in range(10_000))
    with pytest.raises(DataError, match=r"'c' has 6,000 different texts .* more than the 1,000"):
        prepare(read("c,e,y\n" + rows, ignore=["e"]))
    with pytest.raises(DataError, match="column 'e' has no value in any training row; list it"):
        prepare(read("a,e,y\n" + "1,,2\n2,,3\n" * 9, missing="impute"))


def test_numbers_that_become_one_in_32_bits_are_said(read):
    warnings = prepare(read(LARGE)).warnings
    message = "column 'order_no': 30 different numbers become 1 in 32 bits; write data.standardize"
    assert any(warning.startswith(message) for warning in warnings)
    assert not any("32 bits" in w for w in prepare(read(LARGE), standardize=True).warnings)


@pytest.mark.parametrize(("form", "name"), [("{},{}", "a"), ("{1},{0}", "y")])
def test_numbers_that_64_bits_hardly_tell_apart_are_said(form, name, read):
    told = f"column '{name}': its numbers, near 2e+18, are told apart in steps of 256"
    for step, is_told in ((9, True), (10**6, False)):
        rows = [form.format(2 * 10**18 + step * row, row / 2) for row in range(50)]
        notes = read("a,y\n" + "\n".join(rows)).notes
        assert any(note.startswith(told) for note in notes) == is_told
    with pytest.raises(DataError, match=r"1e\+25, as far as 64 bits tell, in every row.*subtract"):
        read("a,y\n" + "".join(f"{row},{10**25 + row}\n" for row in range(50)))


@pytest.mark.parametrize(
    ("labels", "odd"), [("0129", 9), (("1", "2", "3", "99"), 99), (("-1", "0", "1", "2"), -1)]
)
def test_a_class_number_that_may_mean_missing_is_told(labels, odd, read):
    text = "a,y\n" + "".join(f"{row},{labels[row % 4]}\n" for row in range(80))
    said = f"column 'y': {odd} is a class, of 20 rows; if it means missing, write"
    assert any(note.startswith(said) for note in read(text).notes)
    settled = read(text, missing_values={"y": [str(odd)]}, missing="drop")
    assert len(settled.classes) == 3 and not any("is a class" in note for note in settled.notes)


@pytest.mark.parametrize("labels", [("-1", "0", "1"), "01", "6789", "abc", ("001", "002", "009")])
def test_ordinary_class_numbers_are_not_told(labels, read):
    text = "a,y\n" + "".join(f"{row},{labels[row % len(labels)]}\n" for row in range(80))
    assert not any("is a class" in note for note in read(text).notes)


@pytest.mark.parametrize(
    ("name", "first", "step", "words"),
    [
        ("t", 1_700_000_000, 60, "seconds since 1970, from 2023-11-14 22:13:20 to 2023-11-14 23"),
        ("t", 1_700_000_000_000, 60, "milliseconds since 1970, from 2023-11-14"),
        ("t", 45_000, 1, "days of a spreadsheet, from 2023-03-15 to 2023-06-02"),
        ("unix", 1_700_000_000, -60, "seconds since 1970, from 2023-11-14"),
        ("t", 1_700_000_000, -60, None),
        ("price", 45_000, -7, None),
        ("n", 100, 1, None),
    ],
)
def test_numbers_that_may_be_moments_are_told(name, first, step, words, read):
    rows = "".join(f"{first + step * row},{row * row % 7 / 3}\n" for row in range(80))
    notes = [note for note in read(f"{name},y\n{rows}").notes if "holds numbers that may" in note]
    assert bool(notes) == bool(words) and (not words or words in notes[0])


def test_times_of_day_and_row_order_are_told(read):
    rows = "".join(f"{i},{9 + i % 2}:30,{i * 7 % 5 / 2}\n" for i in range(30))
    notes = " ".join(read(f"k,at,y\n{rows}").notes)
    assert "column 'at' holds texts such as '9:30', which are not read as numbers" in notes
    assert "column 'k' goes up by 1 from row to row, and is an input" in notes
    ranges = "".join(f"{i * 7 % 4},{('5-10', '11-20')[i % 2]},{i * 7 % 5 / 2}\n" for i in range(30))
    assert "not read as numbers" not in " ".join(read(f"k,at,y\n{ranges}").notes)


def test_stop_rows_of_a_single_group_are_refused(read):
    rows = "".join(f"{i},{i % 7},{i % 5}\n" for i in range(70))
    dataset = read(f"x,g,y\n{rows}", group="g", task="regression")
    table = dataset.table
    assert table is not None and table.groups is not None
    numbers = np.arange(70)
    dev = table.groups == table.groups[0]
    parts = Rows(numbers[~dev], numbers[dev], numbers[:0])
    with pytest.raises(DataError, match=r"the 10 dev rows of .* are all of one group, and stop"):
        set_stop_aside(dataset, parts, 0.5, 0, folded=False)
