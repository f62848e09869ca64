"""What turns the output layer's z into a cost, predictions and counts of correct answers.

# K runs, B batch, C outputs
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from dlx import registry
from dlx.config.types import Choice, choice
from dlx.errors import ConfigError

TaskKind = Literal["multiclass", "binary", "regression"]

_OUTPUTS = {"multiclass": "softmax", "binary": "sigmoid", "regression": "identity"}
_LOSSES = {"softmax": "cross_entropy", "sigmoid": "binary_cross_entropy"}


@dataclass(frozen=True)
class Head:
    """The output function and the loss of one run; the same for all runs of a cohort.

    Class targets are coded as the output can give them: class numbers for softmax with
    cross-entropy, else one column per class (or one for two classes) of 0 and 1, or of -1 and 1
    under tanh, whose range that is.

    Attributes:
        kind: of the task
        output: 'softmax' or an activation
        loss: name of the loss
        num_outputs: C
    """

    kind: TaskKind
    output: Choice | Literal["softmax"]
    loss: str
    num_outputs: int

    @property
    def output_name(self) -> str:
        """The output function's name."""
        return self.output if isinstance(self.output, str) else self.output.name

    def encode(self, targets: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return targets as the loss wants them: class numbers (N,), or numbers (N, C).

        Args:
            targets: int64 class numbers (N,), or numbers (N, C)
            dtype: of the numbers
        """
        if self.kind == "regression":
            return targets.to(dtype)
        if self.loss == "cross_entropy":
            return targets
        columns = (
            targets.unsqueeze(1) if self.num_outputs == 1 else F.one_hot(targets, self.num_outputs)
        ).to(dtype)
        return 2 * columns - 1 if self.output_name == "tanh" else columns

    def outputs(self, z: Tensor) -> Tensor:
        """Return the network's outputs a, probabilities under softmax or sigmoid: (K, B, C)."""
        if isinstance(self.output, str):
            return torch.softmax(z, -1)
        function = registry.get("activation", self.output.name).function
        return function(z, **self.output.options())

    def cost(self, z: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cost of each run on its batch: (K,)."""
        loss = registry.get("loss", self.loss).function
        return loss(z if loss.from_z else self.outputs(z), targets)

    def cost_and_gradient(self, z: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the cost (K,), and dZ, the gradient of each run's own cost: (K, B, C)."""
        loss = registry.get("loss", self.loss).function
        if loss.with_gradient is not None:
            return loss.with_gradient(z, targets)
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            costs = self.cost(z, targets)
            (gradient,) = torch.autograd.grad(costs.sum(), z)
        return costs.detach(), gradient

    def correct(self, z: Tensor, targets: Tensor) -> Tensor | None:
        """Return how many rows of each run's batch are classified rightly: (K,); or None.

        One output says the second class above the middle of its range; of several the largest
        wins.
        """
        if self.kind == "regression":
            return None
        if self.num_outputs == 1:
            if self.output_name in ("sigmoid", "tanh"):
                return ((z > 0) == (targets > 0)).flatten(1).sum(1)
            return ((self.outputs(z) > 0.5) == (targets > 0.5)).flatten(1).sum(1)
        classes = targets if self.loss == "cross_entropy" else targets.argmax(-1)
        return (z.argmax(-1) == classes).sum(1)


def build_head(
    kind: TaskKind,
    num_classes_or_targets: int,
    output: Choice | str = "auto",
    loss: str = "auto",
) -> Head:
    """Return the head for a task, choosing what is 'auto'.

    softmax with cross_entropy for several classes, one sigmoid with binary_cross_entropy for two,
    identity with mse for numbers; a named output brings its own loss and the other way round.

    Raises:
        ConfigError: the loss does not fit the output, or the output does not fit the task
    """
    name = output if isinstance(output, str) else output.name
    if name == "auto":
        by_loss = {v: k for k, v in _LOSSES.items()}
        name = by_loss.get(loss, _OUTPUTS[kind])
        output = "softmax" if name == "softmax" else choice("activation", name)
    if name != "softmax" and registry.get("activation", name).function.learned:
        raise ConfigError(
            f"model.output: {name} learns parameters, which an output cannot; use leaky_relu"
        )
    if kind == "regression" and (name == "softmax" or loss in _LOSSES.values()):
        raise ConfigError(
            f"model.output: {name} with loss {loss} needs classes, but the target is a number; "
            "use output: identity and loss: mse"
        )
    if loss == "auto":
        loss = "mse" if kind == "regression" else _LOSSES.get(name, "mse")
    function = registry.get("loss", loss).function
    if function.outputs and name not in function.outputs:
        raise ConfigError(
            f"model.loss: {loss} follows {' or '.join(function.outputs)}, not {name}; "
            f"use loss: {_LOSSES.get(name, 'mse')}"
        )
    one = kind == "binary" and name != "softmax"
    return Head(
        kind,
        "softmax" if name == "softmax" else output,  # type: ignore[arg-type]
        loss,
        1 if one else (2 if kind == "binary" else num_classes_or_targets),
    )
