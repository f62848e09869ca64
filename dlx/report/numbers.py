"""Metrics in text: shares in percent, other values with four digits."""

import math
from collections.abc import Mapping


def is_share(name: str) -> bool:
    """Return whether a metric, by its tag, is a share of rows or runs, shown in percent."""
    from dlx.nn.metrics import scale_of  # imports torch, but for commands that compute nothing

    return scale_of(name) == "share"


def format_metric(name: str, value: float | None) -> str:
    """Return a metric's value with four digits, a share in percent, and a dash for no value."""
    from dlx.nn.metrics import unit_of

    if value is None or not math.isfinite(value):
        return "–"
    return f"{100 * value:.2f} %" if is_share(name) else f"{value:.4g} {unit_of(name)}".rstrip()


def metrics_rows(metrics: Mapping[str, Mapping[str, float]]) -> tuple[list[str], list[list[str]]]:
    """Return headings and rows of a table of metrics by row and name; empty without metrics."""
    names = list(dict.fromkeys(name for own in metrics.values() for name in own))
    rows = [
        [row, *(format_metric(name, own.get(name)) for name in names)]
        for row, own in metrics.items()
    ]
    return ["", *names], rows
