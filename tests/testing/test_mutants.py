"""Names that break a law fail the check, which says what disagreed and by how much."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import dlx
from dlx.data.dataset import Dataset
from dlx.errors import ConfigError
from dlx.models.blocks import Place, dense
from dlx.nn.layers.dense import Dense, DenseSpec
from dlx.nn.passes import Pass
from dlx.testing import (
    check_activation,
    check_block,
    check_data_source,
    check_initializer,
    check_loss,
    check_optimizer,
    check_schedule,
)

pytestmark = pytest.mark.usefixtures("forgotten")


def activation(function: Any, **settings: Any) -> str:
    function.__name__, function.__doc__ = "mine", "Mine."
    dlx.register("activation", **settings)(function)
    return "mine"


def test_an_activation_that_is_not_elementwise() -> None:
    name = activation(lambda z: z.sum(-1))
    with pytest.raises(AssertionError, match=r"it returns \(2, 3\), torch.float32; it must be"):
        check_activation(name)


def test_an_activation_that_looks_at_its_neighbours() -> None:
    name = activation(lambda z: z - z.mean())
    with pytest.raises(AssertionError, match=r"against alone: g\(z\) at \[0, 0, 0\] is .*\(off"):
        check_activation(name)


def test_an_activation_with_a_vectorized_tail() -> None:
    name = activation(lambda z: torch.nn.functional.elu(z))
    with pytest.raises(AssertionError, match=r"numbers after .* compose it of exp, expm1"):
        check_activation(name)


def test_an_activation_whose_gradient_is_wrong() -> None:
    name = activation(lambda z: 2 * z, backward=lambda upstream, z, a: upstream)
    with pytest.raises(AssertionError, match=r"its gradient .* against finite differences: at \["):
        check_activation(name)


def test_an_activation_that_forgets_what_comes_from_above() -> None:
    name = activation(lambda z: 2 * z, backward=lambda upstream, z, a: torch.full_like(z, 2))
    with pytest.raises(AssertionError, match="its gradient dA g'"):
        check_activation(name)


def test_an_activation_that_writes_over_its_input() -> None:
    name = activation(lambda z: z.mul_(2))
    with pytest.raises(AssertionError, match="it writes over its input z"):
        check_activation(name)


def test_an_activation_whose_backward_writes_over_a() -> None:
    name = activation(lambda z: 2 * z, backward=lambda upstream, z, a: upstream * a.fill_(2))
    with pytest.raises(AssertionError, match="its backward formula writes over z or a"):
        check_activation(name)


def test_an_activation_with_another_torch_module() -> None:
    name = activation(lambda z: z.clamp_min(0), module=torch.nn.Hardtanh)
    with pytest.raises(AssertionError, match=r"on \[-6, 6\], against its torch module: at \["):
        check_activation(name)


def test_an_initializer_that_draws_elsewhere() -> None:
    @dlx.register("initializer")
    def mine(weight: Tensor, generator: torch.Generator) -> None:
        """Mine."""
        weight.normal_()

    with pytest.raises(AssertionError, match="it draws from torch's global generator"):
        check_initializer(mine)


def test_an_initializer_that_leaves_weights_out() -> None:
    @dlx.register("initializer")
    def mine(weight: Tensor, generator: torch.Generator) -> None:
        """Mine."""
        weight[0] = 1

    with pytest.raises(AssertionError, match=r"\(7, 1\) \(O, I\): 6 of 7 weights are not filled"):
        check_initializer("mine")


def test_an_initializer_that_counts() -> None:
    drawn = []

    @dlx.register("initializer")
    def mine(weight: Tensor, generator: torch.Generator) -> None:
        """Mine."""
        drawn.append(1)
        weight.fill_(len(drawn))

    with pytest.raises(AssertionError, match=r"drawn twice .* is 2.0, not 1.0 \(off by 1\)"):
        check_initializer("mine")


def loss(function: Any, **settings: Any) -> str:
    function.__name__, function.__doc__ = "mine", "Mine."
    dlx.register("loss", **settings)(function)
    return "mine"


def test_a_loss_that_sums_over_the_runs() -> None:
    name = loss(lambda a, t: (a - t).square().mean().expand(len(a)))
    with pytest.raises(AssertionError, match=r"run 1 of 3 against alone: .* is .*its own rows"):
        check_loss(name)


def test_a_loss_that_is_one_number() -> None:
    name = loss(lambda a, t: (a - t).square().mean())
    with pytest.raises(AssertionError, match=r"have shape \(\); return one number per run, \(3,\)"):
        check_loss(name)


def test_a_loss_that_adds_up_its_rows() -> None:
    name = loss(lambda a, t: (a - t).square().flatten(1).sum(1))
    with pytest.raises(AssertionError, match="a batch twice over must cost the same, the mean"):
        check_loss(name)


def test_a_loss_whose_gradient_is_wrong() -> None:
    def cost(a: Tensor, t: Tensor) -> Tensor:
        return (a - t).square().flatten(1).mean(1)

    name = loss(cost, with_gradient=lambda a, t: (cost(a, t), (a - t) / a[0].numel()), from_z=True)
    with pytest.raises(AssertionError, match="its gradient dZ, against finite differences: at"):
        check_loss(name)


def test_an_optimizer_that_mixes_runs() -> None:
    from dlx.optimizers.rules import Rule

    def update(parameters: list[Tensor], gradients: list[Tensor], *, lr: float) -> None:
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.sub_(lr * gradient / (1 + gradient.norm()))

    @dlx.register("optimizer")
    def mine(*, lr: float = 0.1) -> Rule:
        """Mine."""
        return Rule(update, {"lr": lr}, {}, {})

    with pytest.raises(AssertionError, match=r"run 1 of 3 against alone: .* \(off by .*own rows"):
        check_optimizer("mine")


def test_an_optimizer_that_does_nothing() -> None:
    from dlx.optimizers.rules import Rule

    @dlx.register("optimizer")
    def mine(*, lr: float = 0.1) -> Rule:
        """Mine."""
        return Rule(lambda parameters, gradients, *, lr: None, {"lr": lr}, {}, {})

    with pytest.raises(AssertionError, match="4 steps leave every weight as it was"):
        check_optimizer("mine")


class _Mixing(Dense):
    def forward(self, x: Tensor, pass_: Pass) -> Tensor:
        return super().forward(x, pass_) + x.mean()


class _MixingSpec(DenseSpec):
    @property
    def layer_class(self) -> type[_Mixing]:
        return _Mixing


def test_a_block_that_computes_something_else_than_its_plain_form() -> None:
    @dlx.register("block")
    def mine(place: Place) -> DenseSpec:
        """Mine."""
        return _MixingSpec(**dense(place, units=3).__dict__)

    with pytest.raises(AssertionError, match="block mine, 1 inputs, batch 4: its outputs, against"):
        check_block("mine")


def source(inputs: Any, targets: Any, classes: Any = ("a", "b")) -> None:
    def mine(data_dir: Path) -> Dataset:
        """Mine."""
        return Dataset("mine", inputs(), targets, classes)

    dlx.register("data")(mine)


LABELS = np.arange(20) % 2


@pytest.mark.parametrize(
    ("inputs", "targets", "classes", "message"),
    [
        (lambda: np.zeros((20, 2)), LABELS, ("a", "b"), "inputs are float64; return float32 or"),
        (lambda: [[0.0]], LABELS, ("a", "b"), "its inputs are a list; return a numpy array"),
        (lambda: np.zeros((20, 2), "f4"), LABELS, None, r"numbers to predict are \(N, T\) float32"),
        (
            lambda: np.zeros((20, 2), "f4"),
            LABELS,
            ("a",),
            "label 1 is out of range|has too few classes",
        ),
        (
            lambda: np.random.randn(20, 2).astype("f4"),
            LABELS,
            ("a", "b"),
            "it draws from a global generator",
        ),
    ],
)
def test_a_data_source(inputs: Any, targets: Any, classes: Any, message: str) -> None:
    source(inputs, targets, classes)
    with pytest.raises(AssertionError, match=f"data source mine: .*{message}"):
        check_data_source("mine")


def test_a_name_that_is_not_registered() -> None:
    with pytest.raises(ConfigError, match="unknown activation 'rellu'; did you mean 'relu'"):
        check_activation("rellu")


def schedule(factor: Any) -> str:
    @dlx.register("schedule")
    def mine(step: int, num_steps: int) -> float:
        """Mine."""
        return factor(step, num_steps)

    return "mine"


SCHEDULES = {
    r"at step 0 of 1 it raises ZeroDivisionError": lambda step, num_steps: step / (num_steps - 1),
    r"at step 3 of 7 it returns -0.5; .* not negative": lambda step, num_steps: 1 - step / 2,
    r"it returns nan; .* is finite": lambda step, num_steps: float("nan"),
    r"returns Tensor; it must be a float": lambda step, num_steps: torch.ones(()),
    r"all factors of a run of 1 steps are zero": lambda step, num_steps: step / num_steps,
}


@pytest.mark.parametrize("message", SCHEDULES)
def test_a_schedule_of_wrong_factors(message: str) -> None:
    name = schedule(SCHEDULES[message])
    with pytest.raises(AssertionError, match=message):
        check_schedule(name)


def test_a_schedule_that_remembers() -> None:
    calls: list[int] = []

    def factor(step: int, num_steps: int) -> float:
        calls.append(step)
        return 1 / len(calls)

    name = schedule(factor)
    with pytest.raises(AssertionError, match=r"and 0.5 after other steps; keep nothing"):
        check_schedule(name)
