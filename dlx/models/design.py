"""What a model function returns: the layers and the head of one run."""

from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from dlx.config.types import Choice
from dlx.nn.head import Head
from dlx.nn.layers import Blueprint
from dlx.nn.network import InputChanges


@dataclass(frozen=True)
class Design:
    """A network of one run, not built yet."""

    layers: Blueprint
    head: Head
    inputs: InputChanges = field(default_factory=InputChanges)
    code: str | None = None  # name of the layer whose outputs are an autoencoder's code
    measures: tuple[str, ...] = ()  # names of what layers measure in an evaluation

    @property
    def structure(self) -> tuple[object, ...]:
        """What must agree for runs to share a cohort: shapes, output and loss."""
        return (*(layer.structure for layer in self.layers), self.head)

    @property
    def activations(self) -> tuple[Choice, ...]:
        """All activations of the layers, first to last."""
        return tuple(choice for layer in self.layers for choice in layer.activations)

    @property
    def untrainable(self) -> Choice | None:
        """The first activation through which no gradient passes; None: one passes through all."""
        output = () if isinstance(self.head.output, str) else (self.head.output,)
        functions = (*self.activations, *output)
        return next((function for function in functions if not function.traits.trainable), None)

    @property
    def parts(self) -> tuple[Any, ...]:
        """The layers that have weights, first to last, those inside blocks included."""
        return tuple(part for layer in self.layers for part in layer.parts)

    @property
    def choices(self) -> tuple[object, ...]:
        """What else may differ within a cohort, one kind of choice after the other.

        First the dearest choice of every layer, then the next one of every layer.
        """
        columns = zip_longest(*(part.choices for part in self.parts))
        code = [choice for layer in self.layers if layer.is_code for choice in layer.choices]
        return (*(choice for column in columns for choice in column), *code, self.inputs)
