import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dlx.data.dataset import Dataset
from dlx.data.describe import describe, picture
from dlx.data.pipeline import load_dataset
from dlx.errors import DataError


def test_describe_a_table(table):
    facts = describe(replace(table, test_rows=20))
    assert json.loads(json.dumps(facts)) == facts
    assert (facts["rows"], facts["test_rows"], facts["task"]) == (60, 20, "multiclass")
    assert (facts["input_shape"], facts["num_inputs"], facts["targets"]) == ([3], 3, None)
    x = table.inputs.astype(np.float64)
    assert facts["features"].keys() == {"width", "height", "depth"}
    assert facts["features"]["height"] == pytest.approx(
        {
            "minimum": x[:, 1].min(),
            "maximum": x[:, 1].max(),
            "mean": x[:, 1].mean(),
            "std": x[:, 1].std(),
        }
    )
    assert facts["inputs"] == pytest.approx(
        {"minimum": x.min(), "maximum": x.max(), "mean": x.mean(), "std": x.std()}
    )
    blue = int((table.targets[40:] == 2).sum())
    assert facts["classes"]["blue"] == {"rows": 10, "test_rows": blue}


def test_describe_regression():
    values = np.arange(6, dtype=np.float32).reshape(3, 2)
    facts = describe(Dataset("line", values, values * 2, None))
    assert facts["classes"] is None and facts["features"] is None
    assert [target["maximum"] for target in facts["targets"]] == [8, 10]


def test_pixels_are_described_as_the_network_sees_them():
    pixels = np.array([[[0, 255]], [[51, 255]]], dtype=np.uint8)
    facts = describe(Dataset("pixels", pixels, np.array([0, 1]), ("a", "b")))
    assert facts["inputs"]["maximum"] == 1
    assert facts["inputs"]["mean"] == pytest.approx(0.55)


def drawn(figure):
    return np.asarray(figure.axes[0].images[0].get_array())


def test_picture_has_a_line_for_each_class(tmp_path):
    digits = load_dataset("digits", Path())
    figure = picture(digits)
    image = drawn(figure)
    assert image.shape == (80, 80)
    first = digits.inputs[digits.targets == 3][1]
    np.testing.assert_array_equal(image[24:32, 8:16], first)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == list("0123456789")
    figure.savefig(tmp_path / "digits.png")


def test_picture_in_colour_with_few_images():
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 2, 4), dtype=np.uint8)
    figure = picture(Dataset("few", images, np.array([0, 1, 1, 1, 1]), ("a", "b")))
    image = drawn(figure)
    assert image.shape == (4, 40, 3)
    np.testing.assert_array_equal(image[2:, 4:8], images[2].transpose(1, 2, 0))
    assert image[:2, 4:].max() == 0


def test_picture_without_classes():
    images = np.random.default_rng(0).random((15, 2, 2)).astype(np.float32)
    image = drawn(picture(Dataset("values", images, np.zeros((15, 1), np.float32), None)))
    np.testing.assert_array_equal(image[2:4, 8:10], images[14])


def test_a_table_has_no_picture(table):
    with pytest.raises(
        DataError, match=r"'table' has inputs of shape \(3,\), which are not images"
    ):
        picture(table)


def test_a_table_is_described_as_a_network_would_see_it(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("width,colour,y\n1,red,2\n3,blue,4\n,red,6\n")
    facts = describe(load_dataset("csv", Path(), path=path, target="y", missing="impute"))
    assert list(facts["features"]) == ["width", "width is missing", "colour=blue", "colour=red"]
    assert facts["features"]["width"] == pytest.approx(
        {"minimum": 1, "maximum": 3, "mean": 2, "std": (2 / 3) ** 0.5}
    )
    assert facts["num_inputs"] == 4
    assert facts["targets"][0]["maximum"] == 6
