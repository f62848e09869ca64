"""Training rows that are moved, turned, bent and made noisy."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from dlx.data.augmentation import Augmentation, Augmenter
from dlx.data.preprocessing import Preprocessing
from dlx.streams import stream

SHAPE = (1, 12, 10)
KINDS = {
    "shift": Augmentation(shift=0.2, image_shape=SHAPE),
    "rotation": Augmentation(rotation=40, image_shape=SHAPE),
    "scale": Augmentation(scale=0.4, image_shape=SHAPE),
    "shear": Augmentation(shear=20, image_shape=SHAPE),
    "elastic": Augmentation(elastic=1.0, image_shape=SHAPE),
    "noise": Augmentation(noise=0.3),
    "all": Augmentation(0.1, 20, 0.1, 10, 0.5, 0.1, SHAPE),
}
DRAWN = torch.rand(1, 6, 120, generator=torch.Generator().manual_seed(0))


def change(hows: list[Augmentation | None], seeds: list[int], step: int = 0, x=DRAWN) -> Tensor:
    augmenter = Augmenter(hows, seeds, [False] * len(hows), 6, torch.float32, torch.device("cpu"))
    return augmenter(x.expand(len(hows), *x.shape[1:]), step)


@pytest.mark.parametrize("kind", KINDS)
def test_draws_depend_on_the_seed_and_the_step_alone(kind: str) -> None:
    how = KINDS[kind]
    alone = change([how], [3])[0]
    assert not torch.equal(alone, DRAWN[0])
    for other in (*KINDS.values(), None):
        together = change([other, how, other, how], [3, 3, 5, 4])
        assert torch.equal(together[1], alone)
        assert not torch.equal(together[3], alone)
    assert not torch.equal(change([how], [3], step=1)[0], alone)
    assert torch.equal(change([how], [3], step=0, x=DRAWN[:, :4])[0], alone[:4])
    torch.manual_seed(5)
    assert torch.equal(change([how], [3])[0], alone)


def test_a_run_without_it_sees_its_rows_as_they_are() -> None:
    assert torch.equal(change([None, KINDS["all"]], [0, 0])[0], DRAWN[0])
    x = DRAWN.clone()
    assert change([None], [0], x=x) is not None and torch.equal(x, DRAWN)
    none = Augmenter([None, None], [0, 1], [False] * 2, 6, torch.float32, torch.device("cpu"))
    assert not none.active and none(x, 0) is x


def test_images_move_as_by_torchs_own_affine_grid() -> None:
    how = Augmentation(shift=0.2, rotation=40, scale=0.3, shear=20, image_shape=(1, 16, 16))
    x = torch.rand(1, 6, 256, generator=torch.Generator().manual_seed(0))
    u = stream(7, "augment", "affine", 2).uniform_(torch.empty(6, 5)) * 2 - 1
    angle, lean = (math.radians(40) * u[:, 0]), (math.radians(20) * u[:, 1]).tan()
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(6, 2, 2)
    shear = torch.eye(2).repeat(6, 1, 1)
    shear[:, 0, 1] = lean
    matrix = turn @ shear / 1.3 ** u[:, 2, None, None]
    theta = torch.cat([matrix, 0.4 * u[:, 3:, None]], 2)
    grid = F.affine_grid(theta, [6, 1, 16, 16], align_corners=False)
    images = x.view(6, 1, 16, 16)
    expected = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    moved = change([how], [7], step=2, x=x).view(6, 1, 16, 16)
    torch.testing.assert_close(moved, expected, atol=1e-4, rtol=1e-4)


def test_a_turn_keeps_distances_in_images_that_are_not_square() -> None:
    height, width = 21, 41
    ys, xs = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    distance = ((ys - 10) ** 2 + (xs - 20) ** 2).sqrt()
    how = Augmentation(rotation=180, image_shape=(1, height, width))
    turned = change([how], [0], x=distance.view(1, 1, -1).repeat(1, 6, 1)).view(6, height, width)
    inside = distance < 8
    torch.testing.assert_close(turned[:, inside], distance[inside].repeat(6, 1), atol=0.3, rtol=0)


def test_dents_move_pixels_by_their_standard_deviation_and_smoothly() -> None:
    height, width = 28, 20
    columns = torch.arange(width, dtype=torch.float32).repeat(height).repeat(1, 1600, 1)
    how = Augmentation(elastic=0.8, image_shape=(1, height, width))
    augmenter = Augmenter([how], [0], [False], 1600, torch.float32, torch.device("cpu"))
    moved = (augmenter(columns, 0) - columns).view(1600, height, width)[:, :, 5:15]
    assert abs(moved.std() - 0.8) < 0.05 and abs(moved.mean()) < 0.05
    assert (moved[:, :, 1:] - moved[:, :, :-1]).std() < 0.3 * moved.std()


def test_channels_move_together() -> None:
    how = Augmentation(shift=0.3, rotation=30, elastic=1, image_shape=(3, 6, 7))
    x = torch.rand(1, 6, 1, 42).expand(1, 6, 3, 42).reshape(1, 6, 126)
    red, green, blue = change([how], [1], x=x).view(6, 3, 42).unbind(1)
    assert torch.equal(red, green) and torch.equal(green, blue)


def test_noise_has_its_standard_deviation() -> None:
    x = torch.zeros(1, 6, 5000)
    noise = change([Augmentation(noise=0.3)], [0], x=x)
    assert abs(noise.std() - 0.3) < 0.01 and abs(noise.mean()) < 0.01


def test_preprocessing_is_undone_while_images_move() -> None:
    fitted = Preprocessing(torch.linspace(-1, 1, 120), torch.linspace(0.5, 2, 120))
    how = Augmentation(rotation=30, image_shape=SHAPE)
    scaled = Augmentation(rotation=30, image_shape=SHAPE, preprocessing=fitted)
    expected = fitted(change([how], [0]))
    torch.testing.assert_close(change([scaled], [0], x=fitted(DRAWN)), expected)
