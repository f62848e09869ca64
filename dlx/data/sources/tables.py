"""A user's own tables: files with a column to predict and columns to predict it from."""

import functools
from pathlib import Path
from typing import Annotated

from annotated_types import MinLen

from dlx.config.sections import Section, checked_model, option
from dlx.config.types import Text
from dlx.data.dataset import Dataset
from dlx.data.tables.build import Missing, Roles, build
from dlx.data.tables.reading import Layout, read_csv, read_parquet
from dlx.data.tasks import TaskName
from dlx.registry import register

Names = Annotated[list[str], MinLen(1)]
Separator = Annotated[str, Text(r"(?s:auto|[^\w\s\"]|\t| )", "auto or one character", ("auto",))]


@checked_model
class Files(Section):
    """A file for each part; a part without a file takes its rows from train."""

    train: Path = option(..., "Rows to train on.")
    dev: Path | None = option(None, "Rows of the dev part.")
    test: Path | None = option(None, "Rows of the test part.")


@register("data")
def csv(
    data_dir: Path,
    *,
    path: Path | Files,
    target: str | Names,
    ignore: list[str] = [],
    id: str | None = None,
    group: str | None = None,
    time: str | None = None,
    categorical: list[str] = [],
    missing: Missing = "error",
    missing_values: list[str] = [],
    task: TaskName = "auto",
    separator: Separator = "auto",
    encoding: str = "auto",
) -> Dataset:
    """Your own CSV file: one column is predicted from the others, which hold numbers or texts.

    Args:
        path: the file, relative to the config, or {train, dev, test} with a file for each
        target: the column to predict, or several of numbers or of labels, 0 and 1
        ignore: columns to leave out
        id: a column that names the rows in predictions; not an input
        group: a column, such as a person; rows of one group stay in one part; not an input
        time: a column of numbers or dates; train comes before dev, dev before test; not an input
        categorical: columns of numbers that are categories, such as postcodes; texts always are
        missing: error; drop the row; impute the training mean, and add an input that says so
        missing_values: texts that stand for a missing value, beside '', NA, N/A, NaN, NULL, None
        task: classification, multilabel or regression; auto: as the values look, see docs/data.md
        separator: between values; auto: whichever of , ; tab | splits the header
        encoding: auto: UTF-8, otherwise cp949 (EUC-KR)
    """
    layout = Layout(separator, encoding, tuple(missing_values))
    targets = _names(target)
    roles = Roles(targets, ignore, id, group, time, categorical, missing, missing_values, task)
    read = functools.partial(read_csv, layout=layout, ignore=ignore, wanted=targets)
    return build(_paths(path), read, roles)


@register("data")
def parquet(
    data_dir: Path,
    *,
    path: Path | Files,
    target: str | Names,
    ignore: list[str] = [],
    id: str | None = None,
    group: str | None = None,
    time: str | None = None,
    categorical: list[str] = [],
    missing: Missing = "error",
    task: TaskName = "auto",
) -> Dataset:
    """Your own parquet file, used as a CSV file is; needs the extra dlx[parquet].

    Args:
        path: the file, relative to the config, or {train, dev, test} with a file for each
        target: the column to predict, or several of numbers or of labels, 0 and 1
        ignore: columns to leave out
        id: a column that names the rows in predictions; not an input
        group: a column, such as a person; rows of one group stay in one part; not an input
        time: a column of numbers or dates; train comes before dev, dev before test; not an input
        categorical: columns of numbers that are categories, such as postcodes; texts always are
        missing: error; drop the row; impute the training mean, and add an input that says so
        task: classification, multilabel or regression; auto: as the values look, see docs/data.md
    """
    roles = Roles(_names(target), ignore, id, group, time, categorical, missing, (), task)
    return build(_paths(path), lambda file, text: read_parquet(file, ignore=ignore), roles)


def _names(target: str | list[str]) -> list[str]:
    return [target] if isinstance(target, str) else target


def _paths(path: Path | Files) -> dict[str, Path]:
    if not isinstance(path, Files):
        return {"train": path}
    return {part: file for part, file in path if file is not None}
