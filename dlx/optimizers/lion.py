"""Lion: steps of equal size along the sign of an interpolated momentum."""

from torch import Tensor

from dlx.optimizers.rule import Betas, Decay, Rate, Rule
from dlx.registry import register


@register("optimizer")
def lion(*, lr: Rate = 1e-4, betas: Betas = [0.9, 0.99], weight_decay: Decay = 0.0) -> Rule:
    """Lion: w <- (1 - lr weight_decay) w - lr sign(beta1 m + (1 - beta1) g), m <- mean of g.

    Args:
        lr: size of every step; take one three to ten times smaller than Adam's
        betas: share of m in the direction of the step, and share of m that is kept
        weight_decay: share of the weights that is subtracted, times lr

    Reference:
        Chen, Liang, Huang, Real, Wang, Liu, Pham, Dong, Luong, Hsieh, Lu and Le (2023), Symbolic
        discovery of optimization algorithms
    """
    beta1, beta2 = betas
    return Rule(
        _update,
        {"lr": lr, "beta1": beta1, "beta2": beta2, "weight_decay": weight_decay},
        {"exp_avgs": 0.0},
        counters={},
        decoupled=True,
    )


def _update(
    parameters: list[Tensor],
    gradients: list[Tensor],
    exp_avgs: list[Tensor],
    *,
    lr: float,
    beta1: float,
    beta2: float,
    weight_decay: float,
) -> None:
    # Not torch's lerp: it rounds differently at the end of a buffer.
    for parameter, gradient, mean in zip(parameters, gradients, exp_avgs, strict=True):
        if weight_decay:
            parameter.mul_(1 - lr * weight_decay)
        direction = (mean * beta1).add_(gradient * (1 - beta1)).sign_()
        parameter.sub_(direction.mul_(lr))
        mean.mul_(beta2).add_(gradient * (1 - beta2))
