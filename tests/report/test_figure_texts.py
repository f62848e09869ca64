"""Texts of figures are plain: nothing of a formula's notation is seen."""

import warnings

import numpy as np
import pytest
from matplotlib.figure import Figure

from dlx.report.figures import encoded, log_scale, plain_texts, short
from dlx.report.run.pictures import confusion_figure


def ticks(low: float, high: float) -> list[str]:
    figure = Figure()
    axes = figure.add_subplot()
    with plain_texts():
        axes.plot([1, 2], [low, high])
        log_scale(axes, "y")
        axes.set_ylim(low, high)
        encoded(figure)
        labels = [*axes.get_yticklabels(), *axes.get_yticklabels(minor=True)]
        own = [t for t in labels if low <= t.get_position()[1] <= high]
        return [text.get_text() for text in own if text.get_text()]


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (1e-7, 1e-3, ["1e-07", "1e-06", "1e-05", "0.0001", "0.001"]),
        (0.05, 300, ["0.1", "1", "10", "100"]),
        (1.5, 6, ["2", "5"]),
    ],
)
def test_a_logarithmic_axis_has_plain_numbers(low: float, high: float, shown: list[str]) -> None:
    assert ticks(low, high) == shown


def test_a_character_without_a_glyph_is_a_box_and_no_remark() -> None:
    with plain_texts():
        figure = Figure()
        figure.text(0, 0, "\ufdfd $\\frac$")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoded(figure)  # after `plain_texts`, as a page does it


def test_long_names_leave_room_for_what_is_drawn() -> None:
    names = ("x" * 5000, "x" * 4999 + "y", "short")
    shown = short(names)
    assert len({*shown}) == 3 and shown[2] == "short" and max(map(len, shown)) < 60
    figure = confusion_figure(np.eye(3, dtype=int), names)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoded(figure)
    assert figure.axes[0].get_position().width > 0.3
