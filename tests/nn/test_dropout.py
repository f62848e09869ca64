"""Dropout and its variants: rates, moments, and what a mask depends on."""

import math
from typing import Literal

import torch
from torch import Tensor

from dlx.config.types import Choice
from dlx.data.dataset import Task
from dlx.nn.dropout import Dropout
from dlx.nn.layers.dense import Dense
from dlx.nn.network import InputChanges, Network
from dlx.nn.passes import Pass
from tests.cohorts import design, dropout_rates

BATCH = 64
UNITS = 40


def dropout(
    rates: list[float], seeds: list[int] | None = None, layer: str = "1", kind: str = "dropout"
) -> Dropout:
    seeds = seeds or list(range(len(rates)))
    kinds = [kind] * len(rates)
    return Dropout(layer, rates, kinds, seeds, torch.float32, torch.device("cpu"))


def masks(layer: Dropout, num_runs: int, steps: int, rows: int = BATCH) -> Tensor:
    """Return what becomes of ones: (steps, K, rows, units)."""
    ones = torch.ones(num_runs, rows, UNITS)
    return torch.stack([layer.forward(ones, training(step)) for step in range(steps)])


def training(step: int) -> Pass:
    return Pass(tape=[], step=step, batch_size=BATCH)


def test_the_share_of_dropped_units_is_the_rate_and_the_mean_is_kept() -> None:
    rates = [0.0, 0.1, 0.5, 0.9, 0.999]
    y = masks(dropout(rates), len(rates), 60)
    number = y[:, 0].numel()
    for run, rate in enumerate(rates):
        dropped = float((y[:, run] == 0).sum())
        # The quantized rate is within 1/131072 of the wished one; five standard deviations.
        error = 5 * math.sqrt(number * rate * (1 - rate)) + number / 131072
        assert abs(dropped - number * rate) <= error
        kept = y[:, run][y[:, run] != 0]
        scale = 65536 / round((1 - rate) * 65536)
        assert bool((kept == scale).all())
        assert abs(float(y[:, run].mean()) - 1) <= 5 * math.sqrt(rate / (1 - rate) / number)


def test_units_rows_and_steps_are_dropped_independently() -> None:
    y = (masks(dropout([0.5]), 1, 40)[:, 0] == 0).double() - 0.5
    number = y.numel()
    for pair in (
        (y[1:], y[:-1]),
        (y[:, 1:], y[:, :-1]),
        (y[..., 1:], y[..., :-1]),
        (y[..., 4:], y[..., :-4]),  # four masks come from one 64-bit draw
    ):
        correlation = float((pair[0] * pair[1]).mean()) / 0.25
        assert abs(correlation) <= 5 / math.sqrt(number * 0.9)


def test_a_rate_near_one_drops_without_blowing_up() -> None:
    y = masks(dropout([1 - 1e-9]), 1, 40)
    assert bool(y.isfinite().all())
    assert set(y.unique().tolist()) <= {0.0, 65536.0}


def test_a_mask_depends_on_seed_layer_and_step_alone() -> None:
    alone = masks(dropout([0.3], [7]), 1, 5)[:, 0]
    together = masks(dropout([0.5, 0.3, 0.0, 0.3], [1, 7, 7, 2]), 4, 5)
    assert torch.equal(together[:, 1], alone)
    assert bool((together[:, 2] == 1).all())
    assert not torch.equal(together[:, 3], alone)
    late = dropout([0.3], [7])
    assert torch.equal(late.forward(torch.ones(1, BATCH, UNITS), training(4))[0], alone[4])
    assert torch.equal(late.forward(torch.ones(1, BATCH, UNITS), training(0))[0], alone[0])
    assert not torch.equal(masks(dropout([0.3], [7], "2"), 1, 5)[:, 0], alone)
    assert not torch.equal(alone[0], alone[1])


def test_a_higher_rate_drops_more_of_the_same_units() -> None:
    y = masks(dropout([0.2, 0.6], [7, 7]), 2, 3)
    assert bool((y[:, 1][y[:, 0] == 0] == 0).all())


def test_the_last_batch_of_an_epoch_takes_the_first_rows_of_the_mask() -> None:
    layer = dropout([0.5, 0.5])
    whole = masks(layer, 2, 3)
    part = masks(layer, 2, 3, rows=5)
    assert torch.equal(part, whole[:, :, :5])


def test_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    masks(dropout([0.5]), 1, 2)
    assert torch.equal(torch.get_rng_state(), before)


def outputs(rates: Choice, training: bool, rows: int = 16, step: int = 3) -> Tensor:
    """Return the z of a small network on the first rows of a batch of 16."""
    what = Task("multiclass", UNITS, 3, ("a", "b", "c"), (UNITS,))
    network = Network(
        [design(what, [8, 6], "tanh", dropout=rates).layers],
        [5],
        torch.float64,
        input_changes=[InputChanges(rates.input)],
    )
    network.buffer.initialize()
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 16, UNITS, generator=generator, dtype=torch.float64)
    pass_ = Pass([] if training else None, step=step, batch_size=16)
    return network.forward(x[:, :rows], pass_)


