"""The one reader of cells: from the texts of a table to the inputs of a network.

dlx reads with this file, and `dlx export` copies it, as it is, beside the weights. So it needs
nothing but Python and NumPy, and knows nothing of how a file is parsed.

# N rows, C columns, I inputs
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Self

import numpy as np

LARGEST = float(np.finfo(np.float32).max)
# Texts that mean a missing value in a column of numbers or dates, which they can be none of.
MISSING = (
    *("NA", "N/A", "n/a", "NaN", "nan", "NAN", "NULL", "Null", "null", "None", "none", "#N/A"),
    *("<NA>", "NaT", "#NULL!", "#DIV/0!", "#VALUE!"),
)
# Those that programs write for a missing value in a column of categories too. NA, N/A and None may
# be categories (sodium, not applicable, no fault) and stay values.
MISSING_CATEGORIES = ("NaN", "nan", "NULL", "null", "#N/A", "<NA>", "NaT")
_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_CODE = re.compile(r"[-+]?0[0-9]+")  # a number with a leading zero is a code
_INVISIBLE = re.compile("[\u200b\u200e\u200f\u2060\ufeff]")  # signs without a width
_WIDE = str.maketrans("．，＋", ".,+")  # signs of the width of Hangul
_BLANKS = " \u00a0\u2009\u202f"  # between thousands
_DAY = 86_400.0  # seconds
_CHUNK = 4096  # rows that are encoded at a time, so that they stay in the cache
_EPOCH = datetime(1970, 1, 1)


class CellError(ValueError):
    """A text that is not what its column holds."""

    def __init__(self, text: str, problem: str, place: str = "") -> None:
        super().__init__(f"{place}{text!r} {problem}")
        self.text, self.problem = text, problem


@dataclass(frozen=True)
class Format:
    """How the cells of a column are written."""

    kind: str = "number"  # number, category or date
    # texts that mean a missing value, beside the empty cell; among numbers also those that are
    # equal as numbers
    missing: tuple[str, ...] = ()
    decimal: str = "."  # the sign before decimals
    thousands: str = ""  # the sign between thousands; a blank stands for narrow ones too
    strip: tuple[str, ...] = ()  # signs and units before or after a number
    parentheses: bool = False  # whether (5) is -5
    # what a number is multiplied by, by the unit behind it, "" where it has none; empty: all are
    # numbers as they stand
    units: Mapping[str, float] = dataclasses.field(default_factory=dict)
    fractions: bool = False  # whether 7/10 is 0.7
    is_numeric: bool = False  # of categories: whether equal numbers, such as 1 and 1.0, are one
    dates: tuple[str, ...] = ()  # formats such as %d/%m/%Y, the first that fits is taken

    @property
    def is_plain(self) -> bool:
        """Whether its numbers are written as Python writes them."""
        special = self.thousands, self.strip, self.parentheses, self.units, self.fractions
        return self.decimal == "." and not any(special)

    def values(self, texts: Sequence[str]) -> np.ndarray:
        """Return numbers, or of dates the seconds since 1970: (N,) float64, NaN where missing.

        Raises:
            CellError: a text is neither a number, or a date, nor a missing value
        """
        read = self._date if self.kind == "date" else self._number
        return np.array([read(text.strip()) for text in texts], dtype=np.float64)

    def categories(self, texts: Iterable[str]) -> list[str]:
        """Return the names of categories: trimmed, in one spelling, "" where missing."""
        names = (category(text, is_numeric=self.is_numeric) for text in texts)
        missing = self._missing_categories
        return ["" if name in missing else name for name in names]

    def is_missing(self, text: str) -> bool:
        """Say whether a text means a missing value."""
        if self.kind == "category":
            return category(text, is_numeric=self.is_numeric) in self._missing_categories
        return text.strip() in self._missing_texts or self.number(text) in self.missing_numbers

    def number(self, text: str) -> float | None:
        """Return the number that a text is; None: it is none."""
        text = _with_ascii_signs(text.strip())
        if self.fractions and text.count("/") == 1:
            over, under = map(self.number, text.split("/"))
            return over / under if over is not None and under else None
        factor = 1.0
        if self.units:
            unit = next((unit for unit in self._by_length if text.endswith(unit)), None)
            if unit is None:
                return None
            text, factor = text.removesuffix(unit).strip(), self.units[unit]
        if not self.is_plain:
            text = self._bare(text)
        return float(text) * factor if _NUMBER.fullmatch(text) else None

    @functools.cached_property
    def missing_numbers(self) -> frozenset[float]:
        """The numbers that mean a missing value."""
        plain = (PLAIN.number(text) for text in self.missing)
        own = (self.number(text) for text in self.missing)
        return frozenset(number for number in (*plain, *own) if number is not None)

    def _number(self, text: str) -> float:
        number = self.number(text)
        if number is None:
            if text in self._missing_texts:
                return np.nan
            raise CellError(text, "is not a number")
        if number in self.missing_numbers:
            return np.nan
        if abs(number) > LARGEST:
            raise CellError(text, "is not a finite number (of 32 bits)")
        return number

    def _date(self, text: str) -> float:
        if text in self._missing_texts or self.number(text) in self.missing_numbers:
            return np.nan
        for form in self.dates:
            seconds = seconds_of(text, form)
            if seconds is not None:
                return seconds
        raise CellError(text, f"is not a date written as {' or '.join(self.dates)}")

    @functools.cached_property
    def _missing_texts(self) -> frozenset[str]:
        return frozenset(("", *self.missing))

    @functools.cached_property
    def _missing_categories(self) -> frozenset[str]:
        return frozenset(category(text, is_numeric=self.is_numeric) for text in ("", *self.missing))

    def _bare(self, text: str) -> str:
        """Return a number without signs and units, as Python writes it; "" if it is none."""
        sign = ""
        if self.parentheses:
            before, _, after = text.rpartition(")")
            before, opening, inner = before.rpartition("(")
            if opening:
                sign, text = "-", f"{before}{inner}{after}".strip()
        if not sign and text[:1] in ("+", "-"):
            sign, text = text[0], text[1:].strip()
        for affix in self._affixes:
            if text.startswith(affix):
                text = text.removeprefix(affix).strip()
            elif text.endswith(affix):
                text = text.removesuffix(affix).strip()
        if not sign and text[:1] in ("+", "-"):
            sign, text = text[0], text[1:].strip()
        match = self._pattern.fullmatch(text)
        if match is None:
            return ""
        whole, decimals, exponent = match.groups(default="")
        return f"{sign}{re.sub(r'[^0-9]', '', whole)}.{decimals}{exponent}"

    @functools.cached_property
    def _affixes(self) -> list[str]:
        return sorted(self.strip, key=len, reverse=True)

    @functools.cached_property
    def _by_length(self) -> list[str]:
        return sorted(self.units, key=len, reverse=True)

    @functools.cached_property
    def _pattern(self) -> re.Pattern[str]:
        between = {" ": f"[{_BLANKS}]", "'": "['\u2019]"}.get(
            self.thousands, re.escape(self.thousands)
        )
        group = "{2,3}" if self.thousands == "," else "{3}"  # 12,34,567 in India
        grouped = f"[1-9][0-9]{{0,2}}(?:{between}[0-9]{group})*{between}[0-9]{{3}}|"
        grouped = grouped if between else ""
        return re.compile(
            rf"({grouped}[0-9]+|(?={re.escape(self.decimal)}[0-9]))"
            rf"(?:{re.escape(self.decimal)}([0-9]*))?([eE][-+]?[0-9]+)?"
        )


PLAIN = Format()  # numbers as Python writes them


def category(text: str, *, is_numeric: bool = False) -> str:
    """Return the name of the category that a text means.

    Blanks around it are left out, several are one, and letters with accents and Hangul have one
    spelling. So have truth values and, with `is_numeric`, equal numbers but those with a leading
    zero, which are codes.
    """
    text = " ".join(_INVISIBLE.sub("", unicodedata.normalize("NFC", text)).split())
    if text.lower() in ("true", "false"):
        return text.capitalize()
    return _one_spelling(text) if is_numeric and is_plain_number(text) else text


def _one_spelling(text: str) -> str:
    """Return a number's shortest text: 1 of 1.0, 1500 of 1.5e3; exact, however large it is."""
    exact = Decimal(_with_ascii_signs(text))
    if not exact:
        return "0"
    if not -20 < exact.adjusted() < 40:
        return repr(float(exact))
    plain = format(exact, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def is_plain_number(text: str) -> bool:
    """Say whether a trimmed text is a number, written as Python does, and no code such as 007."""
    return bool(_NUMBER.fullmatch(_with_ascii_signs(text))) and not is_code(text)


def is_code(text: str) -> bool:
    """Say whether a trimmed text is a whole number with a leading zero, such as 007."""
    return bool(_CODE.fullmatch(_with_ascii_signs(text)))


def _with_ascii_signs(text: str) -> str:
    """Return a text with the digits 0 to 9 and - in place of other digits and signs of a minus."""
    if text.isascii():
        return text
    text = re.sub("^[\u2013\uff0d]|\u2212", "-", text).translate(_WIDE)
    return "".join(str(unicodedata.decimal(sign, sign)) for sign in text)


# The first letters of the months: English, German, French, Spanish, Italian, Portuguese, Dutch.
_MONTHS = {
    letters: month
    for month, names in enumerate(
        (
            "jan jän ene gen",
            "feb fév fev",
            "mar mär mrz maa mrt",
            "apr avr abr",
            "may mai mag mei",
            "jun juin giu",
            "jul juil lug",
            "aug aoû aou ago",
            "sep set",
            "oct okt ott out",
            "nov",
            "dec dez déc dic",
        ),
        1,
    )
    for letters in names.split()
}
_LATE = ("pm", "p.m.", "오후")
_DIRECTIVES = {
    "Y": r"(?P<Y>[0-9]{4})",
    "y": r"(?P<y>[0-9]{2})",
    "m": r"(?P<m>[0-9]{1,2})",
    "d": r"(?P<d>[0-9]{1,2})(?:st|nd|rd|th|er)?",
    "b": rf"(?P<b>{'|'.join(_MONTHS)})[^\W\d_]*\.?",
    "a": r"[^\W\d_]+\.?",
    "G": r"(?P<G>[0-9]{4})",
    "V": r"(?P<V>[0-9]{1,2})",
    "u": r"(?P<u>[1-7])",
    "q": r"(?P<q>[1-4])",
    "H": r"(?P<H>[0-9]{1,2})",
    "I": r"(?P<H>[0-9]{1,2})",
    "M": r"(?P<M>[0-9]{2})",
    "S": r"(?P<S>[0-9]{2})",
    "f": r"(?P<f>[0-9]{1,9})",
    "p": r"(?P<p>am|pm|a\.m\.|p\.m\.|오전|오후)",
    "z": r"(?P<z>Z|[-+][0-9]{2}:?[0-9]{2})",
    "%": "%",
}


def is_date_format(form: str) -> bool:
    """Say whether a date can be read by a format: it has a year, and directives that are known."""
    directives = re.findall(r"%(.?)", form)
    once = len(set(directives)) == len(directives)
    has_year = bool({"Y", "y"} & set(directives)) or {"G", "V"} <= set(directives)
    return once and has_year and set(directives) <= set(_DIRECTIVES)


def seconds_of(text: str, form: str) -> float | None:
    """Return the seconds from 1970 to a date in the format of `time.strptime`; None: it has none.

    Months may be names or begin without a zero, and blanks beside other signs may be left out. %q
    is a quarter. Of quarters, months and weeks the first day counts; 24:00 is the next day.
    """
    match = date_pattern(form).fullmatch(text.strip())
    if match is None:
        return None
    part = {name: value for name, value in match.groupdict().items() if value is not None}
    year = int(part["Y"]) if "Y" in part else 0
    if "y" in part:
        year = int(part["y"]) + (1900 if part["y"] > "68" else 2000)
    month = 3 * int(part["q"]) - 2 if "q" in part else int(part.get("m", 1))
    if "b" in part:
        month = _MONTHS[part["b"].lower()]
    hour = int(part.get("H", 0))
    if "p" in part:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if part["p"].lower() in _LATE else 0)
    micro = int(part.get("f", "0").ljust(6, "0")[:6])
    minute, second = int(part.get("M", 0)), int(part.get("S", 0))
    is_midnight = hour == 24 and minute == second == 0
    try:
        if "G" in part:
            day = datetime.fromisocalendar(int(part["G"]), int(part["V"]), int(part.get("u", 1)))
        else:
            day = datetime(year, month, int(part.get("d", 1)))
        hour = 0 if is_midnight else hour
        moment = day.replace(hour=hour, minute=minute, second=second, microsecond=micro)
        moment += timedelta(days=is_midnight)
    except (ValueError, OverflowError):  # such as February 30 or the year 0
        return None
    seconds = (moment - _EPOCH).total_seconds()
    zone = part.get("z", "Z").replace(":", "")
    if zone.upper() != "Z":
        offset = 60 * int(zone[1:3]) + int(zone[3:])
        seconds -= 60 * (offset if zone[0] == "+" else -offset)
    return seconds


