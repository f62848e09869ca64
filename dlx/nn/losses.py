"""Losses: the cost of every run on its own batch.

# K runs, B batch, C classes, T targets

Each function takes the output layer's `z` or `a` and returns one cost per run, the mean over the
batch. No run's cost depends on another run's parameters, so the gradient of the sum of the costs is
each run's own. A loss that is a mean over the outputs too can take a weight for each output of each
row. Its traits are explained at `LossTraits`. The option `class_weights` reaches the function as a
tensor (see `head.py`).
"""

from typing import Annotated, cast

import torch
import torch.nn.functional as F
from annotated_types import Ge, Gt, Lt
from torch import Tensor

from dlx.config.types import ClassWeights
from dlx.registry import register

Costs = tuple[Tensor, Tensor]
"""The costs (K,) and dZ, the gradient of each run's own cost: (K, B, C)."""


def _mean(costs: Tensor, weights: Tensor | None = None) -> Tensor:
    return _weighted(costs, weights).flatten(1).mean(1)


def _weighted(values: Tensor, weights: Tensor | None) -> Tensor:
    return values if weights is None else values * weights


def _mean_at(log_probabilities: Tensor, classes: Tensor) -> Tensor:
    return _mean(log_probabilities.gather(-1, classes)).neg_()


def _class_shares(
    targets: Tensor, like: Tensor, label_smoothing: float, class_weights: Tensor | None
) -> Tensor:
    """Return the factor of each log probability: w (onehot (1 - s) + s / C), (K, B, C)."""
    num_classes, classes = like.shape[-1], targets.unsqueeze(-1)
    weights = like.new_ones(num_classes) if class_weights is None else class_weights
    own_weights = weights.index_select(0, targets.reshape(-1)).view(*targets.shape, 1)
    # As in torch: the share that smoothing gives to another class has that class's weight.
    share = label_smoothing / num_classes
    return (
        (weights * share)
        .expand_as(like)
        .scatter(-1, classes, own_weights * (1 - label_smoothing + share))
    )


def _cross_entropy_with_gradient(
    z: Tensor, targets: Tensor, *, label_smoothing: float = 0.0, class_weights: Tensor | None = None
) -> Costs:
    log_probabilities = torch.log_softmax(z, -1)
    if not label_smoothing and class_weights is None:
        classes = targets.unsqueeze(-1)
        costs = _mean_at(log_probabilities, classes)
        gradient = log_probabilities.exp_()
        gradient.scatter_add_(-1, classes, gradient.new_full((), -1.0).expand_as(classes))
        return costs, gradient.div_(targets.shape[1])
    shares = _class_shares(targets, z, label_smoothing, class_weights)
    costs = _weighted_cost(log_probabilities, shares)
    gradient = log_probabilities.exp_().mul_(shares.sum(-1, keepdim=True)).sub_(shares)
    return costs, gradient.div_(targets.shape[1])


def _weighted_cost(log_probabilities: Tensor, shares: Tensor) -> Tensor:
    return (log_probabilities * shares).flatten(1).sum(1).div(-shares.shape[1])


@register(
    "loss",
    "softmax",
    from_z=True,
    exclusive=True,
    needs_classes=True,
    with_gradient=_cross_entropy_with_gradient,
)
def cross_entropy(
    z: Tensor,
    targets: Tensor,
    *,
    label_smoothing: Annotated[float, Ge(0), Lt(1)] = 0.0,
    class_weights: ClassWeights = None,
) -> Tensor:
    """Cross-entropy of the softmax, -mean log softmax(z)[class], in nats.

    With targets q = onehot (1 - s) + s / C and class weights w, the cost is
    -mean sum_c w_c q_c log softmax(z)_c, and dZ = (softmax(z) sum_c w_c q_c - w q) / B. The mean
    is taken over the rows, as in Keras, so that a row costs the same in every batch; torch divides
    by the sum of the rows' weights.

    Args:
        z: (K, B, C)
        targets: class numbers, (K, B)
        label_smoothing: s, the share of each target that is spread over all classes
        class_weights: balanced (training rows / (classes × rows of the class)), or a number per
            class

    Reference:
        Szegedy, Vanhoucke, Ioffe, Shlens and Wojna (2016), Rethinking the Inception architecture
    """
    log_probabilities = torch.log_softmax(z, -1)
    if not label_smoothing and class_weights is None:
        return _mean_at(log_probabilities, targets.unsqueeze(-1))
    shares = _class_shares(targets, z, label_smoothing, cast(Tensor | None, class_weights))
    return _weighted_cost(log_probabilities, shares)


def _binary_cross_entropy_with_gradient(
    z: Tensor,
    targets: Tensor,
    weights: Tensor | None = None,
    *,
    class_weights: Tensor | None = None,
) -> Costs:
    costs = binary_cross_entropy(z, targets, weights, class_weights=class_weights)
    gradient = torch.exp(-z).add_(1).reciprocal_().sub_(targets)
    if class_weights is not None:
        gradient.mul_(_label_weights(targets, class_weights))
    return costs, _weighted(gradient.div_(z[0].numel()), weights)


