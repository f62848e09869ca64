"""CSV and parquet files as pandas frames; every error names the file and the row."""

from __future__ import annotations

import contextlib
import csv
import gzip
import importlib.util
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dlx.capacity import check_fits
from dlx.data.source_files import MOST_PACKED, SMALLER, readable
from dlx.data.tables.cells import is_code, is_plain_number
from dlx.data.tables.layout import (
    BLANKS,
    Layout,
    LayoutError,
    Survey,
    is_compressed,
    survey,
    survey_new,
)
from dlx.errors import ConfigError, DataError, did_you_mean, refuse_special, said

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa  # pyright: ignore[reportMissingImports]

_CHUNK = 1 << 24  # bytes
_SAMPLE = 200  # rows that show which columns hold numbers
_SMALL = 1 << 26  # bytes of a file that need no look at whether they fit


def surveyed(
    path: Path, layout: Layout, wanted: Collection[str] = (), *, is_new: bool = False
) -> Survey:
    """Return how a CSV file is written; see `dlx.data.tables.layout`.

    `is_new`: it holds new rows, which need not be written as `layout` says.

    Raises:
        DataError: it cannot be read, or is no table
    """
    check_there(path)
    with readable(path):
        check_size(path)
        try:
            return (survey_new if is_new else survey)(path, layout, wanted)
        except LayoutError as error:
            raise DataError(str(error)) from error


def read_csv(
    path: Path,
    found: Survey,
    *,
    ignore: Collection[str] = (),
    text: Collection[str] | None = (),
    missing: Callable[[str], Sequence[str]] = lambda name: (),
) -> pd.DataFrame:
    """Return the columns of a CSV file that was surveyed, indexed by row.

    `attrs["header"]` of the frame names all columns, the ignored ones included. `text` columns,
    None: all, are read as texts, and so are others unless all cells are numbers without leading
    zeros or texts that are missing values: `missing` returns those of a column of numbers.
    """
    import pandas as pd

    columns = [name for name in found.header if name not in ignore]
    as_text = columns if text is None else [name for name in text if name in columns]
    gzipped = "gzip" if is_compressed(path) else None
    end = None if found.last_row is None else found.last_row - found.first_row + 1

    def parsed(
        columns: Sequence[str],
        as_text: Collection[str],
        marks: Mapping[str, Sequence[str]] = {},
        rows: int | None = end,
    ) -> pd.DataFrame:
        try:
            return pd.read_csv(
                path,
                sep=r"\s+" if found.separator == BLANKS else found.separator,
                encoding=found.encoding,
                compression=gzipped,
                header=0 if found.has_names else None,
                skiprows=found.skipped,
                names=list(found.header),
                usecols=list(columns),
                nrows=rows,
                dtype=dict.fromkeys(as_text, object),
                na_values={name: ["", *marks.get(name, ())] for name in columns},
                keep_default_na=False,
                skipinitialspace=True,
                skip_blank_lines=False,
                index_col=False,
                low_memory=False,  # otherwise chunks of a column may differ in type
            )
        except (pd.errors.ParserError, UnicodeDecodeError, csv.Error) as error:
            raise DataError(
                f"{path}: not a CSV file ({said(error)}); correct it: is a quote left open?"
            ) from error

    open_columns = [name for name in columns if name not in as_text]
    marks = {}
    if open_columns:
        sample = parsed(open_columns, open_columns, rows=min(_SAMPLE, end or _SAMPLE))
        marks = _marks(sample, missing)
    frame = parsed(columns, as_text, marks)
    # A text has turned up below the sample, or a number with a leading zero.
    again = [name for name in marks if frame[name].dtype.kind not in "ifu"]
    codes = _codes(path, found, frame[[name for name in open_columns if name not in again]])
    if again or codes:
        texts = parsed([*again, *codes], [*again, *codes])
        for name in texts.columns:
            if name in again or any(map(is_code, texts[name].dropna().str.strip().unique())):
                frame[name] = texts[name]
    frame.index = pd.RangeIndex(found.first_row, len(frame) + found.first_row)
    left_out = [row for row in found.left_out if row in frame.index]
    if left_out:
        frame = frame.drop(index=left_out)
    frame.attrs["header"] = found.header
    frame.attrs["remarks"] = found.remarks
    return frame


