"""The update rules of `torch.optim` in its functional form, with names and defaults; and Lion's.

The keyword-only parameters of a registered function are the optimizer's settings; it returns the
rule with these settings under torch's names. The functional form has the same bits as the classes
of `torch.optim`. These are not used because their construction imports torch's compiler, which
takes longer than everything else before the first step.
"""

from typing import Annotated, Any

import torch
from annotated_types import Gt, Lt
from torch import Tensor
from torch.optim.adadelta import adadelta as torch_adadelta
from torch.optim.adagrad import adagrad as torch_adagrad
from torch.optim.adam import adam as torch_adam
from torch.optim.adamax import adamax as torch_adamax
from torch.optim.nadam import nadam as torch_nadam
from torch.optim.radam import radam as torch_radam
from torch.optim.rmsprop import rmsprop as torch_rmsprop
from torch.optim.sgd import sgd as torch_sgd

from dlx.optimizers.rule import Betas, Decay, Rate, Rule, Share
from dlx.registry import register

MOMENTS = {"exp_avgs": 0.0, "exp_avg_sqs": 0.0}
"""The state of Adam and its variants: the running means of g and of g^2, from zero."""


def _gradient_descent(settings: dict[str, Any]) -> Rule:
    return Rule(
        torch_sgd,
        {"momentum": 0.0, "dampening": 0.0, "nesterov": False, "maximize": False, **settings},
        {"momentum_buffer_list": None},
        counters={},
        fused=("cpu", "cuda"),
    )


@register("optimizer")
def sgd(*, lr: Rate = 0.01, weight_decay: Decay = 0.0) -> Rule:
    """Gradient descent: w <- w - lr g.

    Args:
        lr: learning rate
        weight_decay: L2 penalty; weight_decay w is added to the gradient

    Reference:
        Robbins and Monro (1951), A stochastic approximation method
    """
    return _gradient_descent({"lr": lr, "weight_decay": weight_decay})


@register("optimizer")
def momentum(
    *, lr: Rate = 0.01, momentum: Share = 0.9, dampening: Share = 0.0, weight_decay: Decay = 0.0
) -> Rule:
    """Gradient descent with momentum: v <- momentum v + (1 - dampening) g, w <- w - lr v.

    Args:
        lr: learning rate
        momentum: share of the velocity that is kept
        dampening: share of the gradient that does not enter the velocity; if it equals `momentum`,
            the velocity is the exponentially weighted mean of the gradients
        weight_decay: L2 penalty; weight_decay w is added to the gradient

    Reference:
        Polyak (1964), Some methods of speeding up the convergence of iteration methods
    """
    return _gradient_descent(
        {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay}
    )


@register("optimizer")
def nesterov(
    *, lr: Rate = 0.01, momentum: Annotated[float, Gt(0), Lt(1)] = 0.9, weight_decay: Decay = 0.0
) -> Rule:
    """Nesterov's accelerated gradient: v <- momentum v + g, w <- w - lr (g + momentum v).

    Args:
        lr: learning rate
        momentum: share of the velocity that is kept, above 0
        weight_decay: L2 penalty; weight_decay w is added to the gradient

    Reference:
        Sutskever, Martens, Dahl and Hinton (2013), On the importance of initialization and momentum
    """
    return _gradient_descent(
        {"lr": lr, "momentum": momentum, "nesterov": True, "weight_decay": weight_decay}
    )


