"""Initial weights: each initializer fills the weight matrix of one run in place.

# I inputs (fan-in), O outputs (fan-out)

The weight has torch's layout, `(O, I)`. An initializer draws only from the stream that it gets.
A bias starts at zero, unless the weight's initializer brings biases of its own (`torch_default`,
`values`) or the bias has an initializer.
"""

import math
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Lt
from torch import Tensor

from dlx.config.types import Choice, choice
from dlx.errors import ConfigError
from dlx.registry import get, names, register
from dlx.streams import Stream, stream


def draw_weight(init: Choice, seed: int, layer: str, num_inputs: int, num_outputs: int) -> Tensor:
    """Return the initial weight (I, O) of a layer, for the run with `seed`."""
    weight = torch.empty(num_outputs, num_inputs)
    init(weight, stream(seed, "init", layer, "weight"))
    return weight.T


def draw_gates(
    init: Choice, seed: int, layer: str, num_inputs: int, num_outputs: int, gates: int
) -> Tensor:
    """Return the initial weights of a layer's gates side by side, (I, gates O).

    Each gate's weights are drawn as those of a layer of its own.
    """
    if gates == 1 or init.traits.written_out:
        return draw_weight(init, seed, layer, num_inputs, num_outputs * gates)
    parts = [f"{layer}.{gate}" for gate in range(1, gates + 1)]
    weights = [draw_weight(init, seed, part, num_inputs, num_outputs) for part in parts]
    return torch.cat(weights, 1)


def draw_bias(
    init: Choice, weight_init: Choice, seed: int, layer: str, num_inputs: int, num_outputs: int
) -> Tensor:
    """Return the initial bias (1, O) of a layer; a written out `weight_init` may have it too."""
    bias = torch.empty(1, num_outputs)
    random = stream(seed, "init", layer, "bias")
    if weight_init.traits.written_out and weight_init.biases is not None:
        return torch.tensor([weight_init.biases])
    if init.traits.own_bias is not None:
        init.traits.own_bias(bias, num_inputs, random)
    else:
        init(bias, random)
    return bias


def bias_initializer(bias: Choice | None, weight_init: Choice) -> Choice:
    """Return the initializer of a bias: the chosen one, or else that which suits the weight's."""
    if bias is None:
        return weight_init if weight_init.traits.own_bias else choice("initializer", "zeros")
    if not bias.traits.for_biases:
        allowed = (
            name for name in names("initializer") if get("initializer", name).traits.for_biases
        )
        raise ConfigError(
            f"model.bias: received {bias.name}, which needs a matrix; allowed: {', '.join(allowed)}"
        )
    return bias


def check(init: Choice, layer: str, num_inputs: int, num_outputs: int) -> None:
    """Check that weights and biases that are written out have the shape of the layer."""
    if not init.traits.written_out:
        return
    widths = {len(row) for row in init.weights}
    if len(init.weights) != num_outputs or widths != {num_inputs}:
        numbers = " or ".join(map(str, sorted(widths))) or "none"
        raise ConfigError(
            f"model.init: layer {layer} has {num_outputs} units of {num_inputs} inputs; give as "
            f"many rows of weights, of as many numbers each (received {len(init.weights)} rows of "
            f"{numbers})"
        )
    if init.biases is not None and len(init.biases) != num_outputs:
        raise ConfigError(
            f"model.init: layer {layer} has {num_outputs} units; give as many biases (received "
            f"{len(init.biases)})"
        )


@register("initializer", for_biases=True)
def zeros(weight: Tensor, stream: Stream) -> None:
    """All weights zero, Var(W) = 0: all units of a layer stay the same."""
    weight.zero_()


@register("initializer", for_biases=True)
def constant(weight: Tensor, stream: Stream, *, value: float = 0.5) -> None:
    """All weights the same number: as after zeros, all units of a layer stay the same.

    Args:
        value: of every weight
    """
    weight.fill_(value)


@register("initializer", for_biases=True)
def uniform(weight: Tensor, stream: Stream, *, low: float = -0.05, high: float = 0.05) -> None:
    """Uniform between two bounds: Var(W) = (high - low)^2 / 12.

    Args:
        low: lower bound
        high: upper bound; the bounds are exchanged if it is the lower one
    """
    stream.uniform_(weight, min(low, high), max(low, high))


@register("initializer", for_biases=True)
def normal(
    weight: Tensor, stream: Stream, *, mean: float = 0.0, std: Annotated[float, Ge(0)] = 0.01
) -> None:
    """Normal with a fixed standard deviation: Var(W) = std^2.

    Args:
        mean: mean of the weights
        std: standard deviation of the weights
    """
    stream.normal_(weight, mean, std)


@register("initializer", for_biases=True)
def truncated_normal(
    weight: Tensor, stream: Stream, *, std: Annotated[float, Gt(0)] = 0.01
) -> None:
    """Normal cut off at two standard deviations: Var(W) = 0.774 std^2.

    Args:
        std: standard deviation before cutting
    """
    stream.truncated_normal_(weight, std)


@register("initializer")
def xavier_uniform(weight: Tensor, stream: Stream, *, gain: Annotated[float, Gt(0)] = 1.0) -> None:
    """Uniform with Var(W) = gain^2 2 / (I + O): keeps signals and gradients of linear layers.

    Args:
        gain: factor on the standard deviation

    Reference:
        Glorot and Bengio (2010), Understanding the difficulty of training deep feedforward networks
    """
    _uniform(weight, gain * math.sqrt(2 / sum(weight.shape)), stream)


