"""Muon: a momentum with nearly equal singular values for weight matrices, AdamW for the rest.

# K runs, I inputs, O outputs
"""

import math
from typing import Any, Literal

from torch import Tensor

from dlx.nn.products import product
from dlx.optimizers.rule import Betas, Decay, Layout, Rate, Rule, Share
from dlx.optimizers.rules import MOMENTS, named_betas, update_adam
from dlx.registry import register

_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
_SMALLEST_NORM = 1e-7


@register("optimizer")
def muon(
    *,
    lr: Rate = 0.002,
    momentum: Share = 0.95,
    nesterov: bool = True,
    scale: Literal["match_rms_adamw", "original"] = "match_rms_adamw",
    betas: Betas = [0.9, 0.999],
    eps: Rate = 1e-8,
    weight_decay: Decay = 0.1,
) -> Rule:
    """Muon: weight matrices step along their orthogonalized momentum; AdamW for biases.

    m <- momentum m + (1 - momentum) g, u = (1 - momentum) g + momentum m if nesterov, else m,
    W <- (1 - lr weight_decay) W - lr s U V^T with u = U S V^T. Five steps of a Newton-Schulz
    iteration bring every singular value between 0.7 and 1.2. The iteration computes in the weights'
    own precision; torch's uses bfloat16.

    Args:
        lr: learning rate, also of AdamW
        momentum: share of m that is kept
        nesterov: use the momentum after the step
        scale: s; match_rms_adamw is 0.2 sqrt(max(I, O)), which makes steps as large as AdamW's;
            original is sqrt(max(1, O / I))
        betas: of AdamW, for biases, gains and slopes
        eps: of AdamW
        weight_decay: share of the weights that is subtracted, times lr

    Reference:
        Jordan, Jin, Boza, You, Cesista, Newhouse and Bernstein (2024), Muon: an optimizer for
        hidden layers in neural networks; Liu et al. (2025), Muon is scalable for LLM training
    """
    return Rule(
        _update,
        named_betas(betas, lr=lr, eps=eps, weight_decay=weight_decay)
        | {"momentum": momentum, "nesterov": nesterov, "scale": scale},
        MOMENTS,
        fused=("cpu", "cuda"),
        decoupled=True,
        shaped=True,
    )


def _update(
    parameters: list[Tensor],
    gradients: list[Tensor],
    exp_avgs: list[Tensor],
    exp_avg_sqs: list[Tensor],
    state_steps: list[Tensor],
    *,
    layout: Layout,
    lr: float,
    weight_decay: float,
    momentum: float,
    nesterov: bool,
    scale: str,
    **adam: Any,
) -> None:
    """Update the parameters.

    `exp_avgs` holds Muon's momentum of the weights and AdamW's mean of all other gradients. AdamW's
    second moment of the weights stays zero.
    """
    (values,), (gradient,), (means,) = parameters, gradients, exp_avgs
    weights = values[:, layout.weights]
    if weight_decay:
        weights.mul_(1 - lr * weight_decay)
    step, mean = gradient[:, layout.weights], means[:, layout.weights]
    # Not torch's lerp: it rounds differently at the end of a buffer.
    mean.mul_(momentum).add_(step * (1 - momentum))
    step = (step * (1 - momentum)).add_(mean * momentum) if nesterov else mean
    for columns, shape in layout.matrices:
        update = orthogonalized(step[:, columns].reshape(-1, *shape[-2:]))
        inputs, outputs = shape[-2:]
        factor = (
            0.2 * math.sqrt(max(inputs, outputs))
            if scale == "match_rms_adamw"
            else math.sqrt(max(1, outputs / inputs))
        )
        weights[:, columns].sub_(update.reshape(len(values), -1).mul_(lr * factor))
    rest = slice(layout.weights.stop, None)
    squares = exp_avg_sqs[0]
    # Copies, since fused kernels need contiguous tensors.
    copies = [tensor[:, rest].contiguous() for tensor in (values, gradient, means, squares)]
    vectors, slopes, firsts, seconds = copies
    adam |= {"lr": lr, "weight_decay": weight_decay, "decoupled_weight_decay": True}
    update_adam([vectors], [slopes], [firsts], [seconds], state_steps, **adam)
    values[:, rest], means[:, rest], squares[:, rest] = vectors, firsts, seconds


def orthogonalized(matrices: Tensor) -> Tensor:
    """Return nearly U V^T of each matrix U S V^T: (K, I, O) to (K, I, O).

    X <- a X + (b A + c A^2) X with A = X X^T, five times, starting from X / |X|; zero stays zero.
    """
    wide = matrices.shape[1] <= matrices.shape[2]
    x = (matrices if wide else matrices.mT).contiguous()
    norms = x.flatten(1).square().sum(1).sqrt_().clamp_min_(_SMALLEST_NORM)
    x = x / norms.view(-1, 1, 1)
    a, b, c = _NEWTON_SCHULZ
    for _ in range(_ITERATIONS):
        gram = product(x, x.mT)
        polynomial = product(gram, gram).mul_(c).add_(gram * b)
        x = product(polynomial, x).add_(x * a)
    return x if wide else x.mT
