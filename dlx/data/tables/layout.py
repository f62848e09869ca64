"""How a CSV file is written: its encoding, its separator, and where its columns have their names.

dlx surveys a file with this module before pandas reads it, and `dlx export` copies it beside the
weights. So it needs nothing but Python.

Rows are counted as in a spreadsheet: a record over several lines is one row, and blank rows and
comments count.
"""

from __future__ import annotations

import codecs
import collections
import contextlib
import csv
import gzip
import io
import itertools
import re
import unicodedata
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

SEPARATORS = ("\t", ";", "|", ",")  # of two that split a header alike, the first is taken
BLANKS = " "  # stands for one blank or tab, or several
_SAMPLE = 30  # rows that an automatic choice looks at
_BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_KINDS = {
    b"PK\x03\x04": (
        "an Excel workbook or a zip archive; save the table as CSV (data.name: npz reads NumPy's)"
    ),
    b"\xd0\xcf\x11\xe0": "an Excel workbook; save the table as CSV",
    b"PAR1": "a parquet file; give its name the ending .parquet, and use data.name: parquet",
    b"%PDF": "a PDF file; save the table as CSV",
    b"BZh": "compressed by bzip2; unpack it, or compress it by gzip",
    b"\xfd7zXZ": "compressed by xz; unpack it, or compress it by gzip",
    b"\x28\xb5\x2f\xfd": "compressed by zstd; unpack it, or compress it by gzip",
    b"7z\xbc\xaf": "a 7z archive; unpack it",
    b"Rar!\x1a\x07": "a RAR archive; unpack it",
    b"\x93NUMPY": "an npy file of NumPy; use data.name: npy",
    b"SQLite format 3\x00": "a data base; save the table as CSV",
    b"\x89HDF": "an HDF5 file; save the table as CSV",
    b"ARROW1\x00\x00": "a file of Arrow; save the table as CSV or parquet",
}
# Files of text that are no tables, by how they begin, whatever blanks stand before or inside.
_TEXT_KINDS = {
    rb"\{\s*\"|\[\s*[{\[]": "JSON; save the table as CSV, with the names in the first row",
    rb"<(!doctype|!--|\?xml|html|table)": "HTML or XML; save the table as CSV",
    rb"(%[^\n]*\n\s*)*@relation": "an ARFF file; put names in place of the lines above the data",
}
_SAID = re.compile(r'\ufeff?"?sep=(.)"?', re.IGNORECASE)  # what Excel reads as the separator
_TOTALS = (
    *("total", "totals", "total:", "grand total", "subtotal", "sum", "summe", "gesamt", "totale"),
    *("합계", "총계", "총합", "소계", "총합계", "합 계", "合計", "合计", "总计"),
)
_MOST_BELOW = 5  # lines below a table
# letters of UTF-8 for one other byte, up to which they may be cp949 or cp1252 that looks like it
_MOST_BY_CHANCE = 4
_MOST_BLANK = 1_000_000  # rows without a value, or lines above a table
_BELOW = re.compile(r"[^\W\d]+( [^\W\d]+)?:|[*#(\[<©]")  # how they begin
_GZIP = b"\x1f\x8b"
_TAR_AT = slice(257, 262)  # where an archive says that it is one


class LayoutError(ValueError):
    """A file that is no table, or one of another layout than it is said to have."""


class NoNamesError(LayoutError):
    """The first row of a file seems to hold values, not the columns' names."""


class NotEncodedError(LayoutError):
    """The bytes of a file are not in the encoding that was named."""


@dataclass(frozen=True)
class Layout:
    """How a CSV file is said to be written."""

    separator: str = "auto"  # between values; ' ' stands for one blank or tab, or several
    encoding: str = "auto"
    header: bool | None = None  # whether a row has the columns' names; None: it is judged


AUTO = Layout()


@dataclass(frozen=True)
class Survey:
    """The layout of a CSV file, as a first pass over it shows."""

    header: tuple[str, ...]  # the columns' names
    separator: str  # between values
    encoding: str  # of the text
    skipped: int = 0  # lines above the columns' names, or above the values if there are none
    has_names: bool = True  # whether the next row has the columns' names
    left_out: tuple[int, ...] = ()  # rows without a value, or that repeat the names
    last_row: int | None = None  # the last row of the table, if others follow
    remarks: tuple[str, ...] = ()  # sentences for the user on what was judged

    @property
    def first_row(self) -> int:
        """The number of the first row of values."""
        return self.skipped + 1 + self.has_names


