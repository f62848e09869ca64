"""What an optimizer's function returns: a rule of updates, or a search."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from annotated_types import Ge, Gt, Len, Lt

from dlx.config.types import Choice

Rate = Annotated[float, Gt(0)]
Decay = Annotated[float, Ge(0)]
Share = Annotated[float, Ge(0), Lt(1)]
Betas = Annotated[list[Share], Len(2, 2)]


@dataclass(frozen=True)
class Layout:
    """Which columns of the parameter buffer hold weights."""

    weights: slice  # all columns of weights, the first of a row
    matrices: tuple[tuple[slice, tuple[int, ...]], ...]  # columns and shape of each weight matrix


@dataclass(frozen=True)
class Rule:
    """How an optimizer updates a tensor."""

    # `update(parameters, gradients, **state, lr=..., **settings)` changes parameters and state in
    # place; parameters, gradients and each state are lists of tensors.
    update: Callable[..., None]
    settings: dict[str, Any]  # keyword arguments of `update`, with `lr`
    # Initial values of tensors of the parameters' shape; None: the first step makes the tensor.
    state: Mapping[str, float | None] = field(default_factory=dict)
    # Initial values of single numbers.
    counters: Mapping[str, float] = field(default_factory=lambda: {"state_steps": 0.0})
    fused: tuple[str, ...] = ()  # devices on which torch computes the update in one kernel
    decoupled: bool = (
        False  # weight decay is subtracted from the weights, not added to the gradient
    )
    shaped: bool = False  # `update` also takes `layout=`, and treats matrices as such


@dataclass(frozen=True)
class Search:
    """The settings of `torch.optim.LBFGS`, which evaluates the cost several times a step."""

    settings: dict[str, Any]  # keyword arguments of torch's class, with `lr`
    vectors: int  # largest number of vectors of the parameters' size that it keeps


def momentum_name(choice: Choice) -> str | None:
    """Return the name of the setting that is an optimizer's momentum; None if it has none."""
    options = choice.arguments()
    if options.get("momentum"):
        return "momentum"
    return "beta1" if "betas" in options else None
