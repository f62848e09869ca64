"""A user's own tables: files with a column to predict and columns to predict it from."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from sys import float_info
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import MinLen
from pydantic import field_validator

from dlx.config.sections import Most, Section, checked_model, option, rule
from dlx.config.types import Text
from dlx.data.dataset import Dataset
from dlx.data.tables.build import Missing, Roles, build
from dlx.data.tables.cells import Format, is_date_format
from dlx.data.tables.columns import Rules
from dlx.data.tables.layout import Layout
from dlx.data.tables.reading import read_csv, read_parquet, surveyed
from dlx.data.tasks import TaskName
from dlx.errors import ConfigError
from dlx.registry import like, register

if TYPE_CHECKING:
    import pandas as pd

Names = Annotated[list[str], MinLen(1)]
Separator = Annotated[str, Text(r"(?s:auto|[^\w\s\"]|\t| )", "auto or one character", ("auto",))]
Sign = Annotated[str, Text(r"[.,]", "'.' or ','", (".", ","))]
Thousands = Annotated[str, Text(r"[.,' ]?", "one of . , ' and a blank", (",", "."))]
Affix = Annotated[str, Text(r"[^0-9.,][^0-9,]*[23]?", "a sign or unit such as $, 원, %, kg or m2")]
DateFormat = Annotated[
    str, Text(r"(?s)auto|.*%.*", "auto or a format such as '%d/%m/%Y'", ("auto", "%d/%m/%Y"))
]
Formats = DateFormat | Annotated[list[DateFormat], MinLen(1)]
# Texts, or numbers, that mean a missing value: that of some programs is the largest number.
Marks = list[str | int | Annotated[float, Most(float_info.max)]]


@checked_model
class Files(Section):
    """A file for each part; a part without a file takes its rows from train."""

    train: Path = option(..., "Rows to train on.")
    dev: Path | None = option(None, "Rows of the dev part.")
    test: Path | None = option(None, "Rows of the test part.")


@checked_model
class Number(Section):
    """How numbers are written."""

    decimal: Sign = option(".", "The sign before decimals.")
    thousands: Thousands = option("", "The sign between thousands.")
    strip: list[Affix] = option([], "Signs and units before or after a number, such as $, 원, %.")
    parentheses: bool = option(False, "Whether (5) is -5.")
    units: dict[str, float] = option(
        {},
        "What a number is multiplied by, by the unit behind it, such as {g: 1, kg: 1000}; '' is "
        "none.",
    )
    fractions: bool = option(False, "Whether 7/10 is 0.7.")

    @field_validator("thousands")
    @classmethod
    def _differ(cls, thousands: str, info: Any) -> str:
        if thousands and thousands == info.data.get("decimal"):
            raise rule(f"decimal and thousands are both {thousands!r}; one sign has one meaning")
        return thousands

    def form(self) -> Format:
        """Return the format that it describes."""
        options: dict[str, Any] = vars(self) | {"strip": tuple(self.strip)}
        return Format("number", **options)


@checked_model
class Dates(Section):
    """How the dates of a column are written, and whether they are inputs."""

    format: Formats = option(
        "auto", "As for Python's strptime, such as '%d/%m/%Y'; a list: the first that fits."
    )
    inputs: bool | None = option(
        None,
        "Whether year, month, weekday, hour and days are inputs; null: unless it is data.time.",
    )


@register("data")
def csv(
    data_dir: Path,
    is_parquet: bool = False,
    *,
    path: Path | Files,
    target: str | Names | None = None,
    ignore: list[str] = [],
    id: str | None = None,
    group: str | None = None,
    time: str | None = None,
    categorical: list[str] = [],
    missing: Missing = "error",
    missing_values: Marks | dict[str, Marks] | None = None,
    number: Number | None = None,
    numbers: dict[str, Number] = {},
    dates: dict[str, Formats | Dates] = {},
    task: TaskName = "auto",
    separator: Separator = "auto",
    encoding: str = "auto",
    header: bool | Literal["auto"] = "auto",
) -> Dataset:
    """Your own CSV file: one column is predicted from the others, which hold numbers or texts.

    Args:
        path: the file, relative to the config, or {train, dev, test} with a file for each
        target: the column to predict, or several of numbers or of labels, 0 and 1; null: none, for
            a model that reconstructs its inputs
        ignore: columns to leave out
        id: a column that names the rows in predictions; not an input
        group: a column, such as a person; rows of one group stay in one part; not an input
        time: a column of numbers or dates; train comes before dev, dev before test; not an input
        categorical: columns of numbers that are categories, such as postcodes; texts always are
        missing: error; drop the row; impute the training mean, and add an input that says so
        missing_values: texts that mean a missing value, as empty cells always do, for all columns
            or as {column: list}; null: in columns of numbers NA, N/A, NaN, NULL, None and the like,
            in others NaN, NULL and #N/A
        number: how numbers are written, {decimal, thousands, strip, parentheses, units, fractions};
            null: as in 1.5
        numbers: likewise for single columns, as {column: {…}}; {} says that codes are numbers
        dates: columns of dates that are inputs, or are data.time, with their format, as {column:
            format}; auto recognizes it
        task: classification, multilabel or regression; auto: as the values look, see docs/data.md
        separator: between values; auto: whichever of tab ; | , splits the header, or else blanks;
            ' ' stands for one blank or several
        encoding: auto: UTF-8, otherwise cp949 (EUC-KR) or cp1252, whichever is plausible
        header: whether a row has the columns' names, which are 1, 2, 3, … otherwise; auto: there is
            one, and a row that looks like values is refused
    """
    layout = Layout(separator, encoding, None if header == "auto" else header)
    rules = _rules(missing_values, number, numbers, dates)
    columns = ignore, id, group, time, _is_input(time, dates), categorical, missing, task
    roles = Roles(_names(target), *columns, rules, {} if is_parquet else vars(layout))

    def read(
        path: Path, text: Sequence[str] | None, only: Sequence[str] | None = None
    ) -> "pd.DataFrame":
        if is_parquet:
            frame = read_parquet(path, ignore=() if only else ignore)
            return frame if only is None else frame[list(only)]
        found = surveyed(path, layout, roles.targets)
        left_out = ignore if only is None else [n for n in found.header if n not in only]
        missing = lambda name: rules.form(name, "number").missing
        return read_csv(path, found, ignore=left_out, text=text, missing=missing)

    files = path if isinstance(path, Files) else {"train": path}.items()
    return build({part: file for part, file in files if file is not None}, read, roles)


@register("data")
@like(csv, "separator", "encoding", "header")
def parquet(data_dir: Path, **options: Any) -> Dataset:
    """Your own parquet file, used as a CSV file is; needs the extra dlx[parquet]."""
    return csv(data_dir, is_parquet=True, **options)


def _rules(
    missing_values: Marks | Mapping[str, Marks] | None,
    number: Number | None,
    numbers: Mapping[str, Number],
    dates: Mapping[str, Any],
) -> Rules:
    texts: Any = missing_values
    if isinstance(missing_values, Mapping):
        texts = {name: tuple(map(str, marks)) for name, marks in missing_values.items()}
    elif missing_values is not None:
        texts = tuple(map(str, missing_values))
    formats = {}
    for name, value in dates.items():
        given = value.format if isinstance(value, Dates) else value
        listed = [given] if isinstance(given, str) else given
        wrong = [form for form in listed if form != "auto" and not is_date_format(form)]
        if wrong:
            raise ConfigError(
                f"data.dates: {name}: {wrong[0]!r} is no format of dates; it has a year, %Y or %y, "
                "and of %m %b %d %H %I %M %S %f %p %a %z each at most once"
            )
        formats[name] = () if "auto" in listed else tuple(listed)
    own = {name: one.form() for name, one in numbers.items()}
    return Rules(texts, number.form() if number else Format(), own, formats)


def _is_input(time: str | None, dates: Mapping[str, Any]) -> bool:
    """Say whether the time column is an input too."""
    options = dates.get(time) if time else None
    return isinstance(options, Dates) and bool(options.inputs)


def _names(target: str | list[str] | None) -> list[str]:
    if target is None:
        return []
    return [target] if isinstance(target, str) else target
