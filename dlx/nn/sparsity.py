"""How far the units of a code are from being off: what an autoencoder's cost may be raised by.

# K runs, B batch, C units of the code

Each registered function takes codes, and returns a number per run that autograd differentiates. As
for losses, no run's number depends on another's codes.
"""

from collections.abc import Sequence
from typing import Annotated

import torch
from annotated_types import Gt, Lt
from torch import Tensor

from dlx.config.types import Choice
from dlx.nn.passes import Pass
from dlx.registry import register
from dlx.segments import Segment, segments


@register("sparsity")
def l1(code: Tensor) -> Tensor:
    """The sum of the units' absolute values, of the mean row: mean_b sum_j |h_bj|.

    Args:
        code: h, (K, B, C)

    Reference:
        Tibshirani (1996), Regression shrinkage and selection via the lasso
    """
    return code.abs().flatten(1).sum(1) / code.shape[1]


@register("sparsity", of_probabilities=True)
def kl(code: Tensor, *, rate: Annotated[float, Gt(0), Lt(1)] = 0.05) -> Tensor:
    """How far each unit's mean over the batch is from a rate: sum_j KL(rate || mean_b h_bj).

    KL(r || m) = r log(r / m) + (1 - r) log((1 - r) / (1 - m)), in nats, is the divergence of two
    Bernoulli distributions; units have to be in (0, 1), as after a sigmoid.

    Args:
        code: h, (K, B, C)
        rate: r, the share of rows for which a unit should be on

    Reference:
        Ng (2011), Sparse autoencoder, CS294A lecture notes
    """
    # A unit that is off for all rows, but for rounding, is as far as numbers go, not infinitely.
    limits = torch.finfo(code.dtype)
    mean = (code.sum(1) / code.shape[1]).clamp(limits.tiny, 1 - limits.eps)
    divergence = rate * torch.log(rate / mean) + (1 - rate) * torch.log((1 - rate) / (1 - mean))
    return divergence.sum(1)


class Sparsity:
    """What each run's cost is raised by for the units of its code that are on.

    Args:
        choices: a function of the registry with its options and its weight in the cost, one per
            run; None for nothing
    """

    def __init__(self, choices: Sequence[Choice | None]) -> None:
        self._segments = [
            Segment(each.start, each.end, each.choice)
            for each in segments(list(choices))
            if each.choice is not None
        ]

    def forward(self, code: Tensor, pass_: Pass) -> None:
        """Add the weighted sparsity to the cost, and measure it as it is.

        Args:
            code: (K, B, C)
            pass_: the pass
        """
        if not self._segments:
            return
        found, term = code.new_zeros(2, len(code)).unbind()
        gradients = []
        for segment in self._segments:
            rows, weight = segment.rows, segment.choice.weight
            with torch.set_grad_enabled(pass_.tape is not None):
                own = code[rows].detach().requires_grad_(pass_.tape is not None)
                values = segment.choice(own)
                if pass_.tape is not None:
                    gradients.append(weight * torch.autograd.grad(values.sum(), own)[0])
            found[rows] = values.detach()
            term[rows] = weight * values.detach()
        pass_.terms["sparsity"] = term
        if pass_.measured is not None:
            pass_.measured["sparsity"] = found
        if pass_.tape is not None:
            pass_.tape.append(gradients)

    def backward(self, upstream: Tensor, pass_: Pass) -> Tensor:
        """Return the gradient of the code, given that of the layers above, which is written over.

        Args:
            upstream: (K, B, C)
            pass_: the forward pass
        """
        if self._segments:
            for segment, gradient in zip(self._segments, pass_.pop(), strict=True):
                upstream[segment.rows] += gradient
        return upstream
