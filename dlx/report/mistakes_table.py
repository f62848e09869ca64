"""Rows and classes that a run tells wrong, as the cells of a table."""

from collections.abc import Mapping, Sequence
from typing import Any

_MOST_INPUTS = 6  # columns
_OWN = ("part", "row", "file", "target", "predicted", "likely", "p")
_OF_NUMBERS = ("target_", "predicted_")  # columns of several numbers


def mistakes_table(listed: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]], str]:
    """Return headings, rows and the alignment of columns, of one list of `dlx.api.mistakes`.

    Of the inputs that have names the first six come last.
    """
    names = list(listed[0])
    if "part" in names:
        inputs = [name for name in names if name not in _OWN and not name.startswith(_OF_NUMBERS)]
        names = [name for name in names if name not in inputs] + inputs[:_MOST_INPUTS]
    rows = [[_cell(name, row[name]) for name in names] for row in listed]
    right = "".join(" " if isinstance(listed[0][name], str) else "r" for name in names)
    return [name.replace("_", " ") for name in names], rows, right


def _cell(name: str, value: Any) -> str:
    if name in ("p", "missed"):
        return f"{100 * value:.1f} %"
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else str(value)
