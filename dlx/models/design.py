"""What a model function returns: the layers of one run and its head."""

from dataclasses import dataclass

from dlx.nn.head import Head
from dlx.nn.network import Blueprint


@dataclass(frozen=True)
class Design:
    """A network of one run, not built yet.

    Attributes:
        layers: first to last
        head: output function and loss
    """

    layers: Blueprint
    head: Head

    @property
    def structure(self) -> tuple[object, ...]:
        """What must agree for runs to share a cohort: shapes, output and loss."""
        return (*(layer.structure for layer in self.layers), self.head)

    @property
    def choices(self) -> tuple[object, ...]:
        """What may differ within a cohort, every layer's activation first."""
        by_layer = [layer.choices for layer in self.layers]
        return tuple(choice for column in zip(*by_layer, strict=True) for choice in column)
