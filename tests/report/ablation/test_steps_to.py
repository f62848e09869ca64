from dataclasses import replace

import numpy as np

from dlx.report.ablation import steps_to, style
from tests.report.ablation import synthetic
from tests.report.ablation.conftest import Synthetic


def test_the_share_of_all_runs_rises_when_one_arrives_and_never_falls(two: Synthetic) -> None:
    summary, runs = two
    arrived = iter([300, None, 100, 200])
    runs = [
        replace(run, steps_to={"dev.accuracy": next(arrived)})
        if run.variant == "activation=relu"
        else run
        for run in runs
    ]
    (drawing,) = steps_to.draw(summary, runs)
    (axes,) = drawing.figure.axes
    line = axes.lines[1]
    np.testing.assert_array_equal(np.asarray(line.get_xdata()), [0, 100, 200, 300, 1000])
    np.testing.assert_array_equal(np.asarray(line.get_ydata()), [0, 25, 50, 75, 75])
    assert drawing.title == "Steps to a dev accuracy of 88.00 %"


def test_many_variants_have_panels_with_the_others_in_grey() -> None:
    variants = synthetic.grid(model__a=["x", "y", "z"], model__b=["p", "q", "r"])
    runs = synthetic.results(variants, 2, lambda s, seed: 0.9, points=5, threshold=0.5)
    (drawing,) = steps_to.draw(synthetic.summary(variants, runs, steps_to=0.5), runs)
    for axes in drawing.figure.axes:
        grey = [line for line in axes.lines if line.get_color() == style.FAINT]
        assert (len(grey), len(axes.lines)) == (6, 9)


def test_there_is_none_where_no_run_arrived(two: Synthetic) -> None:
    summary, runs = two
    never = [replace(run, steps_to={"dev.accuracy": None}) for run in runs]
    assert steps_to.draw(summary, never) == []
