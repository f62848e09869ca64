"""What the cells of a column look like: money and units, decimal commas, dates, sentinels.

Nothing is decided here: readers refuse, ask or say what is recognized, and options settle it.

# N rows
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dlx.data.tables.cells import Format, date_pattern, seconds_of

# Formats of dates as numbers, and the first and last number.
_DATED = (
    ("%Y%m%d", 18000101, 22001231),
    ("%Y%m", 180001, 220012),
    ("%Y%m%d%H%M", 18000101_0000, 22001231_2359),
    ("%Y%m%d%H%M%S", 18000101_000000, 22001231_235959),
)
_FEWEST_DATES = 10  # so many different numbers are dates, if each is one
_SAMPLE = 500  # texts that formats are tried on before all are
# (decimal, thousands), the plainest first
_SIGNS = (
    *((".", ""), (".", ","), (",", ""), (",", "."), (".", " "), (",", " "), (".", "'")),
    (",", "'"),
)
_CURRENCIES = (
    *("usd", "eur", "gbp", "krw", "jpy", "cny", "rmb", "chf", "inr", "cad", "aud", "brl", "sek"),
    *("nok", "dkk", "pln", "rub", "try", "mxn", "rs", "rs.", "rm", "rp", "kr", "kr.", "fr", "fr."),
)
_MULTIPLIERS = {"k": 1000, "K": 1000, "M": 10**6, "B": 10**9, "G": 10**9}
_BASES = ("g", "m", "s", "l", "L", "W", "Wh", "V", "A", "Hz", "J", "N", "Pa", "cal", "eV")
_PREFIXES = {"": 1, "k": 1000, "K": 1000, "M": 10**6, "G": 10**9, "d": 0.1, "c": 0.01, "m": 0.001}
_PREFIXES |= {"µ": 1e-6, "μ": 1e-6, "u": 1e-6, "n": 1e-9}
_CLOCK = {"min": 60, "h": 3600}  # in seconds
_LAST_DAY = 31  # of a month: larger numbers are none
_CELL = re.compile(
    r"[-+]?\s*(?:(?P<before>[^\d\s.,+-](?:[^\d,+-]*[^\d\s,+-])?)\s*)?[-+]?"
    r"(?P<number>[.,]?\d(?:[\d.,'\u2019\u00a0\u2009\u202f ]*\d)?(?:[eE][-+]?\d+)?)"
    r"\s*(?P<after>[^\d\s.,][^\d,]*[23]?)?"
)


@dataclass(frozen=True)
class NumberLook:
    """How numbers are written that Python would not read."""

    form: Format
    is_ambiguous: bool = False  # whether the comma may stand before decimals or between thousands

    @property
    def options(self) -> dict[str, Any]:
        """What `data.number` has to say to read them."""
        form, options = self.form, {}
        if form.decimal != ".":
            options["decimal"] = form.decimal
        if form.thousands:
            options["thousands"] = form.thousands
        if form.strip:
            options["strip"] = list(form.strip)
        if form.parentheses:
            options["parentheses"] = True
        if form.units:
            options["units"] = dict(form.units)
        if form.fractions:
            options["fractions"] = True
        return options

    @property
    def words(self) -> str:
        """What is special about them."""
        form = self.form
        words = ["decimal commas"] if form.decimal == "," else []
        if form.thousands:
            between = "blanks" if form.thousands == " " else repr(form.thousands)
            words.append(f"{between} between thousands")
        words += map(repr, form.strip)
        words += ["parentheses for a minus"] if form.parentheses else []
        factors = [f"{unit!r} as {factor:,}" for unit, factor in form.units.items() if unit]
        words += [f"several units ({', '.join(factors)})"] if factors else []
        words += ["fractions"] if form.fractions else []
        return ", ".join(words)


def number_look(texts: Sequence[str], commas: str = "") -> NumberLook | None:
    """Return how texts are written that all are numbers, but not as Python writes them, else None.

    A sign or unit is one that more than half of the numbers have. `commas` says what a comma is in
    other columns of the file: "decimal", "thousands" or "", not known.
    """
    texts = [text.strip().replace("\u2212", "-") for text in texts]
    if _are_fractions(texts):
        return NumberLook(Format(fractions=True))
    parentheses = any(text[:1] == "(" and text[-1:] == ")" for text in texts)
    bare = [re.sub(r"[()]", "", text) for text in texts] if parentheses else texts
    found = [match for text in bare if (match := _CELL.fullmatch(text))]
    if not texts or len(found) < len(texts):
        return None
    strip: list[str] = []
    units = _factors(found)
    for part in ("before",) if units else ("before", "after"):
        affixes = {(match[part] or "").strip() for match in found} - {""}
        nonzero = [match for match in found if re.search("[1-9]", match["number"])]
        share = sum(bool(match[part]) for match in nonzero)
        if len(affixes) > 1 or (affixes and 2 * share <= len(nonzero)):
            return None
        if not all(_is_currency(a) if part == "before" else _is_unit(a) for a in affixes):
            return None
        is_factor = affixes <= {*_MULTIPLIERS, "%", "‰"}
        if part == "after" and affixes and is_factor and share < len(nonzero):
            return None  # 5M beside 7, 50% beside 0.5
        strip += affixes
    base = Format(strip=tuple(dict.fromkeys(strip)), parentheses=parentheses, units=units)
    signs = [pair for pair in _SIGNS if pair[0] == ","] if commas == "decimal" else _SIGNS
    fitting = [pair for pair in signs if _fits(texts, _with_signs(base, *pair))]
    is_plain = base.is_plain and not any(re.search("[.,' \u00a0\u2009\u202f]", t) for t in texts)
    if not fitting or is_plain or (base.is_plain and fitting[0] == (".", "")):
        return None
    both = {(".", ","), (",", "")} <= set(fitting) and (".", "") not in fitting
    return NumberLook(_with_signs(base, *fitting[0]), both and not commas)


def _factors(cells: Sequence[re.Match[str]]) -> dict[str, float]:
    """Return what numbers are multiplied by, by the unit behind them; none: it is not beyond doubt.

    They are multiples (19M beside 19k and 201), or all of one unit with prefixes (5 kg, 300 g).
    """
    units = {cell["after"] or "" for cell in cells}
    if not 2 <= len(units) <= len(cells) / 2:
        return {}
    names = sorted(units)
    if units - {""} <= _MULTIPLIERS.keys():
        is_glued = all(cell.end("number") == cell.start("after") for cell in cells if cell["after"])
        is_clear = is_glued and (len(units - {""}) > 1 or units == {"", "k"})
        return {name: _MULTIPLIERS.get(name, 1) for name in names} if is_clear else {}
    for base in _BASES:
        factors = {prefix + base: factor for prefix, factor in _PREFIXES.items()}
        factors |= _CLOCK if base == "s" else {}
        if units <= factors.keys():
            return {name: factors[name] for name in names}
    return {}


def _are_fractions(texts: Sequence[str]) -> bool:
    """Say whether all texts are parts of a whole, such as 7/10, which cannot be days and months."""
    cells = [re.fullmatch(r"(0|[1-9]\d{0,2}) ?/ ?([1-9]\d{0,2})", text) for text in texts]
    pairs = {(int(cell[1]), int(cell[2])) for cell in cells if cell}
    if not all(cells) or len(pairs) < 2 or any(over > under for over, under in pairs):
        return False
    wholes = {under for _, under in pairs}
    return max(wholes) > _LAST_DAY or wholes in ({5}, {10})


def several_units(texts: Sequence[str]) -> list[str]:
    """Return the units of texts that all are numbers with a unit; none: it is the same."""
    cells = [_CELL.fullmatch(text.strip()) for text in texts]
    pairs = {(cell["before"] or "", (cell["after"] or "").strip()) for cell in cells if cell}
    if not all(cells) or len(pairs) < 2 or ("", "") in pairs:
        return []
    units = sorted({"".join(pair).strip() for pair in pairs})
    return units if all(map(_is_unit, units)) and len(units) * 2 <= len(texts) else []


def _with_signs(base: Format, decimal: str, thousands: str) -> Format:
    return replace(base, decimal=decimal, thousands=thousands)


def _fits(texts: Sequence[str], form: Format) -> bool:
    return all(form.number(text) is not None for text in texts)


def _is_currency(affix: str) -> bool:
    is_symbol = unicodedata.category(affix[-1]) == "Sc" and len(affix) <= 3
    return is_symbol or affix.lower() in _CURRENCIES


def _is_unit(affix: str) -> bool:
    return len(affix) <= 12 and not re.search(r"[<>≤≥~#?:;()_/-]$|^[-:;/_]", affix)


# Parts of formats; each order is one reading of the same texts.
_DATES = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y. %m. %d.", "%Y. %m. %d", "%Y년 %m월 %d일"),
    *("%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%Y", "%d. %m. %Y"),
    *("%d/%m/%y", "%m/%d/%y", "%y/%m/%d", "%d-%m-%y", "%m-%d-%y", "%y-%m-%d"),
    *("%d.%m.%y", "%y.%m.%d", "%y. %m. %d.", "'%y. %m. %d.", "%y년 %m월 %d일"),
    *("%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d %b %y", "%d. %b %Y", "%d/%b/%Y", "%d%b%Y"),
    *("%b %d, %Y", "%b %d %Y", "%b-%d-%Y", "%Y-%b-%d", "%Y %b %d", "%a, %d %b %Y"),
    *("%a %d %b %Y", "%a %b %d %Y", "%a, %b %d, %Y", "%Y-%m", "%Y/%m", "%Y년 %m월"),
    *("%Y年%m月%d日", "%Y年%m月"),
    *("%b-%Y", "%b-%y", "%b %Y", "%m/%Y", "%Y%m%d", "%d de %b de %Y", "%a, %d. %b %Y"),
    *("%Y-%m-%d (%a)", "%Y/%m/%d (%a)", "%Y.%m.%d (%a)", "%Y. %m. %d. (%a)"),
    *("%Y년 %m월 %d일 (%a)", "%Y년 %m월 %d일 %a", "%G-W%V", "%GW%V", "%G-W%V-%u"),
    *("%Y-Q%q", "%YQ%q", "%Y Q%q", "Q%q %Y", "Q%q-%Y", "%qQ%Y", "%Y년 %q분기", "%Y %q분기"),
)
_TIMES = (
    *("", " %H:%M", " %H:%M:%S", "T%H:%M", "T%H:%M:%S", " %H:%M:%S.%f", "T%H:%M:%S.%f"),
    *(" %I:%M %p", " %I:%M:%S %p", " %p %I:%M", " %p %I:%M:%S", ", %I:%M %p", ", %H:%M"),
    *(" %H시 %M분", " %H시", "T%H:%M:%S%z", " %H:%M:%S%z", "T%H:%M:%S.%f%z", "T%H:%M%z"),
    *(":%H:%M:%S", " %H.%M", " %H.%M.%S", "T%H%M", "T%H%M%S", "T%H%M%S%z", " %H%M", " %H%M%S"),
)
Formats = tuple[str, ...]


def date_looks(texts: Sequence[str]) -> list[Formats]:
    """Return the formats of each way in which all texts are dates; several: it cannot be known.

    Ways that give the same dates count once. Numbers are no dates, but for eight digits in texts.
    """
    step = max(len(texts) // _SAMPLE, 1)
    looks = _looks(texts[::step], _DATES)
    if step > 1 and len(looks) > 1:
        looks = _looks(texts, [look[0] for look in looks])
    different: dict[tuple[float | None, ...], Formats] = {}
    for formats in looks.values():
        some = tuple(_seconds(text, formats) for text in texts[::step])
        different.setdefault(some, formats)
    return list(different.values())


def several_dates(texts: Sequence[str]) -> Formats:
    """Return up to three formats which together read all texts as dates; none: there are none."""
    rest, formats = list(texts[:: max(len(texts) // _SAMPLE, 1)]), []
    while rest and len(formats) < 3:
        fitting = [date + time for date in _DATES if _begins(rest[0], date) for time in _TIMES]
        fitting = [form for form in fitting if seconds_of(rest[0], form) is not None]
        if not fitting:
            return ()
        best = max(fitting, key=lambda form: sum(seconds_of(t, form) is not None for t in rest))
        formats.append(best)
        rest = [text for text in rest if seconds_of(text, best) is None]
    return () if rest else tuple(formats)


def odd_date(texts: Sequence[str]) -> str | None:
    """Return a text that is no date among texts of which nine in ten are, if they are not all."""
    some = texts[:: max(len(texts) // _SAMPLE, 1)]
    for date in _DATES:
        wrong = [text for text in some if not _begins(text, date)]
        if 10 * len(wrong) <= len(some) and len(some) > 2:
            formats = [date + time for time in _TIMES]
            return next((text for text in texts if _seconds(text, formats) is None), None)
    return None


def _begins(text: str, date: str) -> bool:
    """Say whether a text is a date of a format, with a time or nothing behind it."""
    match = date_pattern(date).match(text.strip())
    return match is not None and not re.match(r"\d|[./-]\d", text.strip()[match.end() :])


def _looks(texts: Sequence[str], dates: Sequence[str]) -> dict[str, Formats]:
    looks = {}
    for date in dates:
        if not texts or not _begins(texts[0], date):
            continue  # most of the time: what follows tries all times behind it
        formats: list[str] = []
        for text in texts:
            if _seconds(text, formats) is None:
                more = (date + time for time in _TIMES)
                form = next((form for form in more if seconds_of(text, form) is not None), None)
                if form is None:
                    break
                formats.append(form)
        else:
            if formats:
                looks[date] = tuple(formats)
    return looks


def _seconds(text: str, formats: Sequence[str]) -> float | None:
    return next((s for form in formats if (s := seconds_of(text, form)) is not None), None)


def dated_numbers(values: np.ndarray) -> str | None:
    """Return a format such as %Y%m%d if numbers (N,) seem to be dates of it, else None."""
    if not len(values) or np.isnan(first := np.fmin.reduce(values)):
        return None
    last = np.fmax.reduce(values)
    form = next((form for form, low, high in _DATED if low <= first and last <= high), None)
    if form is None:  # most columns: to sort a million numbers takes longer
        return None
    distinct = np.unique(values[~np.isnan(values)])
    if len(distinct) < _FEWEST_DATES or (distinct % 1).any():
        return None
    texts = [str(int(number)) for number in distinct[:: max(len(distinct) // _SAMPLE, 1)]]
    return form if all(seconds_of(text, form) is not None for text in texts) else None


def odd_end(seconds: np.ndarray) -> float | None:
    """Return a repeated first or last date far from all others: (N,) float64 or NaN; else None."""
    present, counts = np.unique(seconds[~np.isnan(seconds)], return_counts=True)
    if len(present) < 4:
        return None
    if counts[0] > 1 and _is_far(present[1] - present[0], present[1:]):
        return float(present[0])
    is_late = counts[-1] > 1 and _is_far(present[-1] - present[-2], present[:-1])
    return float(present[-1]) if is_late else None


def sentinel(values: np.ndarray) -> float | None:
    """Return a number that seems to stand for a missing value: (N,) float64 or NaN; else None.

    It is a repeated extreme far from the others: -1, -200 or nines below zero where nothing else is
    negative; nines above all others by more than their range; 0 where the others do not come near.
    """
    present, counts = np.unique(values[~np.isnan(values)], return_counts=True)
    if len(present) < 4:
        return None
    low, high = present[0], present[-1]
    if low < 0 <= present[1] and counts[0] > 1 and (low in (-1, -200) or _is_nines(-low)):
        return float(low)
    if low < 0 and counts[0] > 1 and _is_far(present[1] - low, present[1:]) and _is_nines(-low):
        return float(low)
    if _is_nines(high) and counts[-1] > 1 and _is_far(high - present[-2], present[:-1]):
        return float(high)
    others = present[1:]
    is_apart = low == 0 and others[0] > 0.2 * np.median(others) and others[0] > 1
    share = counts[0] / counts.sum()
    dense = len(others) >= 20 and counts[0] > 2 * counts[1:].mean()
    return 0.0 if is_apart and dense and share < 0.5 else None


def _is_far(gap: float, others: np.ndarray) -> bool:
    return gap > others[-1] - others[0]


def _is_nines(value: float) -> bool:
    """Say whether a number is 9, 99, 999, … or these with decimals of nines, or -200's kin."""
    return bool(re.fullmatch(r"9+(\.(0|9+|25))?|(2|7|8)0+\.0", repr(float(value)))) and value >= 9
