"""The table of predictions: its columns beside the user's."""

from dataclasses import replace

import numpy as np

from dlx.data.dataset import Task
from dlx.report.predictions import Context, tabulate
from tests.cohorts import head

NUMBERS = np.array([[1.5], [2.5]])


def test_an_input_that_is_called_like_another_column_keeps_its_values() -> None:
    task = Task("regression", 4, 1, None, (4,))
    names = ("predicted", "area", "row", "input(row)", "target")
    inputs = {name: [f"{name} 1", f"{name} 2"] for name in names}
    context = Context(np.array([2, 3]), 10 * NUMBERS, inputs)
    table = tabulate(task, head("regression", 1), NUMBERS, context)
    assert table.columns == (
        *("row", "input(predicted)", "area", "input(row)", "input(input(row))", "input(target)"),
        *("target", "predicted"),
    )
    first = ["predicted 1", "area 1", "row 1", "input(row) 1", "target 1"]
    assert table.rows[0] == [2, *first, 15.0, 1.5]
    without = tabulate(task, head("regression", 1), NUMBERS, replace(context, targets=None))
    assert without.columns[-2:] == ("target", "predicted")
    assert without.rows[1][-2:] == ["target 2", 2.5]


def test_an_input_that_is_called_like_a_probability() -> None:
    task = Task("binary", 1, 1, ("no", "yes"), (1,))
    context = Context(inputs={"p(yes)": [7, 8]})
    table = tabulate(task, head("binary", 1), np.array([[0.25], [0.75]]), context)
    assert table.columns == ("input(p(yes))", "predicted", "p(no)", "p(yes)")
    assert table.rows == [[7, "no", 0.75, 0.25], [8, "yes", 0.25, 0.75]]
