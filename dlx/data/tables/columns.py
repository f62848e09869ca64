"""A column of a frame as numbers, dates or codes of categories; errors name the cell.

# N rows
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from dlx.config.dump import inline
from dlx.data.dataset import Column
from dlx.data.tables.cells import (
    LARGEST,
    MISSING,
    MISSING_CATEGORIES,
    PLAIN,
    CellError,
    Format,
    category,
    date_of,
    id_texts,
    is_code,
    is_plain_number,
    text_of,
)
from dlx.data.tables.recognition import (
    NumberLook,
    date_looks,
    dated_numbers,
    number_look,
    odd_date,
    several_dates,
    several_units,
)
from dlx.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

Where = Callable[[int], str]  # from a row's place among the N to "sales.csv, row 17"
# Words among numbers that people write for a missing value, beside `MISSING`.
_PLACEHOLDERS = (
    *("x", "na", "n.a.", "n.a", "n/a", "-nan", "nil", "nd", "n.d.", "n/d", "none", "null", "\\n"),
    *("unknown", "missing", "undefined", "unavailable", "not available", "not applicable", "blank"),
    *("no data", "tbd", "#ref!", "#name?", "#num!", "k.a.", "없음", "해당없음"),
    *("해당 없음", "미상", "모름", "결측", "무응답"),
)
_ISO = tuple(f"%Y-%m-%d{time}" for time in ("", " %H:%M:%S", " %H:%M:%S.%f", "T%H:%M:%S"))
FEWEST_REPEATS = 4  # rows of a text on average, below which it hardly tells anything
_FEW_TEXTS = 20  # of which nothing is said however rare they are
EXACT = 2**53  # up to which float64 holds every whole number
_COARSE = 1e-3  # share of the standard deviation that a step between numbers may be
_PLAUSIBLE = tuple(text for text in MISSING if text not in MISSING_CATEGORIES)
_YEAR_1, _YEAR_10000 = np.datetime64("0001"), np.datetime64("10000")


@dataclass(frozen=True)
class Rules:
    """What the options of a source say of how cells are written."""

    # the texts that mean a missing value, for all columns or by column; None: the usual ones
    missing_values: Sequence[str] | Mapping[str, Sequence[str]] | None = None
    number: Format = PLAIN  # how numbers are written
    numbers: Mapping[str, Format] = field(default_factory=dict)  # by column
    # formats by column, a column without any has dates whose format is recognized
    dates: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def settled(self, name: str) -> bool:
        """Say whether an option says what means a missing value in a column."""
        return self._missing(name) is not None

    def form(self, name: str, kind: str) -> Format:
        """Return the format of a column's cells, which are of a kind: number, category or date."""
        missing = self._missing(name)
        if missing is None:
            missing = MISSING_CATEGORIES if kind == "category" else MISSING
        if kind == "number":
            return replace(self.numbers.get(name, self.number), missing=tuple(missing))
        return Format(kind, tuple(missing), dates=tuple(self.dates.get(name, ())))

    def _missing(self, name: str) -> Sequence[str] | None:
        if isinstance(self.missing_values, Mapping):
            return self.missing_values.get(name)
        return self.missing_values


@dataclass(frozen=True)
class Cells:
    """The cells of a column."""

    column: Column
    values: np.ndarray  # (N,) float64: numbers, seconds or codes; NaN where missing
    remarks: tuple[str, ...] = ()  # sentences for the user


