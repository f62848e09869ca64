"""What the options of models and of their blocks have in common."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt
from pydantic import Field

from dlx.config.types import Choice, Section
from dlx.nn.batch_norm import BatchNormOptions

Units = Annotated[int, Gt(0)]
Rate = Annotated[float, Ge(0), Lt(1)]


class DropoutRates(Section):
    """The share of units that is dropped while training."""

    input: Rate = Field(default=0.0, description="Share of the inputs that is dropped.")
    hidden: Rate = Field(
        default=0.0, description="Share of each hidden layer's outputs that is dropped."
    )


class BatchNorm(Section):
    """How the hidden layers are normalized."""

    position: Literal["before", "after"] = Field(
        default="before", description="Before or after the activation."
    )
    momentum: Annotated[float, Gt(0), Le(1)] = Field(
        default=0.1, description="Share of a batch's statistics in the running ones."
    )
    epsilon: Annotated[float, Gt(0)] = Field(default=1e-5, description="Added to the variance.")


def batch_norm_options(batch_norm: bool | BatchNorm) -> BatchNormOptions | None:
    """Return how a layer is normalized; None for not at all."""
    chosen = BatchNorm() if batch_norm is True else batch_norm
    return BatchNormOptions(**chosen.model_dump()) if chosen else None


@dataclass(frozen=True)
class LayerChoices:
    """What a layer has where it does not choose for itself.

    Attributes:
        activation: what follows the affine map
        init: initial weights
        bias: initial biases; None: what goes with the weights
        dropout: share of its outputs that is dropped in training
        batch_norm: None for none
    """

    activation: Choice
    init: Choice
    bias: Choice | None
    dropout: float
    batch_norm: BatchNormOptions | None
