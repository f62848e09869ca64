"""Random numbers of steps."""

import pytest
import torch

from dlx.nn.draws import Draws
from dlx.streams import random_bits, standard_normal


def new(*, is_normal: bool) -> Draws:
    place = ("dropout", "1", [3, 5, 3], [True] * 3, torch.device("cpu"))
    if is_normal:
        return Draws(*place, standard_normal, torch.float32)
    return Draws(*place, random_bits, torch.int64, torch.int16)


@pytest.mark.parametrize("is_normal", [False, True])
@pytest.mark.parametrize("size", [1, 7, 64, 4097, 9000])
def test_steps_have_the_same_numbers_however_they_are_drawn(*, is_normal: bool, size: int) -> None:
    one_by_one, ahead = new(is_normal=is_normal), new(is_normal=is_normal)
    ahead.draw_ahead(3, 10, size)
    expected = torch.stack([one_by_one(step, size, size) for step in range(20)], 1)
    expected = expected[[0, 1]]  # of the seeds that differ
    for first, number in [(3, 10), (5, 2), (12, 1), (2, 4), (9, 8), (0, 1)]:
        for draws in (ahead, new(is_normal=is_normal)):
            drawn = draws.of_steps(first, number, size)
            assert torch.equal(drawn, expected[:, first : first + number])