def read_cells(
    series: pd.Series, where: Where, rules: Rules = Rules(), kind: str | None = None
) -> Cells:
    """Return the cells of a column; `kind` is number, category or date, None: what it looks like.

    Raises:
        DataError: a cell is not of the kind, or what the column holds has to be said by an option
    """
    import pandas as pd

    name = str(series.name)
    if isinstance(series.dtype, pd.DatetimeTZDtype):
        series = series.dt.tz_convert("UTC").dt.tz_localize(None)
    is_dated = pd.api.types.is_datetime64_any_dtype(series) and kind != "category"
    if is_dated and (kind or series.notna().any()):
        seconds = _seconds(series, where)
        if kind is None:
            first = seconds[~np.isnan(seconds)][0]
            raise DataError(_date_refusal(name, date_of(first), "auto"))
        return Cells(Column(name, None, replace(rules.form(name, "date"), dates=_ISO)), seconds)
    if is_numeric(series) and kind in (None, "number"):
        form = rules.form(name, "number")
        values = finite_numbers(series, form, where)
        dated = dated_numbers(values) if kind is None else None
        remarks = coarse(f"column {name!r}", values, lambda: series.nunique() > 1)
        if dated:
            remarks.append(
                f"column {name!r} holds numbers that seem to be dates, such as "
                f"{np.nanmin(values):.0f}, which are an input as they are; data.dates: "
                f"{inline({name: dated})} makes inputs of year, month and weekday"
            )
        return Cells(Column(name, None, form), values, tuple(remarks))
    codes, cells = pd.factorize(series)
    texts = [text_of(cell) for cell in cells]
    remarks = []
    if kind is None:
        kind = _kind(name, texts, rules, remarks)
        if kind == "category" and len(texts) > max(_FEW_TEXTS, len(series) / FEWEST_REPEATS):
            remarks.append(
                f"column {name!r} holds {len(texts):,} different texts in {len(series):,} rows, "
                f"such as {texts[0]!r}: each is an input; list it under data.ignore, or name it as "
                "data.id, if they tell nothing"
            )
    form = rules.form(name, kind)
    if kind == "category":
        return _categories(name, codes, texts, form, remarks, is_settled=rules.settled(name))
    if kind == "date" and not form.dates:
        form = replace(form, dates=_recognized(name, texts, form))
    try:
        values = form.values(texts)
    except CellError as error:
        place = int(np.flatnonzero(codes == texts.index(error.text))[0])
        raise DataError(_misfit(name, where(place), error, form)) from error
    if kind == "number":
        remarks += coarse(f"column {name!r}", values, lambda: len(values) > 1)
    values = np.append(values, np.nan)[codes]  # the code -1, missing, takes the last value
    return Cells(Column(name, None, form), values, tuple(remarks))


def coarse(what: str, values: np.ndarray, do_differ: Callable[[], bool]) -> list[str]:
    """Return a sentence if numbers are so large that 64 bits hardly tell them apart.

    `values` are the numbers (N,) as float64, NaN where missing; `do_differ` says whether they
    differed before they became that.
    """
    present = values[np.isfinite(values)]
    largest = np.abs(present).max(initial=0)
    if largest <= EXACT:
        return []
    step = np.spacing(largest)
    if step <= _COARSE * np.std(present - present[0]) or not do_differ():
        return []
    return [
        f"{what}: its numbers, near {largest:.3g}, are told apart in steps of {step:,.0f}, since "
        "64 bits hold no more digits; subtract what all of them share"
    ]


def units_remark(name: str, units: Sequence[str]) -> str:
    """Return a sentence on numbers with several units."""
    shown = ", ".join(map(repr, units[:3]))
    return (
        f"column {name!r} holds numbers with several units ({shown}), which are not read as "
        "numbers; write all in one unit"
    )


def is_placeholder(text: str) -> bool:
    """Say whether a text among numbers seems to stand for a missing value, as ?, -- and n.a. do."""
    words = text.strip().casefold()
    return words.strip("()[]<>") in _PLACEHOLDERS or not re.search(r"\w", words.replace("_", ""))


def _seconds(series: pd.Series, where: Where) -> np.ndarray:
    """Return the seconds since 1970 of timestamps, NaN where missing."""
    whole = series.to_numpy("datetime64[s]")
    wrong = np.flatnonzero((whole < _YEAR_1) | (whole >= _YEAR_10000))
    if len(wrong):
        raise DataError(
            f"{where(wrong[0])}, column {series.name!r}: {whole[wrong[0]]} is outside of the years "
            "1 to 9999; correct it or drop the row"
        )
    values = series.to_numpy("datetime64[us]")
    return np.where(np.isnat(values), np.nan, values.astype(np.int64) / 1e6)


def is_numeric(series: pd.Series) -> bool:
    """Say whether a column was read as numbers."""
    import pandas as pd

    return pd.api.types.is_numeric_dtype(series) and not pd.api.types.is_bool_dtype(series)


def finite_numbers(series: pd.Series, form: Format, where: Where) -> np.ndarray:
    """Return numbers (N,) float64, NaN where missing."""
    values = series.to_numpy(np.float64, na_value=np.nan)
    if form.missing_numbers:
        values = np.where(np.isin(values, list(form.missing_numbers)), np.nan, values)
    wrong = np.flatnonzero(np.abs(values) > LARGEST)  # False for NaN, a missing value
    if len(wrong):
        raise DataError(
            f"{where(wrong[0])}, column {series.name!r}: {values[wrong[0]]} is not a finite number "
            "(of 32 bits); correct it or drop the row"
        )
    return values