@functools.cache
def date_pattern(form: str) -> re.Pattern[str]:
    """Return the pattern of texts that a format of dates may read."""
    pattern, place = "", 0
    while place < len(form):
        sign = form[place]
        if sign == "%":
            pattern += _DIRECTIVES[form[place + 1]]
            place += 2
            continue
        if sign == " ":
            before, after = form[place - 1 : place], form[place + 1 : place + 2]
            is_between = after == "%" and (before.isascii() and before.isalpha())
            pattern += r"\s+" if is_between else r"\s*"
        else:
            pattern += re.escape(sign)
        place += 1
    return re.compile(pattern, re.IGNORECASE)


@dataclass(frozen=True)
class InputColumn:
    """How the cells of one column become inputs."""

    name: str
    form: Format = PLAIN
    # each has an input of 0 and 1; none if the column holds numbers or dates
    categories: tuple[str, ...] = ()
    # what its inputs are where the value is missing: means over the training rows, or of
    # categories 0; empty stands for zeros
    fill: tuple[float, ...] = ()
    indicator: bool = False  # whether one more input is 1 where the value is missing
    has_times: bool = False  # of dates: whether they have an hour

    @property
    def parts(self) -> list[str]:
        """The names of its inputs but the indicator."""
        if self.form.kind == "category":
            return [f"{self.name}={category}" for category in self.categories]
        if self.form.kind == "number":
            return [self.name]
        circles = ("month", "weekday", *(("hour",) if self.has_times else ()))
        around = [f"{self.name} {part} {wave}" for part in circles for wave in ("sine", "cosine")]
        return [f"{self.name} year", f"{self.name} days", *around]

    @property
    def features(self) -> list[str]:
        """The names of its inputs."""
        return [*self.parts, f"{self.name} is missing"] if self.indicator else self.parts

    def read(self, texts: Sequence[str]) -> np.ndarray:
        """Return what `inputs` takes of texts: (N,) float64.

        Raises:
            CellError: a text is not what the column holds
        """
        if self.form.kind != "category":
            return self.form.values(texts)
        places = {name: float(place) for place, name in enumerate(self.categories)} | {"": np.nan}
        return np.array([places.get(name, -1.0) for name in self.form.categories(texts)])

    def inputs(
        self, values: np.ndarray, out: np.ndarray | None = None, *, filled: bool = True
    ) -> np.ndarray:
        """Return the inputs (N, ·) float64 of numbers, seconds or places of categories (N,).

        NaN is a missing value, and -1 a category that is none of the column's. `out` holds zeros,
        in whose place the inputs are written. With `filled` the mean of the training rows takes the
        place of a missing number or date, otherwise NaN.
        """
        missing = np.isnan(values)
        width = len(self.parts)
        encoded = np.zeros((len(values), len(self.features))) if out is None else out
        if self.form.kind == "number":
            encoded[:, 0] = values
        elif self.form.kind == "date":
            encoded[:, :width] = self._calendar(values)
        else:
            known = np.flatnonzero(~missing & (values >= 0))
            encoded[known, values[known].astype(np.int64)] = 1
        if missing.any():
            if filled or self.form.kind == "category":
                encoded[missing, :width] = self.filling
            else:
                encoded[missing, :width] = np.nan
            if self.indicator:
                encoded[missing, -1] = 1
        return encoded

    def warnings(self, values: np.ndarray, names: Sequence[str]) -> list[str]:
        """Say how many values no training row prepared the network for.

        `names` are those of unknown categories, which are -1 among the values.
        """
        sentences = []
        unknown, missing = (values == -1) & (self.form.kind == "category"), np.isnan(values)
        if unknown.any():
            shown = ", ".join(map(repr, sorted(set(names))[:3]))
            sentences.append(
                f"{unknown.sum()} of {len(values)} rows have a {self.name!r} that no training row "
                f"has ({shown}); all inputs of this column are 0 for them"
            )
        if missing.any() and not self.indicator:
            filled = "all inputs of this column are 0"
            if self.form.kind != "category":
                filled = "it is the mean of the training rows"
            sentences.append(
                f"{missing.sum()} of {len(values)} rows have no {self.name!r}, which no training "
                f"row lacks; {filled} for them"
            )
        return sentences

    @property
    def filling(self) -> np.ndarray:
        """What its inputs but the indicator are where the value is missing."""
        return np.array(self.fill or [0.0] * len(self.parts))

    def _calendar(self, seconds: np.ndarray) -> np.ndarray:
        """Return year, days since 1970, and month, weekday and hour as sine and cosine: (N, ·)."""
        known = np.where(np.isnan(seconds), 0, seconds)
        days = np.floor(known / _DAY)
        months = days.astype(np.int64).astype("datetime64[D]").astype("datetime64[M]")
        years = months.astype("datetime64[Y]").astype(np.int64)
        columns = [years + 1970.0, known / _DAY]
        columns += _circle((months.astype(np.int64) - 12 * years) / 12)
        columns += _circle((days + 3) % 7 / 7)  # 1970-01-01 was a Thursday; 0 is Monday
        if self.has_times:
            columns += _circle(known / _DAY - days)
        return np.stack(columns, 1)