def _marks(
    sample: pd.DataFrame, missing: Callable[[str], Sequence[str]]
) -> dict[str, Sequence[str]]:
    """Return the texts that mean a missing value in columns which seem to hold numbers."""
    marks = {}
    for name in sample.columns:
        texts = [text for text in missing(name) if not is_plain_number(text)]
        cells = {cell.strip() for cell in sample[name].dropna()} - {"", *texts}
        if texts and all(map(is_plain_number, cells)):
            marks[name] = texts
    return marks


def _codes(path: Path, found: Survey, frame: pd.DataFrame) -> list[str]:
    """Return the columns that pandas took for numbers, but of which some begin with a zero.

    Where the file alone cannot tell, all columns of whole numbers are returned.
    """
    whole = [name for name in frame.columns if _is_whole(frame[name])]
    if not whole:
        return []
    if found.encoding.startswith("utf-16") or is_compressed(path) or found.separator == BLANKS:
        return whole
    separator, places = ord(found.separator), set()
    with path.open("rb") as file:
        end = b"\n"
        while chunk := file.read(_CHUNK):
            whole_lines = (end + chunk).rpartition(b"\n")
            end = b"\n" + whole_lines[2]
            if b'"' in whole_lines[0] and _zeros(whole_lines[0], separator):
                return whole
            places |= _zeros(whole_lines[0], separator)
    places |= _zeros(end, separator)
    return [name for name in whole if found.header.index(name) in places]


def _is_whole(series: pd.Series) -> bool:
    """Say whether a column was read as whole numbers; most others show it in their first rows."""
    if series.dtype.kind != "f":
        return series.dtype.kind in "iu"
    return all((some.dropna() % 1 == 0).all() for some in (series.iloc[:_SAMPLE], series))


def _zeros(lines: bytes, separator: int) -> set[int]:
    """Return the columns in which cells of a piece of a file begin with a zero and a digit."""
    signs = np.frombuffer(lines, np.uint8)
    first, second, before = signs[1:-1], signs[2:], signs[:-2]
    found = (first == ord("0")) & (second >= ord("0")) & (second <= ord("9"))
    found &= (before == separator) | (before == ord("\n")) | (before == ord('"')) | (before == 32)
    hits = np.flatnonzero(found)
    if len(hits) == 0:
        return set()
    starts, parted = np.flatnonzero(signs == ord("\n")), np.flatnonzero(signs == separator)
    line = starts[np.maximum(np.searchsorted(starts, hits, side="right") - 1, 0)]
    columns = np.searchsorted(parted, hits, side="right") - np.searchsorted(parted, line)
    return set(np.unique(columns).tolist())


def read_parquet(path: Path, *, ignore: Collection[str] = ()) -> pd.DataFrame:
    """Return the columns of a parquet file as `read_csv` does; its first row counts as row 2."""
    import pandas as pd

    with _parquet(path) as schema:
        names = [name for name in schema.names if name not in ignore]
        for name, kind in _nested(schema).items():
            if name in names:
                raise DataError(
                    f"{path}, column {name!r}: a cell holds several values ({kind}); make a column "
                    "of each, or list it under data.ignore"
                )
        # Without the metadata an index that pandas wrote is a column as any other.
        frame = _table(path, schema, names).to_pandas(ignore_metadata=True)
    frame.index = pd.RangeIndex(2, len(frame) + 2)
    if len(frame) == 0:
        raise DataError(f"{path}: no rows")
    frame.attrs["header"] = tuple(schema.names)
    frame.attrs["remarks"] = ()
    return frame


def nested_columns(path: Path) -> dict[str, str]:
    """Return the type of each column of a parquet file whose cells hold several values."""
    with _parquet(path) as schema:
        return _nested(schema)