def _categories(
    name: str,
    codes: np.ndarray,
    texts: Sequence[str],
    form: Format,
    remarks: list[str],
    *,
    is_settled: bool,
) -> Cells:
    present = [text for text in map(str.strip, texts) if text not in ("", *form.missing)]
    words = [text for text in present if not is_plain_number(text)]
    if not is_settled and 0 < len(words) < len(present) and all(text in MISSING for text in words):
        # Among numbers these words mean a missing value, also where the numbers are classes.
        form, present = replace(form, missing=MISSING), [t for t in present if t not in words]
    form = replace(form, is_numeric=bool(present) and all(map(is_plain_number, present)))
    read = form.categories(texts)
    names = sorted(set(read) - {""}, key=by_number_or_name)
    places = {text: float(place) for place, text in enumerate(names)} | {"": np.nan}
    if not is_settled:
        remarks += _kept(name, codes, read)
    remarks += _alike(name, names)
    values = np.array([*(places[text] for text in read), np.nan])[codes]
    return Cells(Column(name, tuple(names), form), values, tuple(remarks))


def _kept(name: str, codes: np.ndarray, texts: Sequence[str]) -> list[str]:
    """Say which texts count as values that may mean a missing one."""
    sentences = []
    for place, text in enumerate(texts):
        if _may_be_missing(text, texts):
            option = inline({name: [text]})
            sentences.append(
                f"column {name!r}: {(codes == place).sum():,} cells hold {text!r}, which is a "
                f"value; if it means missing, write data.missing_values: {option}"
            )
    return sentences


def _alike(name: str, names: Sequence[str]) -> list[str]:
    """Say which categories differ only in capital letters or in the width of signs."""
    first: dict[str, str] = {}
    folded = [(first.setdefault(unicodedata.normalize("NFKC", n).casefold(), n), n) for n in names]
    pairs = [(one, other) for one, other in folded if one != other]
    if not pairs:
        return []
    one, other = pairs[0]
    more = f", and so {len(pairs) - 1} more" if len(pairs) > 1 else ""
    return [
        f"column {name!r}: {one!r} and {other!r} are two categories, though they differ only in "
        f"capital letters or width{more}; write them alike if they are one"
    ]


def _may_be_missing(text: str, texts: Sequence[str]) -> bool:
    """Say whether a category may mean a missing value, as NA, ? and unknown do."""
    if text == "-":
        return "+" not in texts
    is_odd = is_placeholder(text) and (len(text) > 1 or text in ("?", ".", "*"))
    return text in _PLAUSIBLE or is_odd


def by_number_or_name(text: str) -> tuple[int, float, str]:
    """Return what orders categories: numbers in their order, then names by alphabet."""
    return (0, PLAIN.number(text) or 0.0, text) if is_plain_number(text) else (1, 0.0, text)


def _kind(name: str, texts: Sequence[str], rules: Rules, remarks: list[str]) -> str:
    """Return what a column of texts holds, number or category, if it is beyond doubt."""
    form = rules.form(name, "number")
    present = [text for text in texts if not form.is_missing(text)]
    if not present:
        return "number"
    if any(category(text) in ("True", "False") for text in present):
        return "category"
    are_numbers = [form.number(text) is not None for text in present]
    code = next((text for text in present if is_code(text.strip())), None)
    if all(are_numbers) and code is None:
        return "number"
    if all(are_numbers):
        remarks.append(
            f"column {name!r} holds codes, with leading zeros such as {code!r}: they are "
            f"categories; data.numbers: {inline({name: {}})} reads numbers"
        )
        return "category"
    words = [text for text in present if not is_placeholder(text)]
    look = number_look(words)
    if look is not None:
        _refuse_numbers(name, words, look)
    if any(are_numbers):
        return "number"  # and the text among the numbers is named
    looks = date_looks(words) if words else []
    if looks:
        raise DataError(_date_refusal(name, words[0], *(look[0] for look in looks)))
    forms = several_dates(words)
    if forms:
        raise DataError(_date_refusal(name, words[0], list(forms)))
    units = several_units(words)
    if units:
        remarks.append(units_remark(name, units))
    odd = odd_date(words) if words else None
    if odd is not None:
        raise DataError(
            f"column {name!r} holds dates such as {words[0]!r}, but {odd!r} is none; write "
            f"data.missing_values: {inline({name: [odd]})} if it means missing, correct it, or "
            "list the column under data.ignore"
        )
    several = [text for text in words if _holds_several_numbers(text)]
    if 2 * len(several) > len(words):
        remarks.append(
            f"column {name!r} holds texts such as {several[0]!r}, which are not read as numbers: "
            "each is a category"
        )
    return "category"


