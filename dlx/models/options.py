"""Options that models and blocks have in common."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Lt
from pydantic import Field, ValidationInfo, field_validator

from dlx import registry
from dlx.config.sections import Section, rule
from dlx.config.types import Choice, choice
from dlx.data.dataset import Task
from dlx.errors import ConfigError
from dlx.nn.corruption import InputCorruption
from dlx.nn.dropout import is_on_weights
from dlx.nn.head import Head
from dlx.nn.network import InputChanges
from dlx.nn.normalization import BatchNorm, LayerNorm

Units = Annotated[int, Gt(0)]
Rate = Annotated[float, Ge(0), Lt(1)]
Std = Annotated[float, Ge(0)]


class NoiseLevels(Section):
    """Standard deviations of Gaussian noise in training."""

    input: Std = Field(default=0.0, description="Noise on the inputs.")
    hidden: Std = Field(default=0.0, description="Noise on each hidden layer's outputs.")


class Emphasis(Section):
    """Factors on the costs of inputs that are reconstructed, in training."""

    corrupted: Annotated[float, Ge(0)] = Field(
        default=1.0, description="Factor for inputs that were corrupted."
    )
    clean: Annotated[float, Ge(0)] = Field(default=1.0, description="Factor for the other inputs.")

    @field_validator("clean")
    @classmethod
    def _leave_some(cls, clean: float, info: ValidationInfo) -> float:
        if not clean and info.data.get("corrupted") == 0:
            raise rule("corrupted and clean are both 0, which leaves no cost; raise one of them")
        return clean


def norms(
    batch_norm: bool | BatchNorm | None, layer_norm: bool | LayerNorm | None
) -> dict[str, Any]:
    """Return how a layer is normalized, None for not at all: the fields of a `DenseSpec`."""
    return {
        "batch_norm": BatchNorm() if batch_norm is True else batch_norm or None,
        "layer_norm": LayerNorm() if layer_norm is True else layer_norm or None,
    }


@dataclass(frozen=True)
class LayerChoices:
    """The options of a layer that does not choose for itself."""

    activation: Choice
    init: Choice
    bias: Choice | None  # None: those that go with the weights
    dropout: float  # share of the outputs, or of the weights
    dropout_kind: str
    noise: float
    batch_norm: BatchNorm | None
    layer_norm: LayerNorm | None
    weight_norm: bool


def layer_choices(
    activation: Choice,
    init: Choice,
    bias: Literal["auto"] | Choice,
    dropout: float | Choice,
    noise: float | NoiseLevels,
    batch_norm: bool | BatchNorm,
    layer_norm: bool | LayerNorm,
    weight_norm: bool,
) -> LayerChoices:
    """Return the options of a model's hidden layers."""
    rates, levels = _rates(dropout), _levels(noise)
    return LayerChoices(
        activation=activation,
        init=init,
        bias=None if bias == "auto" else bias,
        dropout=rates.hidden,
        dropout_kind=rates.name,
        noise=levels.hidden,
        **norms(batch_norm, layer_norm),
        weight_norm=weight_norm,
    )


def input_changes(dropout: float | Choice, noise: float | NoiseLevels) -> InputChanges:
    """Return how a model's options change its inputs in training."""
    rates = _rates(dropout)
    if rates.input and is_on_weights(rates.name):
        raise ConfigError(
            f"model.dropout.input: {rates.name} drops weights, not inputs; give its rate as hidden"
        )
    return InputChanges(rates.input, rates.name, _levels(noise).input)


def input_corruption(
    task: Task, head: Head, corruption: Choice | None, emphasis: Emphasis | None
) -> InputCorruption | None:
    """Return how a model's options corrupt its inputs, which it has to reconstruct."""
    if corruption is None:
        if emphasis is None:
            return None
        raise ConfigError(
            "model.emphasis: tells inputs that are corrupted from those that are not, but "
            "model.corruption is null; use corruption: masking, or leave emphasis out"
        )
    corruption_rule = corruption()
    if emphasis and corruption_rule.std:
        raise ConfigError(
            f"model.emphasis: {corruption.name} changes every input, so that none is left clean; "
            "use masking or salt_and_pepper, or leave emphasis out"
        )
    if emphasis and not head.loss.traits.weighs:
        able = [n for n in registry.names("loss") if registry.get("loss", n).traits.weighs]
        raise ConfigError(
            f"model.emphasis: the loss {head.loss.name} cannot weigh its outputs; use "
            f"{', '.join(able)}, or leave emphasis out"
        )
    weights = emphasis and (emphasis.corrupted, emphasis.clean)
    return InputCorruption(corruption_rule, weights, task.lowest, task.highest)


def _rates(dropout: float | Choice) -> Choice:
    is_choice = isinstance(dropout, Choice)
    return dropout if is_choice else choice("dropout", "dropout", hidden=dropout)


def _levels(noise: float | NoiseLevels) -> NoiseLevels:
    return noise if isinstance(noise, NoiseLevels) else NoiseLevels(hidden=noise)
