"""Sparsity penalties: what an autoencoder's cost is raised by for units of the code that are on.

# K runs, B batch, C units of the code

Each registered function takes codes and returns a number per run, which autograd differentiates. No
run's number depends on another run's codes.
"""

from collections.abc import Sequence
from typing import Annotated

import torch
from annotated_types import Gt, Lt
from torch import Tensor

from dlx.config.types import Choice
from dlx.nn.passes import Pass
from dlx.registry import register
from dlx.segments import chosen


@register("sparsity")
def l1(code: Tensor) -> Tensor:
    """The sum of a row's absolute values, averaged over the batch: mean_b sum_j |h_bj|.

    Args:
        code: h, (K, B, C)

    Reference:
        Tibshirani (1996), Regression shrinkage and selection via the lasso
    """
    return code.abs().flatten(1).sum(1) / code.shape[1]


@register("sparsity", of_probabilities=True)
def kl(code: Tensor, *, rate: Annotated[float, Gt(0), Lt(1)] = 0.05) -> Tensor:
    """The divergence of each unit's mean over the batch from a rate: sum_j KL(rate || mean_b h_bj).

    KL(r || m) = r log(r / m) + (1 - r) log((1 - r) / (1 - m)), in nats, is the divergence of two
    Bernoulli distributions. Units must lie in (0, 1), as after a sigmoid.

    Args:
        code: h, (K, B, C)
        rate: r, the wanted mean of each unit

    Reference:
        Ng (2011), Sparse autoencoder, CS294A lecture notes
    """
    # Means that round to 0 or 1 get the largest finite divergence.
    limits = torch.finfo(code.dtype)
    mean = (code.sum(1) / code.shape[1]).clamp(limits.tiny, 1 - limits.eps)
    divergence = rate * torch.log(rate / mean) + (1 - rate) * torch.log((1 - rate) / (1 - mean))
    return divergence.sum(1)


class Sparsity:
    """The sparsity penalties, with their weights, of the runs that have one."""

    def __init__(self, choices: Sequence[Choice | None]) -> None:
        self._segments = chosen(choices)

    def forward(self, code: Tensor, pass_: Pass) -> None:
        """Add the weighted penalties of codes (K, B, C) to the cost, and measure the penalties."""
        if not self._segments:
            return
        trains = pass_.tape is not None
        penalties, weighted = code.new_zeros(2, len(code)).unbind()
        gradients = []
        for rows, penalty in self._segments:
            with torch.set_grad_enabled(trains):
                own = code[rows].detach().requires_grad_(trains)
                values = penalty(own)
                if trains:
                    gradients.append(penalty.weight * torch.autograd.grad(values.sum(), own)[0])
            penalties[rows] = values.detach()
            weighted[rows] = penalty.weight * values.detach()
        pass_.terms["sparsity"] = weighted
        if pass_.measured is not None:
            pass_.measured["sparsity"] = penalties
        if pass_.tape is not None:
            pass_.tape.append(gradients)

    def backward(self, upstream: Tensor, pass_: Pass) -> Tensor:
        """Return the gradient of the code; that of the layers above (K, B, C) is written over."""
        if self._segments:
            for (rows, _), gradient in zip(self._segments, pass_.pop(), strict=True):
                upstream[rows] += gradient
        return upstream