def _holds_several_numbers(text: str) -> bool:
    """Say whether a text begins with a number and holds another: 12:30, 1h 05m, not 5-10."""
    text = text.strip()
    is_range = re.fullmatch(r"[0-9.,]+\s*(?:-|–|~|to)\s*[0-9.,]+[^0-9]*", text)
    return not is_range and bool(re.match(r"\W{0,2}[0-9]+(?:[^0-9]+[0-9]+)+", text))


def _refuse_numbers(name: str, texts: Sequence[str], look: NumberLook) -> None:
    shown = next(text for text in texts if not is_plain_number(text))
    if look.is_ambiguous:
        decimal, thousands = inline({"decimal": ","}), inline({"thousands": ","})
        raise DataError(
            f"column {name!r} holds numbers such as {shown!r}: is the comma before decimals "
            f"(data.number: {decimal}) or between thousands (data.number: {thousands})? say which"
        )
    raise DataError(
        f"column {name!r} holds numbers such as {shown!r}, with {look.words}; write data.numbers: "
        f"{inline({name: look.options})} to read them, or list {name!r} under data.categorical if "
        "they are categories"
    )


def _date_refusal(name: str, shown: str, *formats: str | list[str]) -> str:
    first, *others = formats
    if others:
        options = " or ".join(f"data.dates: {inline({name: form})}" for form in formats)
        return (
            f"column {name!r} holds dates such as {shown!r}, of which the file does not tell day, "
            f"month and year apart; write {options}"
        )
    return (
        f"column {name!r} holds dates such as {shown!r}; name it as data.time, list it under "
        f"data.ignore, or write data.dates: {inline({name: first})} to make inputs of year, "
        "month, weekday and hour"
    )


def _recognized(name: str, texts: Sequence[str], form: Format) -> tuple[str, ...]:
    """Return the formats of a column that is said to hold dates."""
    present = [text for text in texts if not form.is_missing(text)]
    looks = date_looks(present)
    forms = [] if looks else list(several_dates(present))
    if forms:
        raise DataError(
            f"column {name!r} holds dates of several formats; write data.dates: "
            f"{inline({name: forms})}, of which the first that fits is taken"
        )
    odd = [] if looks else [text for text in present if is_placeholder(text)]
    if odd and date_looks([text for text in present if text not in odd]):
        raise DataError(
            f"column {name!r} holds dates, but {odd[0]!r} is none; write data.missing_values: "
            f"{inline({name: odd})} if it means missing"
        )
    if not looks:
        shown = f", such as {present[0]!r}" if present else ""
        raise DataError(
            f"column {name!r} holds texts{shown}, which are not all dates that are recognized; "
            f"name their format, as in data.dates: {inline({name: '%Y-%m-%d %H:%M'})}"
        )
    if len(looks) > 1:
        raise DataError(_date_refusal(name, present[0], *(look[0] for look in looks)))
    return looks[0]


def _misfit(name: str, where: str, error: CellError, form: Format) -> str:
    """Return the error for a cell that is not what its column holds, with the cures there are."""
    if form.kind == "date" or "finite" in str(error):
        return f"{where}, column {name!r}: {error}; correct it, or drop the row"
    option = inline({name: [error.text]})
    return (
        f"{where}, column {name!r}: {error}; correct it, write data.missing_values: {option} if "
        f"it means that, or list {name!r} under data.categorical if its values are categories"
    )


def text_cells(series: pd.Series) -> np.ndarray:
    """Return the cells of an id column as texts, '' where missing: (N,).

    If all are numbers, equal ones have one text, and none has a leading zero.
    """
    return np.array(id_texts(plain(series)), dtype=object)


def plain(series: pd.Series) -> pd.Series:
    """Return a column of Python's objects, None where missing."""
    return series.astype(object).where(series.notna(), None)


def shown(values: np.ndarray, column: Column) -> np.ndarray:
    """Return texts for values as they are read, '' where missing: (N,); numbers stay numbers."""
    missing = np.isnan(values)
    if column.categories is not None:
        names = np.array([*column.categories, ""], dtype=object)
        return names[np.where(missing, len(names) - 1, values).astype(np.int64)]
    if column.form.kind == "date":
        return np.array(["" if np.isnan(value) else date_of(value) for value in values], object)
    return np.where(missing, "", values.astype(object)) if missing.any() else values


def are_numbers(series: pd.Series, rules: Rules) -> bool:
    """Say whether times are numbers, and no dates."""
    return is_numeric(series) and str(series.name) not in rules.dates


def read_times(series: pd.Series, where: Where, rules: Rules = Rules()) -> np.ndarray:
    """Return numbers that order rows in time, of numbers or dates: (N,) float64, NaN if missing."""
    kind = "number" if are_numbers(series, rules) else "date"
    return read_cells(series, where, rules, kind).values