def survey(path: Path, layout: Layout, wanted: Collection[str] = ()) -> Survey:
    """Return how a CSV file is written, and check that all rows have as many values.

    The separator is judged by `wanted` columns.

    Raises:
        LayoutError: the file is no table, or not written as `layout` says
        OSError: it cannot be read
    """
    try:
        if layout.encoding != "auto":
            return _survey(path, layout, _known_encoding(layout.encoding), wanted)
        try:
            return _survey(path, layout, _first_encoding(path), wanted)
        except UnicodeDecodeError:
            content = _content(path)
            _refuse_odd_bytes(path, content)
            encoding = judged_encoding(content)
            found = _survey(path, layout, encoding, wanted)
            remark = (
                f"{path.name} is not UTF-8; it is read as {encoding} (if its words look wrong, "
                "name another encoding)"
            )
            return replace(found, remarks=(remark, *found.remarks))
    except UnicodeError:  # not UnicodeDecodeError alone: UTF-16 may lack its byte order mark
        named = "utf-8" if layout.encoding == "auto" else layout.encoding
        raise _not_encoded(path, named) from None
    except csv.Error as error:
        raise LayoutError(f"{path}: not a CSV file ({error}); is a quote left open?") from error


def survey_new(path: Path, layout: Layout, wanted: Collection[str]) -> Survey:
    """Return how a file of new rows is written, which need not be as the training file was.

    UTF-8 is recognized whatever the layout says; the separator is that of the layout if it splits
    the header into all wanted columns, otherwise it is judged.
    """
    is_utf8 = _decodes(_content(path), "utf-8")
    same = replace(layout, encoding="auto" if is_utf8 else layout.encoding)
    if same.separator != "auto":
        try:
            found = survey(path, same, wanted)
        except LayoutError:
            return survey(path, replace(same, separator="auto"), wanted)
        if set(wanted) <= set(found.header):
            return found
    return survey(path, replace(same, separator="auto"), wanted)


