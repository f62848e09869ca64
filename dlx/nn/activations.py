"""Activation functions `a = g(z)`, elementwise on tensors of any shape.

torch's own sigmoid, elu, selu, silu, softplus, mish and gelu give different bits in the last
elements of a buffer than in its middle, so that a run's values would depend on its place in the
cohort. Here they are composed of exp, expm1, log1p, tanh, erf and reciprocal, which do not.

Each function takes `z` (and `slope`, if that is learned) and returns a tensor like `z`. Its traits,
such as the formula of the backward pass dZ = dA g'(Z), are explained at `ActivationTraits`.
"""

import math
from typing import Annotated

import torch
from annotated_types import Ge, Gt
from torch import Tensor

from dlx.registry import register

aten = torch.ops.aten


@register("activation", backward=lambda da, z, a: da, module=torch.nn.Identity)
def identity(z: Tensor) -> Tensor:
    """The identity, g(z) = z: a linear layer."""
    return z


@register(
    "activation",
    backward=lambda da, z, a: aten.sigmoid_backward.grad_input(da, a, grad_input=da),
    module=torch.nn.Sigmoid,
    bounds=(0, 1),
)
def sigmoid(z: Tensor) -> Tensor:
    """The logistic function, g(z) = 1 / (1 + exp(-z)), with g' = a (1 - a) <= 1/4."""
    # Not exp(-z).add_(1): in an output layer autograd needs the result of exp unchanged.
    return (1 + torch.exp(-z)).reciprocal_()


@register(
    "activation",
    backward=lambda da, z, a: aten.tanh_backward.grad_input(da, a, grad_input=da),
    module=torch.nn.Tanh,
    bounds=(-1, 1),
)
def tanh(z: Tensor) -> Tensor:
    """The hyperbolic tangent, g(z) = tanh(z), with g' = 1 - a^2."""
    return torch.tanh(z)


@register(
    "activation",
    backward=lambda da, z, a: aten.threshold_backward.grad_input(da, z, 0, grad_input=da),
    module=torch.nn.ReLU,
    rectifies=True,
)
def relu(z: Tensor) -> Tensor:
    """The rectifier, g(z) = max(0, z).

    Reference:
        Nair and Hinton (2010), Rectified linear units improve restricted Boltzmann machines
    """
    return z.clamp_min(0)


@register(
    "activation",
    backward=lambda da, z, a, negative_slope: aten.leaky_relu_backward.grad_input(
        da, z, negative_slope, False, grad_input=da
    ),
    module=torch.nn.LeakyReLU,
)
def leaky_relu(z: Tensor, *, negative_slope: Annotated[float, Ge(0)] = 0.01) -> Tensor:
    """The leaky rectifier, g(z) = z for z > 0, else negative_slope z.

    Args:
        negative_slope: slope for z <= 0

    Reference:
        Maas, Hannun and Ng (2013), Rectifier nonlinearities improve neural network acoustic models
    """
    return torch.nn.functional.leaky_relu(z, negative_slope)


@register("activation", learned={"slope": 0.25}, module=torch.nn.PReLU)
def prelu(z: Tensor, slope: Tensor) -> Tensor:
    """The leaky rectifier with a learned slope, one per layer, which starts at 0.25.

    Reference:
        He, Zhang, Ren and Sun (2015), Delving deep into rectifiers
    """
    return torch.where(z > 0, z, z * slope)


@register(
    "activation",
    backward=lambda da, z, a, alpha: torch.where(z > 0, da, da * (a + alpha)),
    module=torch.nn.ELU,
)
def elu(z: Tensor, *, alpha: Annotated[float, Gt(0)] = 1.0) -> Tensor:
    """The exponential linear unit, g(z) = z for z > 0, else alpha (exp(z) - 1).

    Args:
        alpha: minus the limit for z to minus infinity

    Reference:
        Clevert, Unterthiner and Hochreiter (2016), Fast and accurate deep network learning by ELUs
    """
    return torch.where(z > 0, z, alpha * torch.expm1(z.clamp_max(0)))


_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


@register(
    "activation",
    backward=lambda da, z, a: da * torch.where(z > 0, _SELU_SCALE, a + _SELU_SCALE * _SELU_ALPHA),
    module=torch.nn.SELU,
)
def selu(z: Tensor) -> Tensor:
    """The self-normalizing unit, g(z) = 1.0507 elu(z, alpha = 1.6733).

    Reference:
        Klambauer, Unterthiner, Mayr and Hochreiter (2017), Self-normalizing neural networks
    """
    return _SELU_SCALE * elu(z, alpha=_SELU_ALPHA)


def _gelu_backward(da: Tensor, z: Tensor, a: Tensor) -> Tensor:
    cumulative = 0.5 * (1 + torch.erf(z * math.sqrt(0.5)))
    return da * (cumulative + z * torch.exp(-0.5 * z * z) * (1 / math.sqrt(2 * math.pi)))


@register("activation", backward=_gelu_backward, module=torch.nn.GELU)
def gelu(z: Tensor) -> Tensor:
    """The Gaussian error linear unit, g(z) = z (1 + erf(z / sqrt 2)) / 2.

    Reference:
        Hendrycks and Gimpel (2016), Gaussian error linear units
    """
    return z * (0.5 * (1 + torch.erf(z * math.sqrt(0.5))))


def _silu_backward(da: Tensor, z: Tensor, a: Tensor) -> Tensor:
    logistic = sigmoid(z)
    return da * (logistic * (1 + z * (1 - logistic)))


@register("activation", backward=_silu_backward, module=torch.nn.SiLU)
def silu(z: Tensor) -> Tensor:
    """The sigmoid-weighted linear unit (swish), g(z) = z / (1 + exp(-z)).

    Reference:
        Elfwing, Uchibe and Doya (2018), Sigmoid-weighted linear units
    """
    return z * torch.reciprocal(1 + torch.exp(-z))


@register("activation", backward=lambda da, z, a: da * sigmoid(z), module=torch.nn.Softplus)
def softplus(z: Tensor) -> Tensor:
    """The smooth rectifier, g(z) = log(1 + exp(z)).

    Reference:
        Dugas, Bengio, Bélisle, Nadeau and Garcia (2001), Incorporating functional knowledge
    """
    return z.clamp_min(0) + torch.log1p(torch.exp(-z.abs()))


def _mish_backward(da: Tensor, z: Tensor, a: Tensor) -> Tensor:
    squashed = torch.tanh(softplus(z))
    return da * (squashed + z * (1 - squashed * squashed) * sigmoid(z))


@register("activation", backward=_mish_backward, module=torch.nn.Mish)
def mish(z: Tensor) -> Tensor:
    """A smooth, non-monotonic rectifier, g(z) = z tanh(softplus(z)).

    Reference:
        Misra (2019), Mish: a self regularized non-monotonic activation function
    """
    return z * torch.tanh(softplus(z))


@register("activation", backward=lambda da, z, a: da * (z.abs() < 1), module=torch.nn.Hardtanh)
def hardtanh(z: Tensor) -> Tensor:
    """The piecewise linear tanh, g(z) = max(-1, min(1, z))."""
    return z.clamp(-1, 1)


@register("activation", trainable=False)
def step(z: Tensor) -> Tensor:
    """The threshold unit of the perceptron, g(z) = 1 for z > 0, else 0: it cannot be trained.

    Reference:
        Rosenblatt (1958), The perceptron
    """
    return (z > 0).to(z.dtype)