@register(
    "loss",
    "sigmoid",
    from_z=True,
    needs_classes=True,
    of_probabilities=True,
    weighs=True,
    with_gradient=_binary_cross_entropy_with_gradient,
)
def binary_cross_entropy(
    z: Tensor, targets: Tensor, weights: Tensor | None = None, *, class_weights: ClassWeights = None
) -> Tensor:
    """Binary cross-entropy of the sigmoid, -mean (t log a + (1 - t) log(1 - a)), in nats.

    This equals |z| / 2 + (1/2 - t) z - log sigmoid(|z|); dZ = w (sigmoid(z) - t) / (B T) with the
    weight w of the target's side, 0 or 1.

    Args:
        z: (K, B, T)
        targets: of 0 and 1, (K, B, T)
        weights: of each output's cost, (K, B, T); None: 1
        class_weights: balanced (training rows / (2 × rows of that side)), or a number for each of
            two classes; of several outputs, a number per output, for the rows that have its class
            or label (the weight of other rows is 1)
    """
    costs = sigmoid_cross_entropies(z, targets)
    side_weights = cast(Tensor | None, class_weights)
    if side_weights is not None:
        costs = costs * _label_weights(targets, side_weights)
    return _mean(costs, weights)


def sigmoid_cross_entropies(z: Tensor, targets: Tensor) -> Tensor:
    """Return -t log sigmoid(z) - (1 - t) log(1 - sigmoid(z)) of each output, in nats.

    z has any shape, and t in [0, 1] one that broadcasts against it.
    """
    # |z| / 2 + (1/2 - t) z is exactly 0 or |z| for t of 0 and 1. This has one logarithm, the
    # definition two, and autograd's derivative is right at z = 0 too.
    size = z.abs()
    return 0.5 * size + (0.5 - targets) * z - F.logsigmoid(size)


def _label_weights(targets: Tensor, class_weights: Tensor) -> Tensor:
    """Return the weight of each target (K, B, T) from the weights of both sides (2, T)."""
    return torch.where(targets > 0.5, class_weights[1], class_weights[0])


def _mse_with_gradient(a: Tensor, targets: Tensor, weights: Tensor | None = None) -> Costs:
    difference = a - targets
    costs = _mean(difference * difference, weights)
    return costs, _weighted(difference.mul_(2 / a[0].numel()), weights)


@register("loss", weighs=True, with_gradient=_mse_with_gradient)
def mse(a: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean squared error, mean (a - t)^2 over batch and outputs.

    Args:
        a: (K, B, T)
        targets: (K, B, T)
        weights: of each output's cost, (K, B, T); None: 1
    """
    difference = a - targets
    return _mean(difference * difference, weights)


def _mae_with_gradient(a: Tensor, targets: Tensor, weights: Tensor | None = None) -> Costs:
    difference = a - targets
    costs = _mean(difference.abs(), weights)
    return costs, _weighted(difference.sign_().div_(a[0].numel()), weights)


@register("loss", weighs=True, with_gradient=_mae_with_gradient)
def mae(a: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean absolute error, mean |a - t| over batch and outputs: outliers weigh less than in mse.

    Args:
        a: (K, B, T)
        targets: (K, B, T)
        weights: of each output's cost, (K, B, T); None: 1
    """
    return _mean((a - targets).abs(), weights)


def _huber_with_gradient(
    a: Tensor, targets: Tensor, weights: Tensor | None = None, *, delta: float = 1.0
) -> Costs:
    costs = huber(a, targets, weights, delta=delta)
    gradient = (a - targets).clamp_(-delta, delta).div_(a[0].numel())
    return costs, _weighted(gradient, weights)


@register("loss", weighs=True, with_gradient=_huber_with_gradient)
def huber(
    a: Tensor,
    targets: Tensor,
    weights: Tensor | None = None,
    *,
    delta: Annotated[float, Gt(0)] = 1.0,
) -> Tensor:
    """Huber's loss of d = a - t: d² / 2 up to |d| = delta, beyond it delta (|d| - delta / 2).

    Args:
        a: (K, B, T)
        targets: (K, B, T)
        weights: of each output's cost, (K, B, T); None: 1
        delta: error above which the cost grows linearly

    Reference:
        Huber (1964), Robust estimation of a location parameter
    """
    size = (a - targets).abs()
    bounded = size.clamp_max(delta)
    return _mean(bounded * (size - bounded / 2), weights)


def _margins(z: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return 1 - the margin, the row's class and the class of the largest other z: (K, B, 1)."""
    classes = targets.unsqueeze(-1)
    others = z.scatter(-1, classes, -torch.inf)
    rivals = others.argmax(-1, keepdim=True)
    return 1 + z.gather(-1, rivals) - z.gather(-1, classes), classes, rivals


def _hinge_with_gradient(z: Tensor, targets: Tensor) -> Costs:
    if targets.is_floating_point():
        margins = 1 - targets * z
        gradient = torch.where(margins > 0, -targets, 0).div_(z[0].numel())
        return _mean(margins.clamp_min(0)), gradient
    margins, classes, rivals = _margins(z, targets)
    slope = (margins > 0).to(z.dtype).div_(z.shape[1])
    gradient = torch.zeros_like(z).scatter_(-1, classes, -slope).scatter_(-1, rivals, slope)
    return _mean(margins.clamp_min(0)), gradient


@register(
    "loss",
    "identity",
    from_z=True,
    exclusive=True,
    signed=True,
    needs_classes=True,
    with_gradient=_hinge_with_gradient,
)
def hinge(z: Tensor, targets: Tensor) -> Tensor:
    """The hinge loss of support vector machines: mean max(0, 1 - margin).

    The margin of two classes or of a label, t = -1 or 1, is t z; that of several classes (Crammer
    and Singer) is z of the row's class minus the largest other z. (torch's multi_margin_loss is
    that of Weston and Watkins, which adds up all other classes.)

    Args:
        z: (K, B, C) or (K, B, T)
        targets: class numbers (K, B), or -1 and 1 (K, B, T)

    Reference:
        Crammer and Singer (2001), On the algorithmic implementation of multiclass kernel-based
        vector machines
    """
    if targets.is_floating_point():
        return _mean((1 - targets * z).clamp_min(0))
    return _mean(_margins(z, targets)[0].clamp_min(0))