def records(path: Path, surveyed: Survey) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the cells of each row of values that is not blank."""
    rows = _quoted_rows(path, surveyed.encoding, surveyed.separator, surveyed.skipped)
    left_out = frozenset(surveyed.left_out)
    for number, cells in enumerate(rows, surveyed.skipped + 1):
        if surveyed.last_row is not None and number > surveyed.last_row:
            return
        if number >= surveyed.first_row and number not in left_out:
            yield number, cells


def judged_encoding(content: bytes) -> str:
    """Return cp949 or cp1252, whichever gives more plausible words for bytes that are not UTF-8.

    Korean text has pairs of bytes above 127, which are Hangul; Western text has mostly single ones,
    between Latin letters. Bytes that are neither are read as latin-1.
    """
    if _decodes(content, "cp949") and _is_korean(content.decode("cp949"), content):
        return "cp949"
    return "cp1252" if _decodes(content, "cp1252") else "latin-1"


def _refuse_odd_bytes(path: Path, content: bytes) -> None:
    """Refuse a file that is UTF-8 but for a few bytes: any other encoding spoils its letters."""
    signs = re.findall("[^\x00-\x7f]", content.decode("utf-8", "surrogateescape"))
    right = sum(not "\udc80" <= sign <= "\udcff" for sign in signs)
    if right <= _MOST_BY_CHANCE * (len(signs) - right):
        return
    row, byte = _first_odd_byte(content, "utf-8")
    raise NotEncodedError(
        f"{path}, row {row}: byte 0x{byte} is not UTF-8, which all {right:,} other letters beyond "
        "ASCII are; correct it, or name the encoding of the file"
    )


def _first_odd_byte(content: bytes, encoding: str) -> tuple[int, str]:
    """Return the row and the byte, in hexadecimal digits, where a decoder stops."""
    start = 0
    try:
        content.decode(encoding)
    except UnicodeDecodeError as error:
        start = error.start
    return content.count(b"\n", 0, start) + 1, content[start : start + 1].hex()


def _is_korean(text: str, content: bytes) -> bool:
    odd = sum(len(run) % 2 for run in re.findall(rb"[\x80-\xff]+", content))
    korean = western = symbols = 0
    for before, word, after in re.findall(r"([A-Za-z]?)([^\x00-\x7f]+)([A-Za-z]?)", text):
        if all(0xA1 <= sign.encode("cp949")[0] <= 0xAC for sign in word):
            symbols += 1  # such as °, ㎡ and ℃, beside letters too
        elif not re.fullmatch("[가-힣]+", word):
            western += 1
        elif len(word) == 1 and (before or after or word.encode("cp949")[1] < 0xA1):
            western += 1  # beside Latin letters, or a syllable that hardly occurs
        else:
            korean += 1
    return korean > western or (symbols > 0 and korean == western == odd == 0)


def _decodes(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _content(path: Path) -> bytes:
    with _opened(path) as file:
        return file.read()


def _opened(path: Path) -> gzip.GzipFile | io.BufferedReader:
    """Open a file, through gzip if it is compressed, and refuse files that are no text."""
    with path.open("rb") as file:
        start = file.read(4096)
    is_packed = start.startswith(_GZIP)
    if is_packed:
        with contextlib.suppress(OSError, EOFError, zlib.error), gzip.open(path, "rb") as file:
            start = file.read(4096)  # of what is cut or damaged the reading tells
    text = start.removeprefix(codecs.BOM_UTF8).lstrip()
    kinds = [words for magic, words in _KINDS.items() if start.startswith(magic)]
    kinds += [words for begin, words in _TEXT_KINDS.items() if re.match(begin, text, re.IGNORECASE)]
    kinds += ["a tar archive; unpack it"] if start[_TAR_AT].startswith(b"ustar") else []
    if kinds:
        raise LayoutError(f"{path}: {'unpacked, ' if is_packed else ''}this is {kinds[0]}")
    return gzip.open(path, "rb") if is_packed else path.open("rb")


def is_compressed(path: Path) -> bool:
    """Say whether a file is compressed by gzip, whatever its name is."""
    with path.open("rb") as file:
        return file.read(2) == _GZIP


def _lines(path: Path, encoding: str, newline: str | None = None) -> io.TextIOWrapper:
    return io.TextIOWrapper(_opened(path), encoding=encoding, newline=newline)


def _first_encoding(path: Path) -> str:
    with _opened(path) as file:
        start = file.read(4096)
    for mark, encoding in _BOMS.items():
        if start.startswith(mark):
            return encoding
    # UTF-16 without a mark has a byte 0 at every line end, and before or after it.
    if b"\0" in start and not re.search(rb"(?<!\0)\n(?!\0)", start):
        pairs = {start[place : place + 2] for place in range(0, len(start) - 1, 2)}
        is_little = b"\n\0" in pairs or (b"\0\n" not in pairs and start[:1] != b"\0")
        return "utf-16-le" if is_little else "utf-16-be"
    return "utf-8-sig"


def _known_encoding(name: str) -> str:
    try:
        "".encode(name)  # codecs.lookup also knows codecs of bytes, such as base64
        return "utf-8-sig" if codecs.lookup(name).name == "utf-8" else name
    except (LookupError, ValueError):
        raise LayoutError(
            f"encoding: received {name!r}, which is no known encoding; "
            "allowed: auto, utf-8, cp949, euc-kr, latin-1, cp1252, utf-16, …"
        ) from None


def _not_encoded(path: Path, encoding: str) -> LayoutError:
    content = _content(path)
    row, byte = _first_odd_byte(content, encoding)
    fitting = [name for name in ("utf-8", "cp949", "cp1252") if _decodes(content, name)]
    return NotEncodedError(
        f"{path}, row {row}: byte 0x{byte} is not {encoding}; name its encoding "
        f"({', '.join(fitting)} would do), or leave it to auto"
    )


def _survey(path: Path, layout: Layout, encoding: str, wanted: Collection[str]) -> Survey:
    with _lines(path, encoding) as file:
        above = itertools.takewhile(_is_above, file)
        skipped = [*itertools.islice(above, _MOST_BLANK + 1)]
    if len(skipped) > _MOST_BLANK:
        raise LayoutError(f"{path}: more than {_MOST_BLANK:,} lines above the table; delete them")
    with _lines(path, encoding) as file:
        sample = [*itertools.islice(file, len(skipped), len(skipped) + _SAMPLE)]
    if not sample:
        raise LayoutError(f"{path}: it holds no row")
    separator, said = layout.separator, _SAID.fullmatch(skipped[0].strip() if skipped else "")
    if separator == "auto":
        separator = said[1] if said else _separator(sample, wanted)
    above = skipped[-1] if skipped else ""
    comment = _cells([above.lstrip("# \t")], separator) if above.startswith("#") else []
    rows = _cells(sample, separator)
    if not rows:
        raise LayoutError(f"{path}: it holds no row")
    # Of two byte order marks, which two programs wrote, the second is no part of a name.
    rows[:1] = [
        [unicodedata.normalize("NFC", name.lstrip("\ufeff")) for name in row] for row in rows[:1]
    ]
    found = Survey((), separator, encoding, len(skipped))
    remarks = []
    names = comment[0] if comment else []
    is_like = len(names) == len(rows[0]) > 1 and all(map(is_number, rows[0]))
    if is_like and not any(map(is_number, names)):  # as `numpy.savetxt` writes them
        found = replace(found, header=tuple(names), has_names=False)
    elif layout.header is False:
        names = tuple(str(place) for place in range(1, len(rows[0]) + 1))
        found = replace(found, header=names, has_names=False)
    else:
        if layout.header is None:
            _refuse_values(path, rows, len(skipped) + 1, wanted)
        _refuse_names_below(path, rows, wanted)
        names = tuple(name or f"Unnamed: {place}" for place, name in enumerate(rows[0]))
        found = replace(found, header=names)
    comments = sum(line[0] == "#" for line in skipped)
    if comments:
        lines = "a line" if comments == 1 else f"{comments} lines"
        remarks.append(f"{lines} of {path.name} with # at the beginning left out")
    twice = [name for place, name in enumerate(found.header) if name in found.header[:place]]
    if twice:
        raise LayoutError(f"{path}: two columns are called {twice[0]!r}; rename one of them")
    return _checked(path, replace(found, remarks=tuple(remarks)))


def _is_above(line: str) -> bool:
    """Say whether a line is none of the table: blank, a comment, or Excel's word on separators."""
    return not line.strip() or line[0] == "#" or bool(_SAID.fullmatch(line.strip()))


