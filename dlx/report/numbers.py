"""Metrics in text: shares in percent, other values with four digits."""

import math

# The metrics whose `scale` is "share", repeated here since `dlx runs` does not import torch; a test
# compares them with the registry.
_SHARES = ("accuracy", "error", "balanced_accuracy", "success")
_WORTH = ("probe_accuracy", "fine_tuned_accuracy", "fine_tuned_error")


def is_share(name: str) -> bool:
    """Return whether a metric, by its tag, is a share of rows or runs, shown in percent."""
    return name in (*_SHARES, *_WORTH) or name.startswith("top_")


def format_metric(name: str, value: float | None) -> str:
    """Return a metric's value with four digits, a share in percent, and a dash for no value."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{100 * value:.2f} %" if is_share(name) else f"{value:.4g}"
