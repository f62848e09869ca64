import numpy as np
import pytest

from dlx.report.ablation import numeric
from tests.report.ablation import made


def test_train_and_dev_lie_at_their_values_in_order() -> None:
    variants = made.grid(optimizer__lr=[1.0, 0.01, 0.1])
    runs = made.results(variants, 2, lambda s, seed: 0.9 + 0.01 * seed)
    entry = lambda mean: {"mean": mean, "low": mean - 0.01, "high": mean + 0.01}
    curve = {
        "key": "optimizer.lr",
        "label": "lr",
        "over": [""],
        "values": [1.0, 0.01, 0.1],
        "train": [entry(0.9), entry(0.7), entry(0.8)],
        "dev": [entry(0.5), entry(0.6), {"mean": None, "low": None, "high": None}],
    }
    summary = made.summary(variants, runs, curves_by_factor=[curve])
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


def test_there_is_none_without_a_number_that_varies() -> None:
    variants = made.grid(model__a=["x", "y"])
    runs = made.results(variants, 2, lambda s, seed: 0.9 + 0.01 * seed)
    assert numeric.draw(made.summary(variants, runs), runs) == []
