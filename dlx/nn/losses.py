"""Losses: the cost of every run on its own batch.

# K runs, B batch, C classes, T targets

Each takes the output layer's `z` or `a`, and gives one cost per run, the mean over the batch.
Their sum over the runs is what is back-propagated: no run's cost depends on another's parameters.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dlx.registry import register


def loss(*outputs: str, from_z: bool = False) -> Callable[[Any], Any]:
    """Return a decorator that registers a loss.

    Args:
        outputs: the output functions it can follow; none given: any
        from_z: it takes the output layer's `z` and applies the output function itself
    """

    def decorate(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        function.outputs = outputs  # type: ignore[attr-defined]
        function.from_z = from_z  # type: ignore[attr-defined]
        return register("loss")(function)

    return decorate


class _CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, classes: Tensor) -> Tensor:
        log_probabilities = torch.log_softmax(z, -1)
        ctx.save_for_backward(log_probabilities, classes)
        return -log_probabilities.gather(-1, classes.unsqueeze(-1)).squeeze(-1).mean(1)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        log_probabilities, classes = ctx.saved_tensors
        gradient = log_probabilities.exp()
        one = gradient.new_full((), -1.0).expand_as(classes).unsqueeze(-1)
        gradient.scatter_add_(-1, classes.unsqueeze(-1), one)
        return gradient.mul_((upstream / classes.shape[1])[:, None, None]), None


@loss("softmax", from_z=True)
def cross_entropy(z: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of the softmax, -mean log softmax(z)[class], in nats.

    dZ = (softmax(z) - onehot) / B.

    Args:
        z: (K, B, C)
        targets: class numbers, (K, B)
    """
    return _CrossEntropy.apply(z, targets)  # type: ignore[return-value]


class _BinaryCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, targets: Tensor) -> Tensor:
        ctx.save_for_backward(z, targets)
        costs = targets * F.logsigmoid(z) + (1 - targets) * F.logsigmoid(-z)
        return -costs.flatten(1).mean(1)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        z, targets = ctx.saved_tensors
        gradient = torch.exp(-z).add_(1).reciprocal_().sub_(targets)
        return gradient.mul_((upstream / z[0].numel())[:, None, None]), None


@loss("sigmoid", from_z=True)
def binary_cross_entropy(z: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy of the sigmoid, -mean (t log a + (1 - t) log(1 - a)), in nats.

    dZ = (sigmoid(z) - t) / (B T).

    Args:
        z: (K, B, T)
        targets: in [0, 1], (K, B, T)
    """
    return _BinaryCrossEntropy.apply(z, targets)  # type: ignore[return-value]


@loss()
def mse(a: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error, mean (a - t)^2 over batch and outputs.

    Args:
        a: (K, B, T)
        targets: (K, B, T)
    """
    difference = a - targets
    return (difference * difference).flatten(1).mean(1)
