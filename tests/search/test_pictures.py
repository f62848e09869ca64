"""The pictures of a search."""

from typing import Any

import pytest

from dlx.report.search import pictures


def summary(accuracies: list[float], parameters: list[int], front: list[int]) -> dict[str, Any]:
    """Return a search of two objectives as summary.json has it, of which a picture is drawn."""
    trials = [
        {
            "number": number,
            "batch": 1,
            "state": "completed",
            "same_as": None,
            "values": [accuracy, float(size)],
            "measured": {"dev.accuracy": accuracy, "parameters": float(size)},
            "violations": {},
        }
        for number, (accuracy, size) in enumerate(zip(accuracies, parameters, strict=True), 1)
    ]
    return {
        "objectives": ["dev.accuracy", "parameters"],
        "rising": [True, False],
        "metric": "dev.accuracy",
        "trials": trials,
        "front": front,
        "best": {"number": front[0]},
    }


@pytest.fixture
def drawn() -> dict[str, Any]:
    accuracies = [0.95, *[0.94, 0.93] * 9, 0.1]
    known = summary(accuracies, [900, *[950] * 18, 100], [1, 20])
    return {one.name: one for one in [*pictures._front(known), *pictures._history(known)]}


def test_what_no_other_trial_beats_is_in_the_picture(drawn: dict[str, Any]) -> None:
    axes = drawn["front"].figure.axes[0]
    low, high = axes.get_ylim()
    points = [y for line in axes.lines if line.get_marker() == "o" for y in line.get_ydata()]
    assert len(points) == 20
    assert min(points) == pytest.approx(10)
    assert low < min(points) < max(points) < high
    assert pictures._AT_THE_EDGE in drawn["front"].caption


def test_numbers_of_trials_are_whole(drawn: dict[str, Any]) -> None:
    axes = drawn["history"].figure.axes[0]
    assert all(tick == round(tick) for tick in axes.get_xticks())
