"""Rows and classes that a run tells wrong, as the cells of a table."""

from collections.abc import Mapping, Sequence
from typing import Any

_MOST_INPUTS = 6  # columns
_OWN = ("part", "row", "file", "target", "predicted", "likely", "p")


def mistakes_table(listed: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]], str]:
    """Return headings, rows and the alignment of columns, of one list of `dlx.api.mistakes`.

    Of the inputs that have names the first six are shown.
    """
    names = list(listed[0])
    inputs = [name for name in names if name not in _OWN] if "part" in names else []
    names = [name for name in names if name not in inputs[_MOST_INPUTS:]]
    rows = [[_cell(name, row[name]) for name in names] for row in listed]
    right = "".join(" " if isinstance(listed[0][name], str) else "r" for name in names)
    return [name.replace("_", " ") for name in names], rows, right


def _cell(name: str, value: Any) -> str:
    if name in ("p", "missed"):
        return f"{100 * value:.1f} %"
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else str(value)
