"""The code of an autoencoder: the encoder's outputs, sparse, cut to the largest units, or drawn.

# K runs, B batch, C units of the code
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from dlx.config.types import Choice
from dlx.nn.latent import Latent
from dlx.nn.layers.protocol import Spec
from dlx.nn.moments import Signals
from dlx.nn.parameters import Buffers, Parameter
from dlx.nn.passes import Pass
from dlx.nn.plain import PlainModules
from dlx.nn.sparsity import Sparsity
from dlx.nn.theory import Gradients, MeanField
from dlx.segments import chosen
from dlx.streams import Seeds


@dataclass(frozen=True)
class Kept:
    """How many units of each row's code are kept: the largest ones; the others become 0."""

    training: int
    evaluation: int


@dataclass(frozen=True)
class CodeSpec(Spec):
    """The code of one run."""

    name: str
    outputs: int  # C
    kept: Kept | None = None  # None for all units
    sparsity: Choice | None = None  # penalty that is added to the cost, with its weight
    # Factor in the cost of the divergence, in nats, of the distribution that a variational code is
    # drawn from, from the standard normal one; None: the code is not drawn.
    divergence: float | None = None
    threshold: float = 0.0  # a unit counts as active whose size is above it

    is_code = True

    @property
    def is_drawn(self) -> bool:
        """Whether the code is variational: its inputs are means and log variances, 2 C."""
        return self.divergence is not None

    @property
    def changes(self) -> bool:
        """Whether the code is anything else than the outputs of the layer before it."""
        return self.is_drawn or self.kept is not None

    @property
    def structure(self) -> tuple[Any, ...]:
        """The kind, and what shapes depend on."""
        return ("code", self.outputs, self.is_drawn)

    @property
    def parts(self) -> tuple[Any, ...]:
        """Nothing: the layer has no weights."""
        return ()

    @property
    def choices(self) -> tuple[Any, ...]:
        """What else may differ within a cohort, the dearest to split first."""
        return (self.kept, self.sparsity)

    @property
    def measures(self) -> tuple[str, ...]:
        """The penalties that it has, and the share of active units."""
        sparsity = () if self.sparsity is None else ("sparsity",)
        return (*sparsity, *(("kl",) if self.is_drawn else ()), "active_units")

    @property
    def layer_class(self) -> "type[Code]":
        """The class of its run-axis layer."""
        return Code

    def without_terms(self) -> Spec:
        """Return the code without its penalties; a variational one is still drawn."""
        return replace(self, sparsity=None, divergence=0.0 if self.is_drawn else None)

    def plain(self, modules: PlainModules) -> None:
        """Append a module for each thing that it does in evaluation."""
        if self.is_drawn:
            modules.add(CodeMean(self.outputs))
        if self.kept is not None:
            modules.add(KLargest(self.kept.evaluation))

    def theory_forward(self, inputs: Signals, field: MeanField) -> Signals:
        """Return the moments of the inputs; theory does not apply to a code that changes them."""
        return None if self.changes else inputs

    def theory_backward(self, outputs: Gradients, field: MeanField) -> Gradients:
        """Return what it is given; likewise."""
        return None if self.changes else outputs


class Code:
    """The code of every run of a cohort.

    In evaluation it measures `active_units`, the share of (row, unit) whose size is above the
    spec's threshold.
    """

    def __init__(
        self, specs: Sequence[CodeSpec], seeds: Seeds, dtype: torch.dtype, device: torch.device
    ) -> None:
        self.name = specs[0].name
        factors = [spec.divergence for spec in specs if spec.divergence is not None]
        self._latent = Latent(self.name, factors, seeds, dtype, device) if factors else None
        self._largest = Largest([spec.kept for spec in specs])
        self._sparsity = Sparsity([spec.sparsity for spec in specs])
        thresholds = [spec.threshold for spec in specs]
        self._threshold = torch.tensor(thresholds, dtype=dtype, device=device)[:, None, None]
        self.parameters: list[Parameter] = []
        self.buffers: Buffers = {}

    def forward(self, x: Tensor, pass_: Pass) -> Tensor:
        """Return the codes: (K, B, C), or (K, B, 2 C) of a variational code, to (K, B, C)."""
        if self._latent is not None:
            x = self._latent.forward(x, pass_)
        x = self._largest.forward(x, pass_)
        self._sparsity.forward(x, pass_)
        if pass_.measured is not None:
            active = (x.abs() > self._threshold).flatten(1)
            pass_.measured["active_units"] = active.sum(1) / active.shape[1]
        if pass_.activations is not None:
            pass_.activations[self.name] = x
        return x

    def backward(self, upstream: Tensor, pass_: Pass, is_first: bool = False) -> Tensor | None:
        """Return the gradient of the inputs; see `Layer.backward`."""
        gradient = self._largest.backward(self._sparsity.backward(upstream, pass_), pass_)
        return gradient if self._latent is None else self._latent.backward(gradient, pass_)


class Largest:
    """Keeps the largest units of each row, of equal ones the first, and sets the others to 0.

    Reference:
        Makhzani and Frey (2014), k-Sparse autoencoders
    """

    def __init__(self, kept: Sequence[Kept | None]) -> None:
        self._segments = chosen(kept)

    def forward(self, x: Tensor, pass_: Pass) -> Tensor:
        """Return `x` with all but the largest units of each row at 0: (K, B, C)."""
        if not self._segments:
            return x
        y = x.clone()
        masks = []
        for rows, kept in self._segments:
            number = kept.evaluation if pass_.tape is None else kept.training
            masks.append(~largest(x[rows], number))
            y[rows] = y[rows].masked_fill_(masks[-1], 0.0)
        pass_.record(masks)
        return y

    def backward(self, upstream: Tensor, pass_: Pass) -> Tensor:
        """Return the gradient of `x`, given that of the outputs, which is written over."""
        if self._segments:
            for (rows, _), dropped in zip(self._segments, pass_.pop(), strict=True):
                upstream[rows] = upstream[rows].masked_fill_(dropped, 0.0)
        return upstream


def largest(x: Tensor, number: int) -> Tensor:
    """Return the `number` largest units of each row, of equal ones the first: (..., C) bool."""
    bound = x.topk(number, sorted=False).values.amin(-1, keepdim=True)
    above, tied = x > bound, x == bound
    free = number - above.sum(-1, keepdim=True)
    # A row that is not finite stays so: its run is then seen to diverge.
    return above | (tied & (tied.cumsum(-1) <= free)) | ~bound.isfinite()


class KLargest(nn.Module):
    """A k-sparse code: the k largest units of each row, of equal ones the first; 0 for the rest."""

    def __init__(self, k: int) -> None:
        super().__init__()
        self.k = k

    def extra_repr(self) -> str:
        """Return what it was made with."""
        return str(self.k)

    def forward(self, h: Tensor) -> Tensor:
        """Return (B, C) of (B, C)."""
        bound = h.topk(self.k).values[..., -1:]
        above, tied = (h > bound).long(), (h == bound).long()
        free = self.k - above.sum(-1, keepdim=True)
        return h * (above + tied * (tied.cumsum(-1) <= free))


class CodeMean(nn.Module):
    """A variational code in evaluation: the means, which stand before the log variances."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.units = units

    def extra_repr(self) -> str:
        """Return what it was made with."""
        return str(self.units)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C) of (B, 2 C)."""
        return x[..., : self.units]