@register("initializer")
def xavier_normal(weight: Tensor, stream: Stream, *, gain: Annotated[float, Gt(0)] = 1.0) -> None:
    """Normal with Var(W) = gain^2 2 / (I + O): keeps signals and gradients of linear layers.

    Args:
        gain: factor on the standard deviation

    Reference:
        Glorot and Bengio (2010), Understanding the difficulty of training deep feedforward networks
    """
    stream.normal_(weight, 0.0, gain * math.sqrt(2 / sum(weight.shape)))


@register("initializer")
def he_uniform(
    weight: Tensor, stream: Stream, *, negative_slope: Annotated[float, Ge(0)] = 0.0
) -> None:
    """Uniform with Var(W) = 2 / ((1 + negative_slope^2) I): keeps the signal under ReLU.

    Args:
        negative_slope: slope of the leaky ReLU that follows; 0 for ReLU

    Reference:
        He, Zhang, Ren and Sun (2015), Delving deep into rectifiers
    """
    _uniform(weight, math.sqrt(2 / ((1 + negative_slope**2) * weight.shape[1])), stream)


@register("initializer")
def he_normal(
    weight: Tensor, stream: Stream, *, negative_slope: Annotated[float, Ge(0)] = 0.0
) -> None:
    """Normal with Var(W) = 2 / ((1 + negative_slope^2) I): keeps the signal under ReLU.

    Args:
        negative_slope: slope of the leaky ReLU that follows; 0 for ReLU

    Reference:
        He, Zhang, Ren and Sun (2015), Delving deep into rectifiers
    """
    stream.normal_(weight, 0.0, math.sqrt(2 / ((1 + negative_slope**2) * weight.shape[1])))


@register("initializer")
def lecun_uniform(weight: Tensor, stream: Stream) -> None:
    """Uniform with Var(W) = 1 / I: unit variance of z for unit variance of the inputs.

    Reference:
        LeCun, Bottou, Orr and Müller (1998), Efficient backprop
    """
    _uniform(weight, math.sqrt(1 / weight.shape[1]), stream)


@register("initializer")
def lecun_normal(weight: Tensor, stream: Stream) -> None:
    """Normal with Var(W) = 1 / I: unit variance of z; the start that SELU asks for.

    Reference:
        LeCun, Bottou, Orr and Müller (1998), Efficient backprop
    """
    stream.normal_(weight, 0.0, math.sqrt(1 / weight.shape[1]))


@register("initializer")
def orthogonal(weight: Tensor, stream: Stream, *, gain: Annotated[float, Gt(0)] = 1.0) -> None:
    """Orthonormal rows or columns times gain: Var(W) = gain^2 / max(I, O).

    Args:
        gain: of all singular values

    Reference:
        Saxe, McClelland and Ganguli (2014), Exact solutions to the nonlinear dynamics of learning
    """
    stream.orthonormal_(weight, gain)


@register("initializer", starts_on_data=True)
def lsuv(
    weight: Tensor,
    stream: Stream,
    *,
    tolerance: Annotated[float, Gt(0)] = 0.01,
    max_iterations: Annotated[int, Gt(0)] = 10,
) -> None:
    """Orthonormal, then scaled layer by layer until Var(z) = 1 on the first training batch.

    Before the scaling Var(W) = 1 / max(I, O). Layer by layer, the weights are divided by the
    standard deviation of z over the batch and all units, until |Var(z) - 1| < tolerance.

    Args:
        tolerance: largest difference of the variance from 1
        max_iterations: largest number of scalings of a layer

    Reference:
        Mishkin and Matas (2016), All you need is a good init
    """
    stream.orthonormal_(weight)


@register("initializer")
def sparse(
    weight: Tensor,
    stream: Stream,
    *,
    sparsity: Annotated[float, Ge(0), Lt(1)] = 0.9,
    std: Annotated[float, Ge(0)] = 1.0,
) -> None:
    """Normal, but most of the weights into each unit are zero: Var(W) = (1 - sparsity) std^2.

    Args:
        sparsity: share of the weights into each unit that are zero
        std: standard deviation of the other weights

    Reference:
        Martens (2010), Deep learning via Hessian-free optimization
    """
    stream.normal_(weight, 0.0, std)
    chosen = stream.permutations(*weight.shape)[:, : round(sparsity * weight.shape[1])]
    weight.scatter_(1, chosen, 0.0)


@register("initializer")
def identity(weight: Tensor, stream: Stream, *, gain: Annotated[float, Gt(0)] = 1.0) -> None:
    """The identity matrix times gain: Var(W) = gain^2 / max(I, O) (1 - 1 / max(I, O)).

    Args:
        gain: on the diagonal

    Reference:
        Le, Jaitly and Hinton (2015), A simple way to initialize recurrent networks of rectified
        linear units
    """
    torch.nn.init.eye_(weight).mul_(gain)


@register("initializer", written_out=True)
def values(
    weight: Tensor, stream: Stream, *, weights: list[list[float]], biases: list[float] | None = None
) -> None:
    """Weights that are written out in the config.

    Args:
        weights: W, a row per unit with a number per input
        biases: b, a number per unit; default: zeros
    """
    weight.copy_(torch.tensor(weights))


def _uniform(weight: Tensor, std: float, stream: Stream) -> None:
    """Fill uniformly around zero."""
    bound = math.sqrt(3) * std
    stream.uniform_(weight, -bound, bound)


def _torch_bias(bias: Tensor, num_inputs: int, stream: Stream) -> None:
    bound = 1 / math.sqrt(num_inputs)
    stream.uniform_(bias, -bound, bound)


@register("initializer", for_biases=True, own_bias=_torch_bias)
def torch_default(weight: Tensor, stream: Stream) -> None:
    """As torch.nn.Linear: weights and biases uniform with Var(W) = 1 / (3 I)."""
    _uniform(weight, math.sqrt(1 / (3 * weight.shape[1])), stream)
