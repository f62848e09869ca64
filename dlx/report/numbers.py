"""Numbers as people read them: shares in percent, four digits of the rest."""

import math

# The metrics whose `scale` is "share", written out so that `dlx runs` need not import torch; a test
# compares them with the registry.
_SHARES = ("accuracy", "error", "balanced_accuracy", "success")
_WORTH = ("probe_accuracy", "fine_tuned_accuracy", "fine_tuned_error")


def is_share(name: str) -> bool:
    """Say whether a metric, by its tag, is a share of rows or runs: it is shown in percent."""
    return name in (*_SHARES, *_WORTH) or name.startswith("top_")


def format_metric(name: str, value: float | None) -> str:
    """Return a metric in four digits, a share of rows in percent."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{100 * value:.2f} %" if is_share(name) else f"{value:.4g}"