@register("optimizer")
def adagrad(
    *,
    lr: Rate = 0.01,
    lr_decay: Decay = 0.0,
    weight_decay: Decay = 0.0,
    initial_accumulator_value: Decay = 0.0,
    eps: Rate = 1e-10,
) -> Rule:
    """Adagrad: s <- s + g^2, w <- w - lr g / (sqrt(s) + eps).

    Args:
        lr: learning rate
        lr_decay: the rate is divided by 1 + lr_decay t after t steps
        weight_decay: L2 penalty; weight_decay w is added to the gradient
        initial_accumulator_value: initial value of s
        eps: keeps the quotient finite

    Reference:
        Duchi, Hazan and Singer (2011), Adaptive subgradient methods
    """
    settings = {"lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay, "eps": eps}
    return Rule(
        torch_adagrad,
        settings | {"maximize": False},
        {"state_sums": initial_accumulator_value},
        fused=("cpu",),  # on CUDA only in newer torch than 2.10
    )


@register("optimizer")
def rmsprop(
    *,
    lr: Rate = 0.001,
    alpha: Share = 0.9,
    eps: Rate = 1e-8,
    momentum: Share = 0.0,
    centered: bool = False,
    weight_decay: Decay = 0.0,
) -> Rule:
    """RMSprop: s <- alpha s + (1 - alpha) g^2, w <- w - lr g / (sqrt(s) + eps).

    Args:
        lr: learning rate
        alpha: share of s that is kept (0.9 as in the lecture; torch's default is 0.99)
        eps: keeps the quotient finite
        momentum: share of the velocity that is kept
        centered: subtract the square of the mean gradient from s
        weight_decay: L2 penalty; weight_decay w is added to the gradient

    Reference:
        Tieleman and Hinton (2012), Neural networks for machine learning, lecture 6e
    """
    optional = {"grad_avgs": centered, "momentum_buffer_list": momentum > 0}
    state = {"square_avgs": 0.0} | {name: 0.0 for name, used in optional.items() if used}
    unused = {name: [] for name, used in optional.items() if not used}
    settings = {"lr": lr, "alpha": alpha, "eps": eps, "momentum": momentum, "centered": centered}
    return Rule(torch_rmsprop, settings | {"weight_decay": weight_decay} | unused, state)


@register("optimizer")
def adadelta(
    *, lr: Rate = 1.0, rho: Share = 0.9, eps: Rate = 1e-6, weight_decay: Decay = 0.0
) -> Rule:
    """Adadelta: the step is g times the ratio of the root mean squares of steps and of g.

    Args:
        lr: factor of the step
        rho: share of the running means that is kept
        eps: is added under both roots
        weight_decay: L2 penalty; weight_decay w is added to the gradient

    Reference:
        Zeiler (2012), Adadelta: an adaptive learning rate method
    """
    settings = {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": False}
    return Rule(torch_adadelta, settings, {"square_avgs": 0.0, "acc_deltas": 0.0})


def named_betas(betas: Betas, **settings: Any) -> dict[str, Any]:
    """Return the settings of Adam and its variants under torch's names."""
    return settings | {"beta1": betas[0], "beta2": betas[1]}


def update_adam(
    parameters: list[Tensor],
    gradients: list[Tensor],
    exp_avgs: list[Tensor],
    exp_avg_sqs: list[Tensor],
    state_steps: list[Tensor],
    *,
    decoupled_weight_decay: bool,
    fused: bool = False,
    **settings: Any,
) -> None:
    """Make Adam's step; a fused one calls the kernel itself.

    `torch.optim` spends half the time of the kernel on finding out which tensors go together.
    """
    settings |= {"amsgrad": False, "maximize": False}
    state = (parameters, gradients, exp_avgs, exp_avg_sqs, [], state_steps)
    if fused:
        for steps in state_steps:
            steps.add_(1)
        aten = torch.ops.aten
        kernel = aten._fused_adamw_ if decoupled_weight_decay else aten._fused_adam_
        kernel(*state, **settings)
    else:
        torch_adam(*state, decoupled_weight_decay=decoupled_weight_decay, **settings)


def _adam(decoupled: bool, settings: dict[str, Any]) -> Rule:
    return Rule(
        update_adam,
        settings | {"decoupled_weight_decay": decoupled},
        MOMENTS,
        fused=("cpu", "cuda"),
        decoupled=decoupled,
    )


@register("optimizer")
def adam(
    *, lr: Rate = 0.001, betas: Betas = [0.9, 0.999], eps: Rate = 1e-8, weight_decay: Decay = 0.0
) -> Rule:
    """Adam: w <- w - lr m / (sqrt(s) + eps), with bias-corrected means m of g and s of g^2.

    Args:
        lr: learning rate
        betas: shares of m and of s that are kept
        eps: keeps the quotient finite
        weight_decay: L2 penalty; weight_decay w is added to the gradient

    Reference:
        Kingma and Ba (2015), Adam: a method for stochastic optimization
    """
    return _adam(False, named_betas(betas, lr=lr, eps=eps, weight_decay=weight_decay))


@register("optimizer")
def adamw(
    *, lr: Rate = 0.001, betas: Betas = [0.9, 0.999], eps: Rate = 1e-8, weight_decay: Decay = 0.01
) -> Rule:
    """Adam with decoupled weight decay: w <- (1 - lr weight_decay) w before Adam's step.

    Args:
        lr: learning rate
        betas: shares of m and of s that are kept
        eps: keeps the quotient finite
        weight_decay: share of the weights that is subtracted, times lr

    Reference:
        Loshchilov and Hutter (2019), Decoupled weight decay regularization
    """
    return _adam(True, named_betas(betas, lr=lr, eps=eps, weight_decay=weight_decay))


@register("optimizer")
def nadam(
    *,
    lr: Rate = 0.002,
    betas: Betas = [0.9, 0.999],
    eps: Rate = 1e-8,
    weight_decay: Decay = 0.0,
    momentum_decay: Decay = 0.004,
) -> Rule:
    """Adam with Nesterov's momentum.

    Args:
        lr: learning rate
        betas: shares of m and of s that are kept
        eps: keeps the quotient finite
        weight_decay: L2 penalty; weight_decay w is added to the gradient
        momentum_decay: how fast the momentum rises to beta1; smaller is slower

    Reference:
        Dozat (2016), Incorporating Nesterov momentum into Adam
    """
    settings = named_betas(
        betas, lr=lr, eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay
    )
    return Rule(torch_nadam, settings, MOMENTS, {"mu_products": 1.0, "state_steps": 0.0})


@register("optimizer")
def radam(
    *, lr: Rate = 0.001, betas: Betas = [0.9, 0.999], eps: Rate = 1e-8, weight_decay: Decay = 0.0
) -> Rule:
    """Adam whose step is divided by sqrt(s) only once the variance of s is small enough.

    Args:
        lr: learning rate
        betas: shares of m and of s that are kept
        eps: keeps the quotient finite
        weight_decay: L2 penalty; weight_decay w is added to the gradient

    Reference:
        Liu, Jiang, He, Chen, Liu, Gao and Han (2020), On the variance of the adaptive learning rate
    """
    settings = named_betas(betas, lr=lr, eps=eps, weight_decay=weight_decay)
    return Rule(torch_radam, settings, MOMENTS)


@register("optimizer")
def adamax(
    *, lr: Rate = 0.002, betas: Betas = [0.9, 0.999], eps: Rate = 1e-8, weight_decay: Decay = 0.0
) -> Rule:
    """Adam with the infinity norm: s <- max(beta2 s, |g| + eps).

    Args:
        lr: learning rate
        betas: shares of m and of s that are kept
        eps: keeps the quotient finite
        weight_decay: L2 penalty; weight_decay w is added to the gradient

    Reference:
        Kingma and Ba (2015), Adam: a method for stochastic optimization, section 7
    """
    settings = named_betas(betas, lr=lr, eps=eps, weight_decay=weight_decay)
    return Rule(torch_adamax, settings, {"exp_avgs": 0.0, "exp_infs": 0.0})


def _update_lion(
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
    return Rule(
        _update_lion,
        named_betas(betas, lr=lr, weight_decay=weight_decay),
        {"exp_avgs": 0.0},
        counters={},
        decoupled=True,
    )
