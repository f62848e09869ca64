"""Pictures for TensorBoard, pixel by pixel where it matters."""

import numpy as np
import pytest

from dlx.data.dataset import Dataset
from dlx.data.pipeline import prepare
from dlx.report.figures import encoded, plain_texts
from dlx.report.run.pictures import (
    COLORS,
    colored,
    confusion_figure,
    decision,
    images,
    is_image,
    regions,
    unit_regions,
    weight_images,
)
from dlx.report.run.regions import Panel, Plane, Shade
from dlx.tracking.images import of_png


@pytest.mark.parametrize(
    ("shape", "expected"), [((8, 8), True), ((3, 5, 4), True), ((64,), False), ((2, 5, 4), False)]
)
def test_which_rows_are_images(shape: tuple[int, ...], expected: bool) -> None:
    assert is_image(shape) == expected


def test_every_unit_is_a_tile_around_middle_grey() -> None:
    weights = np.zeros((4, 3), dtype=np.float32)
    weights[0, 0], weights[3, 0] = 2.0, -1.0
    weights[1, 2] = -0.01
    sheet = weight_images(weights, (2, 2))
    assert (sheet.shape, sheet.dtype) == ((66, 66, 1), np.uint8)
    first, second, third = sheet[:32, :32, 0], sheet[:32, 34:, 0], sheet[34:, :32, 0]
    assert first[:16, :16].min() == 255 and first[16:, 16:].max() == 64
    assert (first[:16, 16:] == 128).all() and (second == 128).all()
    assert third[0, 31] == 0  # its own largest, however small
    assert (sheet[34:, 34:] == 255).all()  # no unit


def test_coloured_images_keep_their_colours() -> None:
    weights = np.zeros((12, 1), dtype=np.float32)
    weights[0] = 1.0  # red of the first pixel
    sheet = weight_images(weights, (3, 2, 2))
    assert sheet[0, 0].tolist() == [255, 128, 128]


def test_at_most_64_units_are_drawn() -> None:
    assert weight_images(np.ones((1024, 100), dtype=np.float32), (32, 32)).shape[0] == 8 * 34 - 2


@plain_texts()
def confusion_matrix(counts: np.ndarray, classes: tuple[str, ...]) -> np.ndarray:
    return of_png(encoded(confusion_figure(counts, classes)))


