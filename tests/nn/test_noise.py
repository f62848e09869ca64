"""Gaussian noise: its moments, and what a draw depends on."""

import torch

from dlx.nn.dropout import GaussianNoise
from dlx.nn.passes import Pass

BATCH, UNITS = 64, 40


def noise(stds: list[float], seeds: list[int]) -> GaussianNoise:
    return GaussianNoise("1", stds, seeds, torch.float32, torch.device("cpu"))


def training(step: int) -> Pass:
    return Pass(tape=[], step=step, batch_size=BATCH)


def test_each_run_has_noise_of_its_own_standard_deviation() -> None:
    stds = [0.1, 0.0, 2.0]
    layer = noise(stds, [0, 1, 2])
    x = torch.full((3, BATCH, UNITS), -0.0)
    y = torch.stack([layer.forward(x, training(step)) for step in range(40)])
    for run, std in enumerate(stds):
        assert abs(float(y[:, run].mean())) <= 5 * std / y[:, run].numel() ** 0.5
        assert abs(float(y[:, run].std()) - std) <= 0.01 * std
    assert bool(y[:, 1].signbit().all())  # not even the sign of a zero changes
    assert not torch.equal(y[0], y[1])


def test_a_run_has_the_same_noise_alone_and_together_and_in_a_small_batch() -> None:
    x = torch.zeros(2, BATCH, UNITS)
    together = noise([0.5, 0.7], [3, 8])
    alone = noise([0.7], [8])
    for step in (0, 5, 3):
        y = together.forward(x, training(step))
        assert torch.equal(y[1:], alone.forward(x[:1], training(step)))
        assert torch.equal(y[:, :9], together.forward(x[:, :9], training(step)))


def test_evaluation_is_without_noise() -> None:
    x = torch.ones(1, BATCH, UNITS)
    assert noise([1.0], [0]).forward(x, Pass()) is x
