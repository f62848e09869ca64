"""The picture of variances: what it shows, and that it can be read at depth 50."""

import numpy as np

from dlx.diagnose.inspection import inspect
from dlx.report.inspection import draw
from tests.diagnose.conftest import MakeJob


def test_the_picture_shows_both_lines_of_fifty_layers(job: MakeJob) -> None:
    inspected = inspect(job(data="xor", hidden=[10] * 49, activation="tanh"))
    figure = draw(inspected)
    for axes, quantity in zip(figure.axes, ("variance", "gradient"), strict=True):
        assert axes.get_yscale() == "log"
        lines = {line.get_label(): line for line in axes.lines}
        for which in ("measured", "predicted"):
            expected = [layer[quantity][which] for layer in inspected["layers"]]
            assert np.asarray(lines[which].get_ydata()).tolist() == expected
        assert len(axes.get_xticks()) <= 12
        assert axes.get_xticklabels()[0].get_text() == "1"


def test_what_is_not_known_or_zero_is_left_out(job: MakeJob) -> None:
    figure = draw(inspect(job(data="xor", hidden=[3, 3], init="zeros")))
    activations, gradients = figure.axes
    assert len(activations.lines) == 0
    assert [np.size(line.get_ydata()) for line in gradients.lines] == [1, 1]
