"""Initial weights: each initializer fills one run's weight matrix or bias vector in place.

# I inputs (fan-in), O outputs (fan-out)

A weight is filled as torch lays it out, `(O, I)`, and draws only from the generator it is given.
A bias is filled only by `torch_default`; under every other initializer it starts at zero.
"""

import math
from collections.abc import Callable
from typing import Annotated

import torch
from annotated_types import Ge, Gt
from torch import Generator, Tensor

from dlx.config.types import Choice
from dlx.registry import get, register
from dlx.streams import generator


def draw(
    init: Choice, seed: int, layer: str, num_inputs: int, num_outputs: int
) -> tuple[Tensor, Tensor]:
    """Return the initial weight (I, O) and bias (1, O) of one layer of the run with `seed`."""
    entry = get("initializer", init.name)
    weight = torch.empty(num_outputs, num_inputs)
    entry.function(weight, generator(seed, "init", layer, "weight"), **init.options())
    bias = torch.zeros(1, num_outputs)
    if entry.function is torch_default:
        bound = 1 / math.sqrt(num_inputs)
        bias.uniform_(-bound, bound, generator=generator(seed, "init", layer, "bias"))
    return weight.T, bias


def _register(function: Callable[..., None]) -> Callable[..., None]:
    return register("initializer")(function)


@_register
def zeros(weight: Tensor, generator: Generator) -> None:
    """All weights zero: every unit of a layer stays like every other.

    Var(W) = 0.
    """
    weight.zero_()


@_register
def constant(weight: Tensor, generator: Generator, *, value: float = 0.5) -> None:
    """All weights the same number: like zeros, it never breaks the symmetry of the units.

    Args:
        value: every weight
    """
    weight.fill_(value)


@_register
def uniform(
    weight: Tensor, generator: Generator, *, low: float = -0.05, high: float = 0.05
) -> None:
    """Uniform between two bounds: Var(W) = (high - low)^2 / 12.

    Args:
        low: lower bound
        high: upper bound
    """
    torch.nn.init.uniform_(weight, low, high, generator=generator)


@_register
def normal(
    weight: Tensor, generator: Generator, *, mean: float = 0.0, std: Annotated[float, Ge(0)] = 0.01
) -> None:
    """Normal with a fixed standard deviation: Var(W) = std^2.

    Args:
        mean: mean of the weights
        std: standard deviation of the weights
    """
    torch.nn.init.normal_(weight, mean, std, generator=generator)


@_register
def truncated_normal(
    weight: Tensor, generator: Generator, *, std: Annotated[float, Gt(0)] = 0.01
) -> None:
    """Normal cut off at two standard deviations: Var(W) = 0.774 std^2.

    Args:
        std: standard deviation before cutting
    """
    torch.nn.init.trunc_normal_(weight, 0.0, std, -2 * std, 2 * std, generator=generator)


@_register
def xavier_uniform(
    weight: Tensor, generator: Generator, *, gain: Annotated[float, Gt(0)] = 1.0
) -> None:
    """Uniform with Var(W) = gain^2 2 / (I + O): keeps signal and gradient in a linear layer.

    Args:
        gain: factor on the standard deviation

    Reference:
        Glorot and Bengio (2010), Understanding the difficulty of training deep feedforward networks
    """
    torch.nn.init.xavier_uniform_(weight, gain, generator=generator)


@_register
def xavier_normal(
    weight: Tensor, generator: Generator, *, gain: Annotated[float, Gt(0)] = 1.0
) -> None:
    """Normal with Var(W) = gain^2 2 / (I + O): keeps signal and gradient in a linear layer.

    Args:
        gain: factor on the standard deviation

    Reference:
        Glorot and Bengio (2010), Understanding the difficulty of training deep feedforward networks
    """
    torch.nn.init.xavier_normal_(weight, gain, generator=generator)


@_register
def he_uniform(
    weight: Tensor, generator: Generator, *, negative_slope: Annotated[float, Ge(0)] = 0.0
) -> None:
    """Uniform with Var(W) = 2 / ((1 + negative_slope^2) I): keeps the signal under ReLU.

    Args:
        negative_slope: slope of the leaky ReLU that follows; 0 for ReLU

    Reference:
        He, Zhang, Ren and Sun (2015), Delving deep into rectifiers
    """
    torch.nn.init.kaiming_uniform_(weight, negative_slope, generator=generator)


@_register
def he_normal(
    weight: Tensor, generator: Generator, *, negative_slope: Annotated[float, Ge(0)] = 0.0
) -> None:
    """Normal with Var(W) = 2 / ((1 + negative_slope^2) I): keeps the signal under ReLU.

    Args:
        negative_slope: slope of the leaky ReLU that follows; 0 for ReLU

    Reference:
        He, Zhang, Ren and Sun (2015), Delving deep into rectifiers
    """
    torch.nn.init.kaiming_normal_(weight, negative_slope, generator=generator)


@_register
def lecun_uniform(weight: Tensor, generator: Generator) -> None:
    """Uniform with Var(W) = 1 / I: unit variance of z for unit variance of the inputs.

    Reference:
        LeCun, Bottou, Orr and Müller (1998), Efficient backprop
    """
    torch.nn.init.kaiming_uniform_(weight, nonlinearity="linear", generator=generator)


@_register
def lecun_normal(weight: Tensor, generator: Generator) -> None:
    """Normal with Var(W) = 1 / I: unit variance of z; the start that SELU asks for.

    Reference:
        LeCun, Bottou, Orr and Müller (1998), Efficient backprop
    """
    torch.nn.init.kaiming_normal_(weight, nonlinearity="linear", generator=generator)


@_register
def orthogonal(
    weight: Tensor, generator: Generator, *, gain: Annotated[float, Gt(0)] = 1.0
) -> None:
    """Orthonormal rows or columns times gain: Var(W) = gain^2 / max(I, O).

    Args:
        gain: factor on the singular values, all of which are 1 before

    Reference:
        Saxe, McClelland and Ganguli (2014), Exact solutions to the nonlinear dynamics of learning
    """
    torch.nn.init.orthogonal_(weight, gain, generator=generator)


@_register
def torch_default(weight: Tensor, generator: Generator) -> None:
    """What torch.nn.Linear does: weights and biases uniform with Var(W) = 1 / (3 I)."""
    torch.nn.init.kaiming_uniform_(weight, math.sqrt(5), generator=generator)
