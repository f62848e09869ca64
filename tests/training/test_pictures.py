"""Pictures for TensorBoard, pixel by pixel where it matters."""

import numpy as np
import pytest

from dlx.training.pictures import confusion_matrix, is_image, weight_images


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