def test_nothing_is_dropped_in_evaluation() -> None:
    dropped = outputs(dropout_rates(input=0.4, hidden=0.4), training=False)
    plain = outputs(dropout_rates(), training=False)
    trained = outputs(dropout_rates(input=0.4, hidden=0.4), training=True)
    assert torch.equal(dropped, plain)
    assert not torch.equal(trained, plain)


def test_a_small_last_batch_has_the_masks_of_a_full_one_in_every_layer() -> None:
    rates = dropout_rates(input=0.4, hidden=0.4)
    for step in (0, 3, 20):
        part, whole = outputs(rates, True, 5, step), outputs(rates, True, 16, step)
        torch.testing.assert_close(part, whole[:, :5])


def test_the_rate_of_one_layer_does_not_shift_the_masks_of_another() -> None:
    second = []
    for first_rate in (0.0, 0.3, 0.6):
        first, last = dropout([first_rate], [5], "1"), dropout([0.5], [5], "2")
        for step in range(4):
            first.forward(torch.ones(1, BATCH, UNITS), training(step))
            second.append(last.forward(torch.ones(1, BATCH, UNITS), training(step)))
    for step in range(4):
        assert torch.equal(second[step], second[4 + step])
        assert torch.equal(second[step], second[8 + step])


def test_inputs_and_outputs_of_a_layer_have_masks_of_their_own() -> None:
    what = Task("multiclass", UNITS, 3, ("a", "b", "c"), (UNITS,))
    network = Network(
        [design(what, [UNITS], dropout=0.5).layers], [5], input_changes=[InputChanges(0.5)]
    )
    ones = torch.ones(1, BATCH, UNITS)
    first, last = network.layers
    assert isinstance(first, Dense) and isinstance(last, Dense)
    dropped = [d.forward(ones, training(0)) for d in (network.input_dropout, first.dropout)]
    assert not torch.equal(dropped[0], dropped[1])
    assert not last.dropout.active


def test_the_gradient_passes_where_the_units_were_kept() -> None:
    layer, pass_ = dropout([0.3, 0.0]), training(0)
    kept = layer.forward(torch.ones(2, BATCH, UNITS), pass_)
    upstream = torch.randn(2, BATCH, UNITS, generator=torch.Generator().manual_seed(0))
    assert torch.equal(layer.backward(upstream, pass_), upstream * kept)


def test_alpha_dropout_keeps_mean_and_variance_as_torchs_does() -> None:
    x = torch.randn(1, BATCH, UNITS, generator=torch.Generator().manual_seed(0))
    x = (x - x.mean()) / x.std()
    layer = dropout([0.2], kind="alpha_dropout")
    values = torch.cat([layer.forward(x, training(step)) for step in range(300)])
    torch.manual_seed(0)
    torchs = torch.cat([torch.nn.functional.alpha_dropout(x, 0.2, True) for _ in range(300)])
    assert abs(float(values.mean())) < 0.01
    assert abs(float(values.std()) - 1) < 0.01
    for power in (1, 2, 3, 4):
        torch.testing.assert_close(
            values.double().pow(power).mean(),
            torchs.double().pow(power).mean(),
            atol=0.05,
            rtol=0.02,
        )
    # What is dropped takes one value, the same as torch's.
    dropped = float(values.flatten().mode().values)
    assert abs(dropped - float(torchs.flatten().mode().values)) < 1e-4
    assert abs(float((values == dropped).double().mean()) - 0.2) < 0.003


def test_gaussian_dropout_has_the_mean_and_variance_of_dropout() -> None:
    y = masks(dropout([0.3], kind="gaussian_dropout"), 1, 200)
    assert abs(float(y.mean()) - 1) < 0.01
    assert abs(float(y.var()) - 0.3 / 0.7) < 0.01


def test_kinds_that_drop_units_leave_the_weights_alone_and_the_other_way_round() -> None:
    device = torch.device("cpu")
    x = torch.ones(2, BATCH, UNITS)
    kinds = ["drop_connect", "gaussian_dropout"]
    places: list[tuple[Literal["units", "weights"], int]] = [("units", 1), ("weights", 0)]
    for on, changed in places:
        layer = Dropout("1", [0.5, 0.5], kinds, [0, 0], torch.float32, device, on=on)
        y = layer.forward(x, training(0))
        assert torch.equal(y[1 - changed], x[1 - changed])
        assert not torch.equal(y[changed], x[changed])


def test_drop_connect_drops_the_share_of_the_weights_and_keeps_their_mean() -> None:
    device = torch.device("cpu")
    layer = Dropout("1", [0.25], ["drop_connect"], [0], torch.float32, device, on="weights")
    weights = torch.ones(1, 300, 200)
    y = layer.forward(weights, training(0), rows=300)
    assert abs(float((y == 0).double().mean()) - 0.25) < 0.01
    assert abs(float(y.mean()) - 1) < 0.01
    assert not torch.equal(y, layer.forward(weights, training(1), rows=300))