def _nested(schema: pa.Schema) -> dict[str, str]:
    import pyarrow as pa  # pyright: ignore[reportMissingImports]

    kinds = zip(schema.names, schema.types, strict=True)
    return {name: str(kind) for name, kind in kinds if pa.types.is_nested(kind)}


@contextlib.contextmanager
def _parquet(path: Path) -> Iterator[pa.Schema]:
    """Give the schema of a parquet file; an error of pyarrow's is one of the data."""
    if importlib.util.find_spec("pyarrow") is None:
        raise ConfigError(
            f"{path}: parquet needs pyarrow; install it with: pip install 'dlx[parquet]'"
        )
    import pyarrow as pa  # pyright: ignore[reportMissingImports]
    import pyarrow.parquet as pq  # pyright: ignore[reportMissingImports]

    check_there(path)
    try:
        schema = pq.read_schema(path)
        if twice := [name for name in schema.names if schema.names.count(name) > 1]:
            raise DataError(f"{path}: two columns are called {twice[0]!r}; rename one of them")
        yield schema
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        why = said(error)
        raise DataError(
            f"{path}: not a parquet file that can be read ({why}); write it again, or use "
            "data.name: csv"
        ) from error


def _table(path: Path, schema: pa.Schema, names: list[str]) -> pa.Table:
    """Return columns of a parquet file; MemoryLimitError where they do not fit into memory.

    A text that is repeated stands in the file once, so texts are counted before they are repeated.
    """
    import pyarrow as pa  # pyright: ignore[reportMissingImports]
    import pyarrow.compute as pc  # pyright: ignore[reportMissingImports]
    import pyarrow.parquet as pq  # pyright: ignore[reportMissingImports]

    rows = pq.read_metadata(path).num_rows
    check_fits(f"{path}, unpacked", 8 * rows * len(names), SMALLER)
    table = pq.read_table(path, columns=names, read_dictionary=names)
    size = table.nbytes
    for place, read in enumerate(table.columns):
        column, kind = read, schema.field(names[place]).type
        if pa.types.is_dictionary(column.type) and not pa.types.is_dictionary(kind):
            for chunk in column.chunks:
                lengths = pc.call_function("binary_length", [chunk.dictionary])
                size += lengths.take(chunk.indices).sum().as_py() or 0
            check_fits(f"{path}, unpacked", size, SMALLER)
            column = column.cast(column.type.value_type)
        if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
            with contextlib.suppress(pa.ArrowInvalid):  # bytes that are no text stay bytes
                column = column.cast(pa.large_string())
        if column is not read:
            table = table.set_column(place, names[place], column)
    return table


def check_size(path: Path) -> None:
    """Refuse a CSV file that does not fit into memory, or that has no end of a line for long.

    The text and a column of numbers are held at the same time.

    Raises:
        MemoryLimitError: it does not fit
        DataError: it has no lines
        OSError: it cannot be read
    """
    is_packed = is_compressed(path)
    if path.stat().st_size * (MOST_PACKED if is_packed else 1) <= _SMALL:
        return
    size = rows = 0
    with gzip.open(path) if is_packed else path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            size, rows = size + len(chunk), rows + chunk.count(b"\n")
            check_fits(f"{path}, unpacked" if is_packed else path, 2 * size + 8 * rows, SMALLER)
            if len(chunk) == _CHUNK and b"\n" not in chunk and b"\r" not in chunk:
                raise DataError(
                    f"{path}, row {rows + 1}: it is longer than {_CHUNK:,} bytes; if this is a "
                    "table, give it line ends"
                )


def check_there(path: Path) -> None:
    """Refuse a path at which there is no file."""
    if path.is_dir():
        raise DataError(f"{path}: this is a folder; name a file")
    if not path.exists():
        near = did_you_mean(path.name, [file.name for file in path.parent.glob(f"*{path.suffix}")])
        raise DataError(
            f"{path}: no such file{near or '; data.path is relative to the config file'}"
        )
    with readable(path):
        refuse_special(path)
