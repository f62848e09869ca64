"""What is odd about a table's columns and has to be said before a network is trained on them.

# N rows, C columns
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from dlx.config.dump import inline
from dlx.data.dataset import Column
from dlx.data.tables.cells import date_of, text_of
from dlx.data.tables.columns import Rules
from dlx.data.tables.recognition import odd_end, sentinel

_DATED = re.compile("date|time_?stamp|epoch|unix|날짜|일자|일시")  # names of columns of dates
# What moments are counted in, the seconds of one, and the number of 1970-01-01.
_CLOCKS = (
    ("seconds since 1970", 1, 0),
    ("milliseconds since 1970", 1e-3, 0),
    ("days of a spreadsheet", 86_400, 25_569),
)
_FIRST, _LAST = 946_684_800, 2_240_524_800  # 2000 to 2040, in seconds since 1970
_MOST_ROWS = 10_000  # that hints look at
_FEWEST_ROWS = 20  # below, a column may tell the target by chance
_GIVES_AWAY = 0.999  # share of the variance of numbers that one column explains
_GIVES_CLASS_AWAY = 0.9  # share of the rows not of the most frequent class that one column tells
_ROWS_PER_GROUP = 5  # on average, so that groups do not tell the target by chance
_COUNTERS = re.compile(
    r"unnamed: \d+|#|(__index_)?level_0(__)?|"
    r"(row|zeile|record|obs|observation|case|sample|index|idx|id|no|nr|num|number|numero|número|"
    r"numéro|n[°º]|"
    r"key|seq|serial|sl|s|n|x1)(_?(id|no|nr|num|number|index|names?))?\.?|s\.? ?no\.?|"
    r"lfd\.? ?nr\.?|"
    r".*[_ .-](id|no|nr|idx|index|key|num)|.+[a-z](Id|ID|No)|.*nummer|"
    r".*(번호|순번|연번|일련번호|아이디|序号|编号|編號|番号|連番)"
)
_ID = re.compile(r"id|.*[_ .-]id|.*nummer|.*(번호|아이디|编号|編號|番号)")
_CAMEL = re.compile(r".*[a-z](Id|ID|No|Nr|Key)")


def is_called_counter(name: str) -> bool:
    """Say whether a name is one that columns of row numbers and ids have."""
    return bool(_COUNTERS.fullmatch(name.strip().lower()) or _CAMEL.fullmatch(name.strip()))


def is_called_id(name: str) -> bool:
    """Say whether a name is one that columns have which name something by numbers."""
    return bool(
        _ID.fullmatch(name.strip().lower()) or re.fullmatch(r".*[a-z](Id|ID)", name.strip())
    )


def counts_rows(values: np.ndarray) -> bool:
    """Say whether whole numbers go up by 1 from row to row: (N,) float64 or NaN."""
    return len(values) > 2 and bool((np.diff(values) == 1).all()) and values[0] % 1 == 0


def is_id(name: str, values: np.ndarray) -> bool:
    """Say whether numbers seem to name rows: by the column's name, and since no two are equal."""
    if not is_called_counter(name) or np.isnan(values).any() or (values % 1).any():
        return False
    return len(np.unique(values)) == len(values) > 2


def counters(columns: Sequence[Column], values: np.ndarray) -> list[str]:
    """Return a sentence for each input (N, C) that is a row number, by its name and its cells."""
    return [
        f"column {column.name!r} counts the rows, and is an input; list it under data.ignore, or "
        "name it as data.id"
        for column, own in zip(columns, values.T, strict=True)
        if column.categories is None and is_called_counter(column.name) and counts_rows(own)
    ]


def in_row_order(columns: Sequence[Column], values: np.ndarray) -> list[str]:
    """Return a sentence for each input (N, C) that goes up by 1, and is not called a counter."""
    if len(values) < _FEWEST_ROWS:
        return []
    return [
        f"column {column.name!r} goes up by 1 from row to row, and is an input; if it only counts "
        "the rows, list it under data.ignore"
        for column, own in zip(columns, values.T, strict=True)
        if column.form.kind == "number" and column.categories is None
        if counts_rows(own) and not is_called_counter(column.name)
    ]