def test_a_confusion_matrix_is_dark_where_the_rows_are() -> None:
    clean = confusion_matrix(np.array([[90, 0], [0, 10]]), ("a", "b"))
    mixed = confusion_matrix(np.array([[0, 90], [10, 0]]), ("a", "b"))
    assert clean.shape == mixed.shape and clean.dtype == np.uint8
    height, width, _ = clean.shape
    corner = clean[height // 4, width // 2 - 20].astype(int), mixed[height // 4, width // 2 - 20]
    assert corner[0].sum() < 400 < 700 < corner[1].sum()


@pytest.mark.parametrize("number", [1, 30])
def test_any_number_of_classes_and_none_of_a_class(number: int) -> None:
    names = tuple(map(str, range(number)))
    assert confusion_matrix(np.zeros((number, number), dtype=int), names).shape[2] == 3


def test_labels_have_a_square_each() -> None:
    right, wrong = np.array([[90, 0], [0, 10]]), np.array([[0, 90], [10, 0]])
    names = ("sum", "carry")
    picture = confusion_matrix(np.stack([right, wrong]), names).astype(int)
    height, width, _ = picture.shape
    assert width > 1.5 * height
    halves = picture[:, : width // 2], picture[:, width // 2 :]
    # Its first square, that what does not hold is said not to, is dark on the left alone.
    corner = [half[height // 4 : height // 2 - 20, 80:110].min() for half in halves]
    assert corner[0] < 60 < 200 < corner[1]
    many = confusion_matrix(np.zeros((50, 2, 2), dtype=int), tuple(map(str, range(50))))
    assert many.shape[0] < 1100


def test_a_class_is_paler_the_less_sure_it_is() -> None:
    shade = Shade(np.array([3, 3, 13]), np.array([0.0, 0.5, 1.0]))
    white, pale, sure = colored(shade)
    assert (white == 255).all() and (sure == COLORS[3]).all()
    assert (white > pale).all() and (pale > sure).all()
    assert (colored(shade, depth=0.6) >= colored(shade)).all()
    diverged = Shade(np.array([3]), np.array([np.nan]))
    assert (colored(diverged) == 255).all()


def test_the_second_input_grows_upwards_and_a_line_parts_the_classes() -> None:
    number = np.zeros((6, 6), dtype=int)
    number[4:] = 1  # where the second input is high
    pixels = regions(Shade(number, np.ones((6, 6))))
    orange, blue = pixels[0, 0], pixels[-1, 0]
    assert orange[0] > orange[2] and blue[2] > blue[0]
    assert (pixels[1] == 40).all() and (pixels == 40).all(-1).sum() == 6


def test_training_rows_are_drawn_where_they_are() -> None:
    inputs = np.array([[0, 0], [10, 0], [10, 1]], dtype=np.float32)
    data = Dataset("three", inputs, np.array([0, 1, 1]), ("a", "b"), shared_splits=True)
    plane = Plane(prepare(data))
    white = Shade(np.zeros((280, 280), dtype=int), np.zeros((280, 280)))
    panel = Panel("", ("a", "b"), white, Shade(np.array([0, 1, 1]), np.ones(3)))
    image = decision([panel, panel], plane)
    assert (image.shape, image.dtype) == ((280, 562, 3), np.uint8)
    assert (image[240, 40] == COLORS[0]).all()  # a margin of a fifth of the range
    assert (image[240, 240] == COLORS[1]).all() and (image[40, 240] == COLORS[1]).all()
    assert (image[40, 40] == 255).all()


def test_the_largest_numbers_are_drawn() -> None:
    inputs = np.array([[0, 0], [3e38, 0], [-3e38, 1]], dtype=np.float32)
    data = Dataset("three", inputs, np.array([0, 1, 1]), ("a", "b"), shared_splits=True)
    white = Shade(np.zeros((280, 280), dtype=int), np.zeros((280, 280)))
    panel = Panel("", ("a", "b"), white, Shade(np.array([0, 1, 1]), np.ones(3)))
    image = decision([panel], Plane(prepare(data)))
    assert (image[240, 140] == COLORS[0]).all()
    assert (image[40, 17] == COLORS[1]).all() and (image[240, 263] == COLORS[1]).all()


def test_a_unit_that_is_the_same_everywhere_is_grey() -> None:
    values = np.stack([np.linspace(0, 1, 16).reshape(4, 4), np.ones((4, 4))])
    sheet = unit_regions(values)
    assert sheet.shape == (4 + 12, 10, 3)
    assert (sheet[:4, 6:] == 225).all() and not (sheet[:4, :4] == 225).all()


def test_a_unit_that_hardly_varies_is_grey_and_its_range_stands_below() -> None:
    slope = np.linspace(0, 1, 96 * 96).reshape(96, 96)
    sheet = unit_regions(np.stack([0.5 + 1e-4 * slope, 1e-9 * slope]))
    assert (sheet[:96, :96] == 225).all() and not (sheet[:96, 98:] == 225).all()
    captions = sheet[96:, :96], sheet[96:, 98:]
    assert all((caption < 128).any() for caption in captions)
    assert (captions[0] != captions[1]).any()


def test_images_keep_their_grey_and_colour_and_more_than_100_are_left_out() -> None:
    grey = images(np.tile([0, 0.2, 0.4, 1], (101, 1)), (2, 2))
    assert grey.shape == (10 * 34 - 2, 10 * 34 - 2, 1)
    assert grey[0:32:16, 0:32:16, 0].tolist() == [[0, 51], [102, 255]]
    colour = images(np.array([[1, 0, 0]]), (3, 1, 1))
    assert colour.shape == (32, 32, 3)
    assert colour[5, 5].tolist() == [255, 0, 0]
    wide = images(np.array([[-1, 0, 1, 3]]), (2, 2))
    assert wide[0:32:16, 0:32:16, 0].tolist() == [[0, 64], [128, 255]]
