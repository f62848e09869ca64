"""What a model function returns: the layers of one run and its head."""

from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from dlx.config.types import Choice
from dlx.nn.head import Head
from dlx.nn.network import InputChanges
from dlx.nn.stack import Blueprint


@dataclass(frozen=True)
class Design:
    """A network of one run, not built yet.

    Attributes:
        layers: first to last
        head: output function and loss
        inputs: what happens to the inputs in training
        code: name of the layer, one of `layers`, whose outputs are the code of an autoencoder;
            None: there is none
        measures: what its layers tell of themselves in an evaluation (see `Pass.measured`), beside
            the metrics
    """

    layers: Blueprint
    head: Head
    inputs: InputChanges = field(default_factory=InputChanges)
    code: str | None = None
    measures: tuple[str, ...] = ()

    @property
    def structure(self) -> tuple[object, ...]:
        """What must agree for runs to share a cohort: shapes, output and loss."""
        return (*(layer.structure for layer in self.layers), self.head)

    @property
    def activations(self) -> tuple[Choice, ...]:
        """All activations of the layers, first to last."""
        return tuple(each for layer in self.layers for each in layer.activations)

    @property
    def untrainable(self) -> Choice | None:
        """The first activation through which no gradient passes; None: one passes through all."""
        output = () if isinstance(self.head.output, str) else (self.head.output,)
        functions = (*self.activations, *output)
        return next((each for each in functions if not each.traits.trainable), None)

    @property
    def parts(self) -> tuple[Any, ...]:
        """The layers that have weights, those inside blocks too, first to last."""
        return tuple(part for layer in self.layers for part in layer.parts)

    @property
    def choices(self) -> tuple[object, ...]:
        """What else may differ within a cohort, one kind of choice after the other."""
        columns = zip_longest(*(part.choices for part in self.parts))
        code = [each for each in self.layers if each.name == self.code and not each.parts]
        own = [each for layer in code for each in layer.choices]
        return (*(choice for column in columns for choice in column), *own, self.inputs)
