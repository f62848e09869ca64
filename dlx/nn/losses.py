"""Losses: the cost of every run on its own batch.

# K runs, B batch, C classes, T targets

Each takes the output layer's `z` or `a`, and gives one cost per run, the mean over the batch. No
run's cost depends on another's parameters, so the gradient of their sum is each run's own.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dlx.registry import register


def loss(
    *outputs: str,
    from_z: bool = False,
    with_gradient: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None,
) -> Callable[[Any], Any]:
    """Return a decorator that registers a loss.

    Args:
        outputs: the output functions it can follow; none given: any
        from_z: it takes the output layer's `z` and applies the output function itself
        with_gradient: `with_gradient(z, targets)` returns the costs and dZ, the gradient of each
            run's own cost, in one; default: by autograd
    """

    def decorate(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        function.outputs = outputs  # type: ignore[attr-defined]
        function.from_z = from_z  # type: ignore[attr-defined]
        function.with_gradient = with_gradient  # type: ignore[attr-defined]
        return register("loss")(function)

    return decorate


def _cross_entropy_with_gradient(z: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    log_probabilities = torch.log_softmax(z, -1)
    classes = targets.unsqueeze(-1)
    costs = _mean_at(log_probabilities, classes)
    gradient = log_probabilities.exp_()
    gradient.scatter_add_(-1, classes, gradient.new_full((), -1.0).expand_as(classes))
    return costs, gradient.div_(targets.shape[1])


def _mean_at(log_probabilities: Tensor, classes: Tensor) -> Tensor:
    return log_probabilities.gather(-1, classes).flatten(1).mean(1).neg_()


@loss("softmax", from_z=True, with_gradient=_cross_entropy_with_gradient)
def cross_entropy(z: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of the softmax, -mean log softmax(z)[class], in nats.

    dZ = (softmax(z) - onehot) / B.

    Args:
        z: (K, B, C)
        targets: class numbers, (K, B)
    """
    return _mean_at(torch.log_softmax(z, -1), targets.unsqueeze(-1))


def _binary_cross_entropy_with_gradient(z: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    gradient = torch.exp(-z).add_(1).reciprocal_().sub_(targets).div_(z[0].numel())
    return binary_cross_entropy(z, targets), gradient


@loss("sigmoid", from_z=True, with_gradient=_binary_cross_entropy_with_gradient)
def binary_cross_entropy(z: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy of the sigmoid, -mean (t log a + (1 - t) log(1 - a)), in nats.

    dZ = (sigmoid(z) - t) / (B T).

    Args:
        z: (K, B, T)
        targets: in [0, 1], (K, B, T)
    """
    costs = targets * F.logsigmoid(z) + (1 - targets) * F.logsigmoid(-z)
    return -costs.flatten(1).mean(1)


@loss()
def mse(a: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error, mean (a - t)^2 over batch and outputs.

    Args:
        a: (K, B, T)
        targets: (K, B, T)
    """
    difference = a - targets
    return (difference * difference).flatten(1).mean(1)
