"""CSV and parquet files as pandas frames; every error names the file and the row.

Rows are counted as in a spreadsheet: the header is row 1, a record over several lines is one row,
and blank rows count.
"""

from __future__ import annotations

import codecs
import csv
import importlib.util
import io
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlx.data.source_files import readable
from dlx.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = (",", ";", "\t", "|")
MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "#N/A")
_BOMS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True)
class Layout:
    """How a CSV file is written."""

    separator: str = "auto"  # between values; 'auto': whichever of , ; tab | splits the header
    # 'auto': UTF-8 (or UTF-16 with a byte order mark), otherwise cp949, which includes EUC-KR
    encoding: str = "auto"
    missing_values: tuple[str, ...] = ()  # texts that stand for a missing value, beside `MISSING`


@dataclass(frozen=True)
class Survey:
    """The layout of a CSV file, as a first pass over it shows."""

    header: tuple[str, ...]  # the columns' names
    separator: str  # between values
    encoding: str  # of the text
    blank: tuple[int, ...]  # the rows without a value


def read_csv(
    path: Path,
    layout: Layout,
    *,
    ignore: Collection[str] = (),
    text: Collection[str] = (),
    wanted: Collection[str] = (),
) -> pd.DataFrame:
    """Return the columns of a CSV file, indexed by row.

    `attrs["header"]` of the frame names all columns, the ignored ones included. The cells of `text`
    columns are read as texts; the separator is chosen by `wanted` columns.
    """
    import pandas as pd

    surveyed = survey(path, layout, wanted)
    try:
        frame = pd.read_csv(
            path,
            sep=surveyed.separator,
            encoding=surveyed.encoding,
            header=0,
            names=list(surveyed.header),
            usecols=[name for name in surveyed.header if name not in ignore],
            dtype=dict.fromkeys([name for name in text if name in surveyed.header], str),
            na_values=[*MISSING, *layout.missing_values],
            keep_default_na=False,
            skipinitialspace=True,
            skip_blank_lines=False,
            index_col=False,
            low_memory=False,  # otherwise chunks of a column may differ in type
        )
    except (pd.errors.ParserError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a CSV file ({error})") from error
    frame.index = pd.RangeIndex(2, len(frame) + 2)
    blank = [row for row in surveyed.blank if row in frame.index]
    if blank:
        frame = frame.drop(index=blank)
    if len(frame) == 0:
        raise DataError(f"{path}: a header but no rows")
    frame.attrs["header"] = surveyed.header
    return frame


def read_parquet(path: Path, *, ignore: Collection[str] = ()) -> pd.DataFrame:
    """Return the columns of a parquet file as `read_csv` does; its first row counts as row 2."""
    import pandas as pd

    if importlib.util.find_spec("pyarrow") is None:
        raise ConfigError(
            f"{path}: parquet needs pyarrow; install it with: pip install 'dlx[parquet]'"
        )
    import pyarrow as pa  # pyright: ignore[reportMissingImports]
    import pyarrow.parquet as pq  # pyright: ignore[reportMissingImports]

    _check_there(path)
    try:
        header = pq.read_schema(path).names
        names = [name for name in header if name not in ignore]
        frame = pd.read_parquet(path, columns=names, engine="pyarrow")
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a parquet file ({error})") from error
    frame = frame.reset_index(drop=True)[names]
    frame.columns = [str(name) for name in frame.columns]
    _check_header(path, tuple(frame.columns))
    frame.index = pd.RangeIndex(2, len(frame) + 2)
    if len(frame) == 0:
        raise DataError(f"{path}: no rows")
    frame.attrs["header"] = tuple(header)
    return frame


def survey(path: Path, layout: Layout, wanted: Collection[str] = ()) -> Survey:
    """Return how a CSV file is written, and check that rows have as many values as the header."""
    _check_there(path)
    try:
        with readable(path):
            if layout.encoding != "auto":
                return _survey(path, layout, _known_encoding(layout.encoding), wanted)
            with path.open("rb") as file:
                encoding = _BOMS.get(file.read(2), "utf-8-sig")
            try:
                return _survey(path, layout, encoding, wanted)
            except UnicodeDecodeError:
                return _survey(path, layout, "cp949", wanted)
    except UnicodeError:  # not UnicodeDecodeError alone: UTF-16 may lack its byte order mark
        named = layout.encoding if layout.encoding != "auto" else "utf-8"
        raise _not_encoded(path, named, is_named=layout.encoding != "auto") from None
    except csv.Error as error:
        raise DataError(f"{path}: not a CSV file ({error}); is a quote left open?") from error


def _survey(path: Path, layout: Layout, encoding: str, wanted: Collection[str]) -> Survey:
    with path.open(encoding=encoding, newline="") as file:
        first = file.readline()
    separator = layout.separator
    if separator == "auto":
        separator = _separator(first, wanted)
    try:
        return _count(path, encoding, separator, _plain_rows(path, encoding, separator))
    except _QuoteError:
        return _count(path, encoding, separator, _quoted_rows(path, encoding, separator))


def _count(
    path: Path, encoding: str, separator: str, rows: Iterator[tuple[int, list[str] | None]]
) -> Survey:
    """Check the number of values in every row: `rows` yields them, and the cells of the first."""
    width, cells = next(rows, (0, None))
    if not width or cells is None:
        raise DataError(f"{path}: row 1 has to hold the columns' names, but it is empty")
    header = tuple(cell.strip() or f"Unnamed: {place}" for place, cell in enumerate(cells))
    _check_header(path, header)
    blank = []
    for row, (count, _) in enumerate(rows, 2):
        if count == 0:
            blank.append(row)
        elif count != width:
            raise DataError(
                f"{path}, row {row}: {count} values instead of {width}, separated by "
                f"{separator!r}; complete the row, put values with a {separator!r} inside in "
                "quotes, or name another data.separator"
            )
    return Survey(header, separator, encoding, tuple(blank))


class _QuoteError(Exception):
    """A file has quotes; inside them, separators and line breaks are a part of the value."""


def _plain_rows(
    path: Path, encoding: str, separator: str
) -> Iterator[tuple[int, list[str] | None]]:
    """Yield the number of values of every line (0: blank), as long as no line has quotes.

    A million lines take half a second, with the csv module several seconds.
    """
    empty = f"{separator} \r\n\t"
    with path.open(encoding=encoding) as file:
        for place, line in enumerate(file):
            if '"' in line:
                raise _QuoteError
            cells = None if place else line.rstrip("\n").split(separator)
            yield (line.count(separator) + 1 if line.strip(empty) else 0), cells


def _quoted_rows(
    path: Path, encoding: str, separator: str
) -> Iterator[tuple[int, list[str] | None]]:
    for _, cells in csv_records(path, encoding, separator):
        yield (len(cells) if any(cell.strip() for cell in cells) else 0), cells


def csv_records(path: Path, encoding: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each record of a CSV file, with the number of its last line."""
    with path.open(encoding=encoding, newline="") as file:
        reader = csv.reader(file, delimiter=separator, skipinitialspace=True)
        for cells in reader:
            yield reader.line_num, cells


def _separator(first: str, wanted: Collection[str]) -> str:
    """Return the separator that splits the header into most of the wanted, then most columns."""

    def score(separator: str) -> tuple[int, int]:
        cells = next(csv.reader(io.StringIO(first), delimiter=separator), [])
        names = {cell.strip() for cell in cells}
        return sum(name in names for name in wanted), len(cells)

    return max(SEPARATORS, key=score)


def _check_there(path: Path) -> None:
    if path.is_dir():
        raise DataError(f"{path}: this is a folder; name a file")
    if not path.exists():
        raise DataError(f"{path}: no such file; data.path is relative to the config file")


def _check_header(path: Path, header: tuple[str, ...]) -> None:
    twice = [name for place, name in enumerate(header) if name in header[:place]]
    if twice:
        raise DataError(f"{path}: two columns are called {twice[0]!r}; rename one of them")
    if all(map(is_number, header)):
        raise DataError(
            f"{path}: row 1 holds numbers ({', '.join(header[:3])}, …) and not the columns' names; "
            "add a header"
        )


def is_number(text: str) -> bool:
    """Say whether Python takes a text for a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _known_encoding(name: str) -> str:
    try:
        "".encode(name)  # codecs.lookup also knows codecs of bytes, such as base64
        return "utf-8-sig" if codecs.lookup(name).name == "utf-8" else name
    except (LookupError, ValueError):
        raise ConfigError(
            f"data.encoding: received {name!r}, which is no known encoding; "
            "allowed: auto, utf-8, cp949, euc-kr, latin-1, cp1252, utf-16, …"
        ) from None


def _not_encoded(path: Path, encoding: str, *, is_named: bool) -> DataError:
    content, start = path.read_bytes(), 0
    try:
        content.decode(encoding)
    except UnicodeDecodeError as error:
        start = error.start
    row, byte = content.count(b"\n", 0, start) + 1, content[start : start + 1].hex()
    tried = encoding if is_named else f"{encoding}, nor is the file cp949"
    return DataError(
        f"{path}, row {row}: byte 0x{byte} is not {tried}; name its data.encoding "
        "(cp949, euc-kr, latin-1, cp1252, …), or save the file as UTF-8"
    )


def text_of(cell: Any) -> str:
    """Return a cell as the text of a category or id: trimmed, True and False in one spelling."""
    text = str(cell).strip()
    return text.capitalize() if text.lower() in ("true", "false") else text
