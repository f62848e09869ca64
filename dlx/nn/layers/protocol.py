"""What dlx asks of a kind of layer.

# K runs, B batch, I inputs, O outputs
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from dlx.config.types import Choice
from dlx.errors import ConfigError
from dlx.nn.moments import measured
from dlx.nn.normalization import BatchNorm
from dlx.nn.parameters import Buffers, Parameter
from dlx.nn.passes import Pass
from dlx.streams import Seeds

if TYPE_CHECKING:
    from dlx.nn.plain import PlainModules
    from dlx.nn.theory import Gradients, MeanField, Signals

Blueprint = tuple[Any, ...]
"""The layers of one run, first to last: a `Spec` each."""


class Layer(Protocol):
    """A layer of every run of a cohort."""

    @property
    def parameters(self) -> list[Parameter]:
        """The parameters that at least one run has."""
        ...

    @property
    def buffers(self) -> Buffers:
        """State; that which training goes on from, but a trained run does not need, no run owns."""
        ...

    def forward(self, x: Tensor, pass_: Pass) -> Tensor:
        """Return the outputs: (K, B, I) to (K, B, O).

        In training, append to `pass_.tape` what `backward` needs. Where `pass_.activations` is set,
        leave the outputs there under the layer's name. Elementwise functions give other bits in
        memory with gaps, such as a slice of columns: make it contiguous first.
        """
        ...

    def backward(self, upstream: Tensor, pass_: Pass, is_first: bool = False) -> Tensor | None:
        """Leave the parameters' gradients in their buffer; return that of x, (K, B, I).

        Where `pass_.gradients` is set, leave dZ there under the layer's name: the gradient of what
        the layer hands its activation, or of its outputs if it has none.

        Args:
            upstream: gradient of the outputs, (K, B, O); may be written over
            pass_: the forward pass, which recorded
            is_first: the gradient of x is not needed, and None may be returned
        """
        ...


LayerClass = Callable[[Sequence[Any], Seeds, torch.dtype, torch.device], Layer]
"""The class of a run-axis layer; it gets the layer's spec and the seed in each run."""


class Spec(ABC):
    """A layer of one run, not built yet. A kind of layer is a frozen dataclass derived from it.

    A kind gives `name`, `outputs`, `structure`, `layer_class` and `plain`; a kind with weights also
    gives `inputs`. Everything else has a default, which suits a layer that has nothing of the sort.
    A field of the dataclass that has the name of an attribute below has its default too.
    """

    name: str  # number of the layer, from 1; a layer inside block 2 is named 2.1, 2.2, …
    inputs: int  # I
    outputs: int  # O

    # Name of an earlier layer that owns this one's weight; the run-axis layer then has a method
    # `tie(other)`, which gets the run-axis layer of that name.
    tied_to: str | None = None
    batch_norm: BatchNorm | None = None  # how outputs are normalized over the batch
    weight_norm: bool = False  # magnitude and direction of the weights are learned apart
    pieces: int = 1  # affine maps of which each unit takes the largest value (maxout)
    # The gradients that it leaves are those of the cost, not an estimate of another gradient.
    follows_cost: bool = True
    starts_on_data: bool = False  # it sets weights by the first batch (see `Pass.starting`)
    # One affine map and an elementwise activation, with the fields of `DenseSpec`: its weight can
    # then be tied, or trained ahead of the network.
    is_dense: bool = False
    is_code: bool = False  # it makes its inputs the code of an autoencoder, and has no weights
    can_sample: bool = False  # its run-axis layer makes up rows: `sample(number, steps, seeds)`

    # In a cohort

    @property
    @abstractmethod
    def structure(self) -> tuple[Any, ...]:
        """What must agree for runs to share a cohort: the kind, and all that shapes depend on."""

    @property
    def inside(self) -> tuple[Blueprint, ...]:
        """The stacks of layers inside a block, each from its first layer on."""
        return ()

    @property
    def activations(self) -> tuple[Choice, ...]:
        """All activations; by default, those of the layers inside."""
        return tuple(a for stack in self.inside for spec in stack for a in spec.activations)

    @property
    def parts(self) -> tuple[Any, ...]:
        """The layers that have weights; by default, those inside, or else the layer itself."""
        if not self.inside:
            return (self,)
        return tuple(part for stack in self.inside for spec in stack for part in spec.parts)

    @property
    def choices(self) -> tuple[Any, ...]:
        """What else may differ within a cohort, the dearest to split first."""
        return ()

    @property
    def measures(self) -> tuple[str, ...]:
        """The names of what it leaves in `Pass.measured`; by default, what layers inside leave."""
        return tuple(name for stack in self.inside for spec in stack for name in spec.measures)

    @property
    @abstractmethod
    def layer_class(self) -> LayerClass:
        """The class of its run-axis layer."""

    def without_terms(self) -> "Spec":
        """Return the layer without what it adds to the cost."""
        return self

    # As plain torch

    def plain(self, modules: "PlainModules") -> None:
        """Append torch modules that compute the same in evaluation.

        A module of one's own is written into the exported script: its class needs nothing but
        torch, nn and Tensor, and keeps every argument under the argument's name.

        Raises:
            ConfigError: the kind has none
        """
        raise ConfigError(
            f"layer {self.name}: {type(self).__name__} has no plain torch form, which trained "
            "weights are saved in; give the class a method plain(modules)"
        )

    # As `dlx inspect` and dry runs describe it

    @property
    def kind(self) -> str:
        """The kind as YAML names it: `scale_shift` of a class ScaleShiftSpec."""
        name = type(self).__name__.removesuffix("Spec")
        return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()

    @property
    def changes(self) -> bool:
        """Whether the outputs are anything else than the inputs."""
        return True

    def facts(self) -> dict[str, Any]:
        """Return choices by name: those of `dlx inspect` and of a dry run that the kind has."""
        return {}

    def shapes(self, rows: int) -> dict[str, list[int]]:
        """Return the shapes of its matrices as courses write them, units first: A[1], W[1], ….

        Args:
            rows: B
        """
        return {f"A[{self.name}]": [self.outputs, rows]}

    def _with_gradients(self, shapes: dict[str, list[int]]) -> dict[str, list[int]]:
        """Return shapes, and equal ones of the gradients, as `shapes` names them."""
        return {f"{d}{key}[{self.name}]": shape for key, shape in shapes.items() for d in ("", "d")}

    @property
    def flops(self) -> int | None:
        """Floating-point operations forward, of a row, without those of layers inside."""
        return None

    @property
    def input_flops(self) -> int:
        """Operations of the products that read the inputs; by default, those of layers inside."""
        return sum(stack[0].input_flops for stack in self.inside if stack)

    # In theory (see `dlx.nn.theory`); the defaults say nothing

    def input_signals(self, x: Tensor) -> "Signals":
        """Return the moments of inputs (B, I), as `theory_forward` takes them."""
        return measured(x)

    def theory_forward(self, inputs: "Signals", field: "MeanField") -> "Signals":
        """Return the moments of the outputs, given those of the inputs; None where unknown."""
        return None

    def theory_backward(self, outputs: "Gradients", field: "MeanField") -> "Gradients":
        """Return the mean square of the inputs' gradient, given that of the outputs."""
        return None

    def theory_from_z(self, dz: float | None, field: "MeanField") -> float | None:
        """Return the mean square of the inputs' gradient, given that of Z, of an output layer."""
        return None