def _checked(path: Path, surveyed: Survey) -> Survey:
    """Check that every row has as many values as the first one, and find the rows without any."""
    try:
        return _counted(path, surveyed, _plain_rows(path, surveyed))
    except _QuoteError:
        rows = _quoted_rows(path, surveyed.encoding, surveyed.separator, surveyed.skipped)
        counted = (
            # In a line: it may be parsed again.
            (len(cells) if any(cells) else 0, " ".join(surveyed.separator.join(cells).splitlines()))
            for cells in rows
        )
        return _counted(path, surveyed, counted)


def _counted(path: Path, surveyed: Survey, rows: Iterable[tuple[int, str]]) -> Survey:
    """Check the number of values of each row, which comes with the row itself."""
    width, separator, left_out, odd = len(surveyed.header), surveyed.separator, [], []
    first, empty = "", []  # separators alone
    below: list[tuple[int, int, str]] = []  # rows of another width, until one of the table follows
    last = collections.deque[tuple[int, str]](maxlen=_MOST_BELOW)  # rows of the table
    for row, (count, text) in enumerate(rows, surveyed.skipped + 1):
        if "\0" in text or ("\x1a" in text and text.strip() != "\x1a"):
            sign = "null bytes" if "\0" in text else "the sign Ctrl-Z (U+001A)"
            raise LayoutError(
                f"{path}, row {row}: {sign}, which no text has; if this is a table, delete them, "
                "save it as CSV, or name its encoding"
            )
        if count == 0:
            left_out.append(row)
            if separator != BLANKS and separator in text:
                empty.append(row)
            if len(left_out) > _MOST_BLANK:
                raise LayoutError(f"{path}: more than {_MOST_BLANK:,} blank rows; delete them")
        elif text == first or ("---" in text and not text.strip(f"{separator}-:=+| \t\r\n")):
            odd.append(row)
        elif count != width or text[0] == "\x1a":
            below.append((row, count, text))
            if len(below) > _MOST_BELOW:
                raise _odd_width(path, *below[0][:2], surveyed)
        elif below:
            raise _odd_width(path, *below[0][:2], surveyed)
        else:
            last.append((row, text))
            if len(last) == 1 and surveyed.has_names and not first:
                first = text
    remarks, end = list(surveyed.remarks), None
    while width > 2 and len(last) > 1 and _is_padded(last[-1][1], separator):
        row, text = last.pop()
        below.insert(0, (row, width, text))
    for row, count, text in below:
        is_apart = end is not None or row - 1 in left_out
        if not _is_below(text, separator, is_apart=is_apart):
            raise _odd_width(path, row, count, surveyed)
        end = end or row
    if len(last) <= surveyed.has_names:
        raise LayoutError(f"{path}: a header but no rows{' that hold a value' if empty else ''}")
    if empty:
        more = f" and {len(empty) - 1:,} more" if len(empty) > 1 else ""
        remarks.append(f"row {empty[0]}{more} of {path.name} left out: no value at all")
    if odd:
        more = f" and {len(odd) - 1} more rows" if len(odd) > 1 else ""
        remarks.append(
            f"row {odd[0]}{more} of {path.name} left out: the columns' names again, or dashes"
        )
    texts = [text.strip(f"{separator} \r\n") for _, _, text in below if text.strip() != "\x1a"]
    if texts:
        more = f", and {len(texts) - 1} more below it" if len(texts) > 1 else ""
        remarks.append(f"{texts[0]!r} at the end of {path.name} is no row of the table{more}")
    ends = _cells([last[-1][1]], separator)[0] if last else []
    total = next((cell for cell in ends if cell.casefold() in _TOTALS), "")
    if total:
        remarks.append(
            f"the last row of {path.name} says {total!r}: if it sums up the others, delete it"
        )
    last_row = None if end is None else end - 1
    left_out = tuple(sorted(left_out + odd))
    return replace(surveyed, left_out=left_out, last_row=last_row, remarks=tuple(remarks))