def _circle(turns: np.ndarray) -> list[np.ndarray]:
    return [np.sin(2 * np.pi * turns), np.cos(2 * np.pi * turns)]


@dataclass(frozen=True)
class Encoder:
    """From the columns of a table to inputs, as fitted on the training rows.

    Numbers are one input, categories one of 0 or 1 each, dates several. Where a value is missing,
    the mean takes its place, and one more input says so if training rows lack values.
    """

    columns: tuple[InputColumn, ...]  # in the order of their inputs
    imputes: bool  # whether missing values are filled in; otherwise they are errors
    id_name: str | None = None  # the column that names rows
    targets: tuple[InputColumn, ...] = ()  # of the target columns; classes are categories
    # How the training file is written, as far as the config says it: separator, encoding, header
    layout: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the I inputs."""
        return tuple(name for column in self.columns for name in column.features)

    @property
    def places(self) -> dict[str, slice]:
        """The place of each column's inputs among the I, by the column's name."""
        stops = itertools.accumulate(len(column.features) for column in self.columns)
        pairs = itertools.pairwise((0, *stops))
        return {c.name: slice(*pair) for c, pair in zip(self.columns, pairs, strict=True)}

    @property
    def fill(self) -> np.ndarray:
        """What takes the place of a missing number or date in each of the I inputs: (I,)."""
        fill = np.zeros(len(self.features))
        for column, place in zip(self.columns, self.places.values(), strict=True):
            fill[place][: len(column.parts)] = column.filling
        return fill

    def encode(self, values: Sequence[np.ndarray], *, filled: bool = True) -> np.ndarray:
        """Return the inputs (N, I) float64 of what `InputColumn.read` returns of each column.

        For `filled` see `InputColumn.inputs`.
        """
        inputs = np.zeros((len(values[0]), len(self.features)))
        columns = list(zip(self.columns, values, self.places.values(), strict=True))
        for start in range(0, len(inputs), _CHUNK):
            rows = slice(start, start + _CHUNK)
            for column, own, place in columns:
                column.inputs(own[rows], inputs[rows, place], filled=filled)
        return inputs

    def of_texts(
        self, texts: Mapping[str, Sequence[str]], rows: Sequence[int]
    ) -> tuple[np.ndarray, list[str]]:
        """Return the inputs (N, I) float64 of cells by column, and sentences for the user.

        Args:
            texts: N cells of each column
            rows: their N numbers, for errors

        Raises:
            ValueError: a column is missing, a cell is not what its column holds, or a value is
                missing though no training row lacked one
        """
        values, warnings = [], []
        for column in self.columns:
            name = column.name
            if name not in texts:
                raise ValueError(f"there is no column {name!r} among {', '.join(texts)}")
            distinct, codes = factorized(texts[name])
            try:
                read = column.read(distinct)
            except CellError as error:
                place = rows[list(texts[name]).index(error.text)]
                where = f"row {place}, column {name!r}: "
                raise CellError(error.text, error.problem, where) from None
            unknown = [distinct[place].strip() for place in np.flatnonzero(read == -1)]
            values.append(read[codes])
            missing = np.isnan(values[-1])
            if missing.any() and not self.imputes:
                row = rows[int(missing.argmax())]
                raise ValueError(f"row {row}, column {name!r}: the value is missing")
            warnings += column.warnings(values[-1], unknown)
        return self.encode(values), warnings

    def of_rows(self, rows: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, list[str]]:
        """Return what `of_texts` does of rows, each a mapping from column to text or number."""
        names = [column.name for column in self.columns if all(column.name in row for row in rows)]
        texts = {name: [text_of(row[name]) for row in rows] for name in names}
        return self.of_texts(texts, range(1, len(rows) + 1))

    def document(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return dataclasses.asdict(self)

    def to_json(self) -> bytes:
        """Return the content of table.json."""
        return content_of(self.document())

    @classmethod
    def of_json(cls, content: bytes | str) -> Self:
        """Return the encoder that table.json holds.

        Raises:
            ValueError, KeyError or TypeError: the content is damaged
        """
        try:
            document = json.loads(content)
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
        if "missing_values" in document:  # as dlx wrote it before columns had formats
            return cls(_of_earlier_json(document), document["imputes"])
        fields = {name: tuple(map(_column, document[name])) for name in ("columns", "targets")}
        return cls(**(document | fields))


def content_of(document: Mapping[str, Any]) -> bytes:
    """Return the content of table.json, given an encoder's `document`."""
    return json.dumps(document, indent=1, ensure_ascii=False).encode()


