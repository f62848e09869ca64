"""Corruption of inputs: shares, values, moments, and what a mask depends on."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from dlx.config.types import choice
from dlx.nn.corruption import Corruption, CorruptionRule, InputCorruption
from dlx.nn.passes import Pass
from dlx.testing.bits import bits

BATCH = 64
INPUTS = 40


def rule(name: str, **options: float) -> CorruptionRule:
    return choice("corruption", name, **options)()


def layer(
    rules: list[CorruptionRule | None],
    seeds: list[int] | None = None,
    emphases: list[tuple[float, float] | None] | None = None,
    **values: Any,
) -> Corruption:
    chosen = [
        None if rule is None else InputCorruption(rule, emphasis, **values)
        for rule, emphasis in zip(rules, emphases or [None] * len(rules), strict=True)
    ]
    seeds = seeds or list(range(len(rules)))
    return Corruption(chosen, seeds, torch.float32, torch.device("cpu"))


def training(step: int) -> Pass:
    return Pass(tape=[], step=step, batch_size=BATCH)


def evaluation(chunk: int) -> Pass:
    return Pass(batch_size=BATCH, corrupted_chunk=chunk)


def corrupted(what: Corruption, x: Tensor, steps: int) -> Tensor:
    """Return what becomes of x (K, B, I) in so many steps: (steps, K, B, I)."""
    return torch.stack([what.forward(x, training(step)) for step in range(steps)])


def filled(num_runs: int, value: float = 0.5, rows: int = BATCH) -> Tensor:
    return torch.full((num_runs, rows, INPUTS), value)


def assert_share(mask: Tensor, share: float) -> None:
    """A count is within five standard deviations of a share (rounded to 1/65536)."""
    number = mask.numel()
    error = 5 * math.sqrt(number * max(share * (1 - share), 1 / 65536)) + number / 65536
    assert abs(float(mask.sum()) - number * share) <= error


def test_masking_sets_a_share_of_the_inputs_to_zero_and_leaves_the_others() -> None:
    rates = [0.0, 0.1, 0.5, 0.9, 0.99999999]
    y = corrupted(layer([rule("masking", rate=rate) for rate in rates]), filled(5), 60)
    for run, rate in enumerate(rates):
        assert set(y[:, run].unique().tolist()) <= {0.0, 0.5}
        assert_share(y[:, run] == 0, rate)


def test_salt_and_pepper_sets_inputs_to_zero_or_one_equally_often() -> None:
    rates = [0.1, 0.6]
    y = corrupted(layer([rule("salt_and_pepper", rate=rate) for rate in rates]), filled(2), 60)
    for run, rate in enumerate(rates):
        assert set(y[:, run].unique().tolist()) == {0.0, 0.5, 1.0}
        assert_share(y[:, run] == 0, rate / 2)
        assert_share(y[:, run] == 1, rate / 2)


def test_salt_and_pepper_are_each_inputs_own_extremes_where_they_are_given() -> None:
    lowest = tuple(-1.0 - i for i in range(INPUTS))
    highest = tuple(1.0 + i for i in range(INPUTS))
    rules = [rule("salt_and_pepper", rate=0.5), None, rule("masking", rate=0.5)]
    y = corrupted(layer(rules, lowest=lowest, highest=highest), filled(3, 0.25), 20)
    for column in range(INPUTS):
        values = {lowest[column], 0.25, highest[column]}
        assert set(y[:, 0, :, column].unique().tolist()) == values
    assert bool((y[:, 1] == 0.25).all())
    assert set(y[:, 2].unique().tolist()) == {0.0, 0.25}


def test_gaussian_adds_noise_of_its_standard_deviation_to_every_input() -> None:
    x = filled(2)
    noise = corrupted(layer([rule("gaussian", std=s) for s in (0.1, 2.0)]), x, 60) - x
    for run, std in enumerate((0.1, 2.0)):
        number = noise[:, run].numel()
        assert bool((noise[:, run] != 0).float().mean() > 0.999)
        assert abs(float(noise[:, run].mean())) <= 5 * std / math.sqrt(number)
        assert float(noise[:, run].std()) == pytest.approx(std, rel=5 / math.sqrt(2 * number))


def test_a_rule_may_both_replace_inputs_and_add_noise_that_knows_nothing_of_it() -> None:
    x = filled(1, 3.0)
    y = corrupted(layer([CorruptionRule(zero=0.5, std=0.1)]), x, 60)[:, 0]
    zero = y < 1.5
    assert_share(zero, 0.5)
    noise = torch.where(zero, y, y - 3)
    assert float(noise.std()) == pytest.approx(0.1, rel=0.02)
    correlation = torch.corrcoef(torch.stack([noise.flatten(), zero.flatten().float()]))[0, 1]
    assert abs(float(correlation)) <= 5 / math.sqrt(noise.numel())


def test_inputs_rows_and_steps_are_corrupted_independently() -> None:
    y = (corrupted(layer([rule("masking", rate=0.5)]), filled(1), 40)[:, 0] == 0).double() - 0.5
    for pair in (
        (y[1:], y[:-1]),
        (y[:, 1:], y[:, :-1]),
        (y[..., 1:], y[..., :-1]),
        (y[..., 4:], y[..., :-4]),  # four masks come from one 64-bit draw
    ):
        correlation = float((pair[0] * pair[1]).mean()) / 0.25
        assert abs(correlation) <= 5 / math.sqrt(y.numel() * 0.9)


MIXED = [
    rule("masking", rate=0.3),
    None,
    rule("gaussian", std=0.4),
    rule("salt_and_pepper", rate=0.2),
    rule("masking", rate=0.3),
    CorruptionRule(zero=0.1, lowest=0.2, highest=0.3, std=0.1),
]


@pytest.mark.parametrize("run", range(len(MIXED)))
@pytest.mark.parametrize("rows", [BATCH, 7, 1])
def test_what_is_drawn_depends_on_seed_and_step_alone(run: int, rows: int) -> None:
    seeds = [7, 3, 7, 7, 2, 3]
    x = torch.randn(rows, INPUTS, generator=torch.Generator().manual_seed(0))
    x[0, 0] = -0.0
    together, alone = layer(list(MIXED), seeds), layer([MIXED[run]], [seeds[run]])
    for pass_ in (training(0), training(9), evaluation(0), evaluation(2)):
        together_y = together.forward(x.expand(len(MIXED), *x.shape), pass_)[run]
        assert torch.equal(bits(together_y), bits(alone.forward(x.expand(1, *x.shape), pass_)[0]))


def test_other_seeds_steps_chunks_and_modes_draw_anew() -> None:
    x = filled(1)
    masks = [
        layer([rule("masking", rate=0.5)], [seed]).forward(x, pass_) == 0
        for seed in (0, 1)
        for pass_ in (training(0), training(1), evaluation(0), evaluation(1))
    ]
    for place, mask in enumerate(masks):
        for other in masks[:place]:
            assert 0.3 < float((mask == other).float().mean()) < 0.7


def test_an_input_masked_at_a_rate_is_masked_at_higher_rates_too() -> None:
    y = layer([rule("masking", rate=0.2), rule("masking", rate=0.6)], [4, 4]).forward(
        filled(2), training(3)
    )
    assert bool((y[1][y[0] == 0] == 0).all())


def test_an_evaluation_corrupts_where_it_is_asked_to_alone() -> None:
    x = filled(2)
    what = layer([rule("masking", rate=0.5), None])
    assert what.forward(x, Pass()) is x
    assert what.forward(x, Pass(starting=True)) is x
    first, again = (what.forward(x, evaluation(1)) for _ in range(2))
    assert torch.equal(first, again)
    assert bool((first[0] == 0).any())
    assert torch.equal(first[1], x[1])
    assert bool((x == 0.5).all())


def test_emphasis_says_in_training_what_each_input_counts() -> None:
    rules = [rule("masking", rate=0.3), None, rule("salt_and_pepper", rate=0.4)]
    what = layer([*rules, rules[0]], emphases=[(2.0, 0.5), None, (1.0, 0.0), None])
    x, pass_ = filled(4), training(0)
    y = what.forward(x, pass_)
    assert pass_.emphasis is not None
    replaced = y != x
    assert torch.equal(pass_.emphasis[0], torch.where(replaced[0], 2.0, 0.5))
    assert torch.equal(pass_.emphasis[2], replaced[2].float())
    assert bool((pass_.emphasis[[1, 3]] == 1).all())
    pass_ = evaluation(0)
    what.forward(x, pass_)
    assert pass_.emphasis is None


def test_without_any_corruption_every_input_is_clean() -> None:
    pass_, x = training(0), filled(1)
    what = layer([rule("masking", rate=0.0)], emphases=[(2.0, 0.5)])
    assert torch.equal(what.forward(x, pass_), x)
    assert pass_.emphasis is not None
    assert bool((pass_.emphasis == 0.5).all())
    assert layer([None]).forward(x, training(0)) is x
    assert not layer([None]).present
    assert layer([None, rule("gaussian", std=0.0)]).present