def sentinels(names: Sequence[str], values: Sequence[np.ndarray], rules: Rules) -> list[str]:
    """Return a sentence for each number that seems to stand for missing values in some columns."""
    found: dict[float, dict[str, int]] = {}
    for name, own in zip(names, values, strict=True):
        if rules.settled(name):
            continue
        step = max(len(own) // _MOST_ROWS, 1)
        number = sentinel(own[::step])
        if number is not None:
            found.setdefault(number, {})[name] = int((own == number).sum())
    sentences = []
    for number, counts in found.items():
        rows = [f"{count:,} of {name!r}" for name, count in list(counts.items())[:3]]
        more = f" and in {len(counts) - 3} more columns" if len(counts) > 3 else ""
        shown = text_of(number)
        option = inline({name: [shown] for name in counts})
        sentences.append(
            f"{shown} lies apart from all other values, in {', '.join(rows)} rows{more}; if it "
            f"means missing, write data.missing_values: {option}"
        )
    return sentences


def odd_classes(name: str, classes: Sequence[str], codes: np.ndarray, rules: Rules) -> list[str]:
    """Return a sentence on a class number that may mean a missing value: -1 below 0, 1, 2, …, or
    nines above them; of the rows' codes (N,) it says how many have it.
    """
    if rules.settled(name) or not all(
        re.fullmatch("-?(0|[1-9][0-9]*)", label) for label in classes
    ):
        return []
    numbers = np.array(sorted(map(int, classes)))
    low, *others, high = numbers if len(numbers) > 2 else (0, 0)
    odd = None
    if len(others) > 1 and low == -1 and others[0] >= 0:
        odd = low
    elif re.fullmatch("9+", str(high)) and others and high > others[-1] + 1 and low >= 0:
        odd = high
    if odd is None:
        return []
    count, option = (codes == list(classes).index(str(odd))).sum(), inline({name: [str(odd)]})
    return [
        f"column {name!r}: {odd} is a class, of {count:,} rows; if it means missing, write "
        f"data.missing_values: {option}"
    ]


def moments(columns: Sequence[Column], values: np.ndarray) -> list[str]:
    """Return a sentence for each input (N, C) of numbers that may be moments: seconds or
    milliseconds since 1970, or the days of a spreadsheet, by its name or as none precedes another.
    """
    sentences = []
    for column, own in zip(columns, values.T, strict=True):
        if column.categories is not None or column.form.kind != "number":
            continue
        for words, unit, zero in _CLOCKS:
            if not _FIRST <= (own[0] - zero) * unit <= _LAST:
                continue
            first, last = ((end - zero) * unit for end in (own.min(), own.max()))
            is_sorted = (np.diff(own) >= 0).all() and len(np.unique(own[:99])) > 5
            is_likely = is_sorted or _DATED.search(column.name.lower())
            is_odd = first == last or last > _LAST or (unit > 1 and (own % 1).any())
            if is_likely and first >= _FIRST and not is_odd:
                sentences.append(
                    f"column {column.name!r} holds numbers that may be {words}, from "
                    f"{date_of(first)} to {date_of(last)}, and is an input as it is; data.time: "
                    f"{column.name} lets the past predict the future"
                )
    return sentences


def odd_dates(names: Sequence[str], values: Sequence[np.ndarray]) -> list[str]:
    """Return a sentence for each column of dates (N,) of which one seems to mean a missing date."""
    sentences = []
    for name, own in zip(names, values, strict=True):
        date = odd_end(own)
        if date is not None:
            sentences.append(
                f"the date {date_of(date)} lies apart from all others, in {(own == date).sum():,} "
                f"rows of {name!r}; if it means missing, list it, as the file has it, under "
                "data.missing_values"
            )
    return sentences


def giveaways(
    columns: Sequence[Column], values: np.ndarray, target: str, known: np.ndarray
) -> list[str]:
    """Return a sentence for each column that alone tells the target (N,), classes or numbers."""
    if len(known) < _FEWEST_ROWS:
        return []
    step = max(len(values) // _MOST_ROWS, 1)
    values, known = values[::step], known[::step]
    sentences = []
    for place, column in enumerate(columns):
        own, are_codes = values[:, place], column.categories is not None
        share = max(
            _explained(own, known, are_codes=are_codes),
            _explained(np.isnan(own).astype(np.float64), known, are_codes=True),
        )
        if share >= (_GIVES_CLASS_AWAY if known.dtype.kind == "i" else _GIVES_AWAY):
            percent = f"{100 * share:.1f}".removesuffix(".0")
            sentences.append(
                f"column {column.name!r} alone tells {percent} % of {target!r}; if it is known "
                "only after it, or made from it, list it under data.ignore"
            )
    return sentences


def _explained(own: np.ndarray, known: np.ndarray, *, are_codes: bool) -> float:
    """Return the share that a column explains: of errors of the most frequent class, or of the
    variance of numbers; codes are grouped, numbers are compared in their order."""
    if known.dtype.kind == "i":
        return _explained_classes(own, known, are_codes=are_codes)
    total = np.var(known)
    if total == 0:
        return 0.0
    if are_codes:
        groups, sizes = _groups(own)
        if len(sizes) * _ROWS_PER_GROUP > len(known):
            return 0.0
        means = np.bincount(groups, known) / sizes
        return float(np.var(means[groups]) / total)
    present = ~np.isnan(own)
    if present.mean() < 0.9 or np.ptp(own[present]) == 0:
        return 0.0
    return float(np.corrcoef(own[present], known[present])[0, 1] ** 2)


def _explained_classes(own: np.ndarray, known: np.ndarray, *, are_codes: bool) -> float:
    count, majority = len(known), np.bincount(known).max()
    if majority == count:
        return 0.0
    groups, sizes = _groups(own)
    right = 0
    if len(sizes) * _ROWS_PER_GROUP <= count:
        pairs = np.zeros((len(sizes), known.max() + 1))
        np.add.at(pairs, (groups, known), 1)
        right = pairs.max(1).sum()
    elif not are_codes and not np.isnan(own).any():
        in_order = known[np.lexsort((known, own))]
        is_parted = np.count_nonzero(np.diff(in_order)) + 1 == len(np.unique(known))
        right = count if is_parted else 0
    return float((right - majority) / (count - majority))


def _groups(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of each row's group, missing values being one, and the groups' sizes."""
    _, groups, sizes = np.unique(
        np.nan_to_num(values, nan=-1e300), return_inverse=True, return_counts=True
    )
    return groups, sizes
