import numpy as np
import pytest

from dlx.report.ablation import numeric
from tests.report.ablation import synthetic


def test_train_and_dev_lie_at_their_values_in_order() -> None:
    variants = synthetic.grid(optimizer__lr=[1.0, 0.01, 0.1])
    runs = synthetic.results(variants, 2, lambda s, seed: 0.9 + 0.01 * seed)
    entry = lambda mean: {"mean": mean, "low": mean - 0.01, "high": mean + 0.01}
    curve = {
        "key": "optimizer.lr",
        "label": "lr",
        "over": [""],
        "lines": [],
        "values": [1.0, 0.01, 0.1],
        "train": [entry(0.9), entry(0.7), entry(0.8)],
        "dev": [entry(0.5), entry(0.6), {"mean": None, "low": None, "high": None}],
    }
    summary = synthetic.summary(variants, runs, curves_by_factor=[curve])
    (drawing,) = numeric.draw(summary, runs)
    (axes,) = drawing.figure.axes
    train, dev = axes.lines
    assert axes.get_xscale() == "log"
    np.testing.assert_allclose(np.asarray(train.get_xdata()), [0.01, 0.1, 1.0])
    np.testing.assert_allclose(np.asarray(train.get_ydata()), [70, 80, 90])
    np.testing.assert_allclose(np.asarray(dev.get_ydata()), [60, np.nan, 50])
    band = np.asarray(axes.collections[0].get_paths()[0].vertices)
    assert band[:, 1].min() == pytest.approx(69) and band[:, 1].max() == pytest.approx(91)
    assert {"train", "dev", "lr"} <= {text.get_text() for text in axes.texts}


def test_each_setting_of_the_other_factors_has_a_panel_of_the_same_height() -> None:
    variants = synthetic.grid(model__a=["x", "y"], optimizer__lr=[0.01, 0.1])
    runs = synthetic.results(variants, 2, lambda s, seed: 0.9 + 0.01 * seed)
    entry = lambda mean: {"mean": mean, "low": mean - 0.01, "high": mean + 0.01}
    points = lambda *means: {"train": [*map(entry, means)], "dev": [*map(entry, means)]}
    lines = [{"settings": "a=x", **points(0.9, 0.8)}, {"settings": "a=y", **points(0.5, 0.4)}]
    curve = {"key": "optimizer.lr", "label": "lr", "values": [0.01, 0.1], **points(0.7, 0.6)}
    curve |= {"over": ["a=x", "a=y"], "lines": lines}
    whole, apart = numeric.draw(synthetic.summary(variants, runs, curves_by_factor=[curve]), runs)
    assert (whole.name, apart.name) == ("numeric", "numeric_optimizer.lr")
    assert apart.title == "Train and dev against lr, setting by setting"
    left, right = apart.figure.axes
    for axes, means in ((left, [90, 80]), (right, [50, 40])):
        np.testing.assert_allclose(np.asarray(axes.lines[0].get_ydata()), means)
    assert left.get_ylim() == right.get_ylim()
    assert left.get_ylim()[0] < 40 and left.get_ylim()[1] > 90


def test_there_is_none_without_a_number_that_varies() -> None:
    variants = synthetic.grid(model__a=["x", "y"])
    runs = synthetic.results(variants, 2, lambda s, seed: 0.9 + 0.01 * seed)
    assert numeric.draw(synthetic.summary(variants, runs), runs) == []
