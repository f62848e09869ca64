from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes

from dlx.ablation.bands import within_range
from dlx.ablation.results import Curve
from dlx.ablation.statistics.intervals import mean_interval
from dlx.report.ablation import curves
from tests.report.ablation import synthetic
from tests.report.ablation.conftest import Synthetic


def line_of(axes: Axes, variant: str) -> tuple[np.ndarray, np.ndarray]:
    line = next(line for line in axes.lines if line.get_label() == variant)
    return np.asarray(line.get_xdata()), np.asarray(line.get_ydata())


def test_train_dev_and_its_second_half_of_the_metric_and_the_cost(two: Synthetic) -> None:
    (drawing,) = curves.draw(*two)
    titles = [axes.texts[0].get_text() for axes in drawing.figure.axes]
    assert titles == [
        "train accuracy (%)",
        "dev accuracy (%)",
        "dev accuracy (%), second half",
        "train cost",
        "dev cost",
        "dev cost, second half",
    ]
    _, dev, near, *_ = drawing.figure.axes
    runs = [run for run in two[1] if run.variant == "activation=relu"]
    mean = 100 * np.mean([run.curve.of("dev.accuracy") for run in runs], 0)
    x, y = line_of(dev, "activation=relu")
    np.testing.assert_allclose(y, mean)
    assert tuple(x) == runs[0].curve.steps
    assert near.get_xlim() == (500, 1000)
    assert near.get_ylim()[0] > dev.get_ylim()[0]
    labels = [text.get_text() for text in near.texts]
    assert "activation=relu" in labels and "activation=sigmoid" in labels


def test_a_band_is_the_interval_of_the_mean(two: Synthetic) -> None:
    (drawing,) = curves.draw(*two)
    dev = drawing.figure.axes[1]
    runs = [run for run in two[1] if run.variant == "activation=sigmoid"]
    last = mean_interval([run.curve.of("dev.accuracy")[-1] for run in runs])
    ends = np.asarray(dev.collections[0].get_paths()[0].vertices)
    at_last = ends[ends[:, 0] == 1000][:, 1]
    low, high = within_range(np.array([last.mean]), np.array([last.high - last.mean]), 1.0)
    assert at_last.min() == pytest.approx(100 * low[0])
    assert at_last.max() == pytest.approx(100 * high[0]) and high[0] < 1


def test_diverged_runs_are_left_out_and_said_to_be(lossy: Synthetic) -> None:
    summary, runs = lossy
    wild = [
        run
        if run.is_scored
        else replace(run, curve=Curve((0, 10), {"dev": {"accuracy": (0.1, 1e9)}}))
        for run in runs
    ]
    (drawing,) = curves.draw(summary, wild)
    assert drawing.figure.axes[1].get_ylim()[1] < 110
    assert "left out" in drawing.caption
    labels = {text.get_text().replace("\n", " ") for text in drawing.figure.axes[2].texts}
    assert "lr=1.0 activation=tanh (3 of 6 lost)" in labels


def test_a_curve_is_dotted_from_where_runs_have_stopped() -> None:
    variants = synthetic.grid(model__activation=["relu"])
    runs = synthetic.results(variants, 4, lambda s, seed: 0.9, points=11)
    short = Curve(
        runs[0].curve.steps[:6], {"dev": {"accuracy": runs[0].curve.of("dev.accuracy")[:6]}}
    )
    runs[0] = replace(runs[0], curve=short, status="stopped_early")
    (drawing,) = curves.draw(synthetic.summary(variants, runs), runs)
    dev = next(a for a in drawing.figure.axes if a.texts[0].get_text() == "dev accuracy (%)")
    solid, dotted = dev.lines
    assert tuple(np.asarray(solid.get_xdata())) == (0, 100, 200, 300, 400, 500)
    assert dotted.get_linestyle() == ":" and max(np.asarray(dotted.get_xdata())) == 1000
    assert "Dotted" in drawing.caption


def test_many_variants_are_panels_with_the_others_in_grey() -> None:
    variants = synthetic.grid(model__activation=["a", "b", "c"], model__init=["x", "y", "z"])
    runs = synthetic.results(variants, 2, lambda s, seed: 0.9 + 0.01 * seed, points=5)
    train, dev = curves.draw(synthetic.summary(variants, runs), runs)
    assert (train.name, dev.name) == ("curves_train_accuracy", "curves_dev_accuracy")
    assert len(dev.figure.axes) == 3
    for axes in dev.figure.axes:
        assert len(axes.lines) == 3
        grey = [c for c in axes.collections if type(c).__name__ == "LineCollection"]
        assert len(grey) == 1 and len(grey[0].get_segments()) == 6  # type: ignore[attr-defined]


def test_a_cost_that_spans_decades_has_a_logarithmic_axis() -> None:
    variants = synthetic.grid(model__activation=["relu", "tanh"])
    runs = synthetic.results(variants, 2, lambda s, seed: 0.9, points=5)
    runs = [
        replace(r, curve=Curve((0, 50, 100), {"dev": {"cost": (10.0, 1.0, 0.01)}})) for r in runs
    ]
    (drawing,) = curves.draw(synthetic.summary(variants, runs, metric="dev.cost"), runs)
    assert drawing.figure.axes[0].get_yscale() == "log"


def test_there_are_none_without_evaluations(two: Synthetic) -> None:
    summary, runs = two
    assert curves.draw(summary, [replace(run, curve=Curve((), {})) for run in runs]) == []


def test_a_share_s_axis_ends_at_100_percent_though_its_interval_does_not() -> None:
    variants = synthetic.grid(model__activation=["relu", "tanh"])
    runs = synthetic.results(variants, 4, lambda s, seed: 1.0 if seed else 0.5, points=5)
    (drawing,) = curves.draw(synthetic.summary(variants, runs), runs)
    assert drawing.figure.axes[2].get_ylim()[1] == 102


def test_a_variant_that_learns_nothing_does_not_press_the_others_together() -> None:
    variants = synthetic.grid(model__activation=["a", "b", "c"], model__init=["x", "y", "zeros"])
    runs = synthetic.results(
        variants,
        2,
        lambda s, seed: 0.1 if s == {"model.activation": "a", "model.init": "zeros"} else 0.95,
        points=4,
    )
    _, dev = curves.draw(synthetic.summary(variants, runs), runs)
    assert all(axes.get_ylim()[0] > 20 for axes in dev.figure.axes)
    assert "mostly outside of the axes: activation=a init=zeros (10 %)" in dev.caption