def _column(document: dict[str, Any]) -> InputColumn:
    fields: dict[str, Any] = _with_tuples(document) | {
        "form": Format(**_with_tuples(document["form"]))
    }
    return InputColumn(**fields)


def _with_tuples(document: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in document.items()}


def _of_earlier_json(document: dict[str, Any]) -> tuple[InputColumn, ...]:
    columns = []
    for column in document["columns"]:
        kind = "number" if column["categories"] is None else "category"
        form = Format(kind, tuple(document["missing_values"]))
        fill = (column["mean"],) if kind == "number" else ()
        names = tuple(column["categories"] or ())
        columns.append(InputColumn(column["name"], form, names, fill, column["indicator"]))
    return tuple(columns)


def factorized(texts: Iterable[str]) -> tuple[list[str], np.ndarray]:
    """Return the distinct texts, and for each text its place among them: (N,) int64."""
    places: dict[str, int] = {}
    codes = [places.setdefault(text, len(places)) for text in texts]
    return list(places), np.array(codes, dtype=np.int64)


def text_of(cell: Any) -> str:
    """Return a cell as a text, "" where it is missing; whole numbers have no point."""
    if isinstance(cell, str):
        return cell
    if cell is None or cell != cell:
        return ""
    if isinstance(cell, float | np.floating) and float(cell).is_integer():
        return str(int(cell))
    return str(cell)


def id_texts(cells: Iterable[Any]) -> list[str]:
    """Return the texts of ids; if all are numbers, equal ones have one text."""
    texts = [text_of(cell).strip() for cell in cells]
    if not all(not text or is_plain_number(text) for text in texts):
        return texts
    return [text and _one_spelling(text) for text in texts]


def date_of(seconds: float) -> str:
    """Return the date, and the time if it has one, of seconds since 1970, in ISO 8601."""
    moment = _EPOCH + timedelta(seconds=seconds)
    return moment.isoformat(" ") if seconds % _DAY else moment.date().isoformat()