def _odd_width(path: Path, row: int, count: int, surveyed: Survey) -> LayoutError:
    separator, width = surveyed.separator, len(surveyed.header)
    parted = "blanks" if separator == BLANKS else repr(separator)
    hint = "; or delete the lines above the columns' names, if this row is the first of them"
    return LayoutError(
        f"{path}, row {row}: {count} values instead of {width}, separated by {parted}; "
        f"complete the row or delete it, put values with a {separator!r} inside in quotes, "
        f"or name another separator{hint if row < 10 and width == 1 else ''}"
    )


def _is_padded(text: str, separator: str) -> bool:
    """Say whether a row holds nothing but a source or a note in its first column."""
    first, *others = next(_parsed([text], separator))
    return bool(re.match(r"[^\W\d]+( [^\W\d]+)?: |[*#©] [^\W\d]", first)) and not any(others)


def _is_below(text: str, separator: str, *, is_apart: bool) -> bool:
    """Say whether a line below a table seems to be a source or a note, or is Ctrl-Z.

    `is_apart`: it follows a blank row, or another such line.
    """
    first, *others = next(_parsed([text], separator))
    if first == "\x1a" or _BELOW.match(first):
        return True
    is_text = not any(map(is_number, (first, *others)))
    return is_text and (is_apart or len(" ".join((first, *others)).split()) > 2)


class _QuoteError(Exception):
    """A file has quotes; inside them, separators and line breaks are a part of the value."""


def _plain_rows(path: Path, surveyed: Survey) -> Iterator[tuple[int, str]]:
    """Yield the number of values of every line (0: blank) and the line, if none has quotes.

    A million lines take half a second, with the csv module several seconds.
    """
    separator = surveyed.separator
    empty = f"{separator} \r\n\t"
    with _lines(path, surveyed.encoding) as file:
        for line in itertools.islice(file, surveyed.skipped, None):
            if '"' in line:
                raise _QuoteError
            if separator == BLANKS:
                yield len(line.split()), line
            else:
                yield line.count(separator) + 1 if line.strip(empty) else 0, line


