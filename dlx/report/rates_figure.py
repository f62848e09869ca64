"""The loss after some steps against the learning rate, as a picture."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dlx.report.ablation import style
from dlx.report.ablation.style import BLUE, GREY, INK, SMALL, VERMILLION
from dlx.report.figures import log_scale, plain_texts

_LEFT, _TOP, _WIDTH, _HEIGHT = 0.85, 0.45, 8.3, 3.6  # inches
_DIVERGED = 0.955  # where crosses stand, as a share of the panel's height
_ABOVE = 3.0  # times the start: higher costs leave the picture


@plain_texts()
def draw(scan: Mapping[str, Any]) -> Any:
    """Return a figure of what `RateScan.document` returned.

    A dot is a run, the line their mean; runs that diverged, and those far above the start, are
    crosses at the upper edge.
    """
    figure = style.sheet(_TOP + _HEIGHT + 0.65)
    axes = style.panel(figure, _LEFT, _TOP, _WIDTH, _HEIGHT)
    style.heading(
        axes,
        f"{scan['name']}: training cost after {scan['steps']:,} steps of {scan['optimizer']}, "
        f"{len(scan['seeds'])} seeds",
    )
    rates = np.array([rate["lr"] for rate in scan["rates"]])
    costs = np.array([rate["costs"] for rate in scan["rates"]], float)  # None becomes NaN
    start = scan["start"]
    is_drawn = costs <= start + (_ABOVE - 1) * abs(start)  # NaN is not
    shown = np.where(is_drawn, costs, np.nan)
    means = shown.mean(1)  # NaN where a run left the picture
    log_scale(axes, "x")
    axes.set_xlim(rates[0] / 1.3, rates[-1] * 1.3)
    spread = np.repeat(rates, costs.shape[1])
    axes.plot(spread, shown.ravel(), "o", color=BLUE, alpha=0.35, markersize=3.5, linewidth=0)
    axes.plot(rates, means, color=BLUE, linewidth=1.6, label="mean over seeds")
    axes.axhline(start, color=GREY, linestyle="--", linewidth=1, label="before the first step")
    drawn = [*shown[np.isfinite(shown)], start]
    lowest, highest = min(drawn), max(drawn)
    if lowest > 0 and highest > 20 * lowest:
        log_scale(axes, "y")
        axes.set_ylim(lowest / 1.5, highest * (highest / lowest) ** 0.15)
    else:
        room = max(highest - lowest, 1e-9)
        axes.set_ylim(lowest - 0.06 * room, highest + 0.14 * room)
    lost = rates[~is_drawn.all(1)]
    if len(lost):
        places = np.full(len(lost), _DIVERGED)
        axes.plot(
            lost,
            places,
            "x",
            color=VERMILLION,
            transform=axes.get_xaxis_transform(),
            label="a run diverged, or its cost tripled",
        )
    for key, color, words in (
        ("largest_safe", INK, "largest safe"),
        ("suggested", "#009e73", "suggested"),
    ):
        if scan[key] is not None:
            axes.axvline(scan[key], color=color, linewidth=1.2, label=f"{words}: {scan[key]:.3g}")
    axes.axvline(scan["current"], color=GREY, linestyle=":", label=f"config: {scan['current']:.3g}")
    axes.legend(fontsize=SMALL, loc="lower left", framealpha=0.9)
    axes.set_ylabel("training cost", fontsize=style.NORMAL)
    style.label_below(axes, "learning rate")
    return figure
