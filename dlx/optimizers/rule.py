"""What an optimizer's function returns: a rule of updates, or a search."""

from collections.abc import Callable
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
    """Where in a row of the buffer the weights stand.

    Attributes:
        weights: the columns of all of them, first in the row
        matrices: the columns and the shape of each
    """

    weights: slice
    matrices: tuple[tuple[slice, tuple[int, ...]], ...]


@dataclass(frozen=True)
class Rule:
    """How an optimizer updates a tensor.

    Attributes:
        update: `update(parameters, gradients, **state, lr=..., **settings)` changes parameters and
            state in place; each a list of tensors
        settings: its keyword arguments, `lr` among them
        state: its tensors of the parameters' shape, by name, with their value at the start; None is
            made by the first step
        counters: its single numbers, by name, with their value at the start
        fused: the devices on which torch computes it in one pass
        decoupled: whether weight decay is taken off the weights, not added to their gradient
        shaped: whether `update` also takes `layout=`, and treats matrices as such
    """

    update: Callable[..., None]
    settings: dict[str, Any]
    state: dict[str, float | None] = field(default_factory=dict)
    counters: dict[str, float] = field(default_factory=lambda: {"state_steps": 0.0})
    fused: tuple[str, ...] = ()
    decoupled: bool = False
    shaped: bool = False


@dataclass(frozen=True)
class Search:
    """How `torch.optim.LBFGS` trains a run, evaluating its cost several times a step.

    Attributes:
        settings: keyword arguments of torch's class, `lr` among them
        vectors: numbers that it keeps for every parameter, at most
    """

    settings: dict[str, Any]
    vectors: int


def momentum_name(choice: Choice) -> str | None:
    """Return the rule's setting that is an optimizer's momentum; None if it has none."""
    options = choice.arguments()
    if options.get("momentum"):
        return "momentum"
    return "beta1" if "betas" in options else None