def _quoted_rows(path: Path, encoding: str, separator: str, skipped: int) -> Iterator[list[str]]:
    """Yield the trimmed cells of each record below the skipped lines."""
    with _lines(path, encoding, newline="") as file:
        for _ in range(skipped):
            file.readline()
        yield from _parsed(file, separator)


def _parsed(lines: Iterable[str], separator: str) -> Iterator[list[str]]:
    if separator == BLANKS:
        lines = (line.strip().replace("\t", " ") for line in lines)
    for cells in csv.reader(lines, delimiter=separator, skipinitialspace=True):
        yield [cell.strip() for cell in cells]


def _cells(lines: Iterable[str], separator: str) -> list[list[str]]:
    return [row for row in _parsed(lines, separator) if any(row)]


def _separator(sample: Sequence[str], wanted: Collection[str]) -> str:
    """Return the separator that splits the header into most of the wanted, then most columns.

    Blanks are one where no other sign splits all rows alike, or tabs leave numbers together.
    """

    def score(separator: str) -> tuple[int, bool, int]:
        rows = _cells(sample, separator) or [[]]
        same = all(len(row) == len(rows[0]) for row in rows)
        return sum(name in rows[0] for name in wanted), same and len(rows[0]) > 1, len(rows[0])

    best = max(SEPARATORS, key=score)
    _, is_regular, width = score(best)
    rows = _cells(sample, BLANKS)
    widths = {len(row) for row in rows}
    if len(rows) > 1 and len(widths) == 1 and widths != {1}:
        inner = [cell.split() for cell in _cells(sample, "\t")[-1]]
        has_more = any(len(c) > 2 and 2 * sum(map(is_number, c)) > len(c) for c in inner)
        if not is_regular or (best == "\t" and has_more):
            return BLANKS
    return best if width > 1 else ","


def _refuse_values(path: Path, rows: list[list[str]], number: int, wanted: Collection[str]) -> None:
    """Refuse a first row that holds numbers or texts of the rows below in place of names."""
    first = rows[0]
    below = [row for row in rows[1:] if row != first]  # names may come again
    words = [name for name in wanted if not is_number(name)]
    if words and all(name in first for name in words):
        return
    if not (all(map(is_number, first)) or _looks_like_values(first, below)):
        return
    shown = ", ".join(first[:3]) + (", …" if len(first) > 3 else "")
    raise NoNamesError(
        f"{path}: row {number} holds values ({shown}) and not the columns' names; write a row of "
        "names above it, or say header: false (an option: --no-header), which calls the columns "
        "1, 2, 3, …; header: true (--header) takes them for names"
    )


def _looks_like_values(first: list[str], below: list[list[str]]) -> bool:
    if not below or any(len(row) != len(first) for row in below):
        return False
    columns = list(zip(*below, strict=True))
    numbers = [place for place, cell in enumerate(first) if is_number(cell)]
    steps = [float(first[b]) - float(first[a]) for a, b in itertools.pairwise(numbers)]
    count_on = bool(steps) and all(step == 1 for step in steps)  # names such as 2019, 2020, 2021
    like = [p for p in numbers if all(is_number(cell) for cell in columns[p] if cell)]
    again = [p for p, c in enumerate(first) if p not in numbers and c and c in columns[p]]
    return bool(again) or (bool(like) and not count_on)


def _refuse_names_below(path: Path, rows: list[list[str]], wanted: Collection[str]) -> None:
    """Refuse a title, or names of groups of columns, in the row above the wanted names."""
    if not wanted or set(wanted) <= set(rows[0]):
        return
    for row in rows[1:]:
        are_names = len({*row}) == len(row) > 1 and not any(map(is_number, row))
        if are_names and set(wanted) <= set(row):
            raise LayoutError(
                f"{path}: the columns' names ({', '.join(row[:3])}, …) do not stand in the first "
                "row; delete the rows above them"
            )


def is_number(text: str) -> bool:
    """Say whether Python takes a text for a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
