"""Images and what is said of them."""

from typing import Any

import numpy as np
import pytest

from dlx.data.dataset import Task
from dlx.models.heads import build_head
from dlx.report.predictions import Context, Predictions, tabulate
from dlx.report.sheets import draw

SHAPE = (4, 4)


def predictions(task: Task, outputs: Any, targets: Any = None) -> Predictions:
    outputs = np.asarray(outputs, np.float32)
    array = None if targets is None else np.asarray(targets)
    table = tabulate(task, build_head(task), outputs, Context(targets=array))
    inputs = np.linspace(0, 1, 16 * len(outputs), dtype=np.float32).reshape(-1, 16)
    return Predictions(table.columns, table.rows, inputs=inputs, outputs=outputs)


def words(task: Task, predicted: Predictions) -> list[tuple[str, bool]]:
    [axes] = draw(task, predicted, "run").axes
    return [(text.get_text(), text.get_color() != "black") for text in axes.texts]


def test_under_an_image_stand_its_class_and_its_probability() -> None:
    task = Task("multiclass", 16, 3, ("cat", "dog", "hippopotamuses"), SHAPE)
    outputs = [[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]]
    assert words(task, predictions(task, outputs)) == [
        ("cat\n70.0%", False),
        ("hippopotamus…\n50.0%", False),
    ]
    assert words(task, predictions(task, outputs, [0, 1])) == [
        ("cat\n70.0%", False),
        ("hippopotamus…\n50.0%\nis dog", True),
    ]


def test_labels_and_numbers_stand_under_theirs() -> None:
    task = Task("multilabel", 16, 2, ("sun", "sea"), SHAPE)
    outputs = [[0.9, 0.8], [0.1, 0.2], [0.1, 0.9]]
    assert words(task, predictions(task, outputs, [[1, 1], [1, 0], [0, 1]])) == [
        ("sun, sea", False),
        ("none\nis sun", True),
        ("sea", False),
    ]
    task = Task("regression", 16, 1, None, SHAPE)
    assert words(task, predictions(task, [[1.23456], [2.0]], [[1.0], [2.0]])) == [
        ("1.235", False),
        ("2", False),
    ]


def test_words_stand_below_their_own_image() -> None:
    task = Task("binary", 16, 1, ("no", "yes"), SHAPE)
    predicted = predictions(task, np.full((12, 1), 0.9))
    figure = draw(task, predicted, "run")
    [axes] = figure.axes
    assert axes.get_title() == "run: predictions"
    [image] = axes.images
    pixels = np.asarray(image.get_array())
    for text in axes.texts:
        across, down = (round(place) for place in text.get_position())
        assert pixels[down - 4, across].min() < 255, "an image above"
        assert (pixels[down + 2 : down + 30, across] == 255).all(), "room below"


def test_reconstructions_stand_under_the_first_hundred_images() -> None:
    task = Task("reconstruction", 16, 16, None, SHAPE, in_unit_interval=True)
    predicted = predictions(task, np.zeros((101, 16)))
    [axes] = draw(task, predicted, "run").axes
    assert axes.get_title() == "run, the first 100 of 101 rows: reconstructions"
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "input",
        "reconstruction",
    ] * 10


@pytest.mark.parametrize("count", [1, 10])
def test_a_single_image_is_drawn_as_large_as_one_of_many(count: int) -> None:
    task = Task("multiclass", 16, 3, ("a", "b", "c"), SHAPE)
    figure = draw(task, predictions(task, np.eye(3)[[0] * count]), "run")
    assert figure.get_size_inches()[0] == pytest.approx(max(0.8 * count, 3.2))
