"""What turns the output layer's z into a cost, predictions and counts of correct answers.

# K runs, B batch, C outputs
"""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from dlx.config.types import Choice

TaskKind = Literal["multiclass", "binary", "multilabel", "regression", "reconstruction"]


@dataclass(frozen=True)
class Head:
    """The output function and the loss of one run; the same for all runs of a cohort.

    Class targets are coded as the loss and the output want them: class numbers for cross-entropy
    and the hinge loss of several classes, else one column per class or label (or one for two
    classes) of 0 and 1, or of -1 and 1 under the hinge loss and under tanh, whose range that is.

    Attributes:
        kind: of the task
        output: 'softmax' or an activation
        loss: with its options
        num_outputs: C
        class_weights: C numbers for cross-entropy; for binary cross-entropy 2 C, those of the
            targets 0, then those of the targets 1; none: all rows count alike
        target_scale: C numbers, how much 1 is in the target's own units; none: 1
        in_unit_interval: targets are numbers that all lie in [0, 1] in the training rows
        constants: the same numbers on the device of a cohort (see `to`)
    """

    kind: TaskKind
    output: Choice | Literal["softmax"]
    loss: Choice
    num_outputs: int
    class_weights: tuple[float, ...] = ()
    target_scale: tuple[float, ...] = ()
    in_unit_interval: bool = False
    constants: dict[str, Tensor] = field(default_factory=dict, compare=False, repr=False)

    def to(self, dtype: torch.dtype, device: torch.device) -> "Head":
        """Return the head with its numbers as tensors, ready to compute there."""
        constants = {
            "class_weights": torch.tensor(self.class_weights, dtype=dtype),
            "target_scale": torch.tensor(self.target_scale, dtype=torch.float64),
        }
        if not self.loss.traits.exclusive:
            constants["class_weights"] = constants["class_weights"].view(2, -1)
        given = {name: t.to(device) for name, t in constants.items() if getattr(self, name)}
        return replace(self, constants=given)

    @property
    def output_name(self) -> str:
        """The output function's name."""
        return self.output if isinstance(self.output, str) else self.output.name

    @property
    def _options(self) -> dict[str, Any]:
        options = self.loss.arguments()
        if "class_weights" in options:
            options["class_weights"] = self.constants.get("class_weights")
            assert bool(self.class_weights) == (options["class_weights"] is not None), "see `to`"
        return options

    @property
    def gives_probabilities(self) -> bool:
        """Whether outputs are probabilities: of classes, or of each label or input by itself."""
        return isinstance(self.output, str) or self.output.traits.is_probability

    @property
    def is_numeric(self) -> bool:
        """Whether targets are numbers, of which no answer is right or wrong."""
        return self.kind in ("regression", "reconstruction")

    @property
    def has_cross_entropies(self) -> bool:
        """Whether outputs and the numbers they are to be are probabilities."""
        return self.in_unit_interval and self.gives_probabilities

    @property
    def takes_numbers(self) -> bool:
        """Whether targets are coded as class numbers (N,), not as columns (N, C)."""
        several = self.kind in ("multiclass", "binary") and self.num_outputs > 1
        return several and self.loss.traits.exclusive

    @property
    def _signed(self) -> bool:
        is_signed = not isinstance(self.output, str) and self.output.traits.bounds == (-1, 1)
        return self.loss.traits.signed or is_signed

    @property
    def middle(self) -> float:
        """Above which a lone output says the second class, and a label's that it holds."""
        return 0.0 if self._signed else 0.5

    @property
    def answers(self) -> int:
        """How many answers a row has that may be right: one, or one per label."""
        return self.num_outputs if self.kind == "multilabel" else 1

    def encode(self, targets: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return targets as the loss wants them: class numbers (N,), or numbers (N, C).

        Args:
            targets: int64 class numbers (N,), labels of 0 and 1 (N, C), or numbers (N, C)
            dtype: of the numbers
        """
        if self.is_numeric:
            return targets.to(dtype)
        if self.takes_numbers:
            return targets
        if self.kind == "multilabel":
            columns = targets.to(dtype)
        elif self.num_outputs == 1:
            columns = targets.unsqueeze(1).to(dtype)
        else:
            columns = F.one_hot(targets, self.num_outputs).to(dtype)
        return 2 * columns - 1 if self._signed else columns

    def decode(self, targets: Tensor) -> Tensor:
        """Return what `encode` was given for classes: numbers (..., N), or labels (..., N, C)."""
        if self.takes_numbers:
            return targets
        if self.kind != "multilabel" and self.num_outputs > 1:
            return targets.argmax(-1)
        held = (targets > self.middle).long()
        return held if self.kind == "multilabel" else held.squeeze(-1)

    def outputs(self, z: Tensor) -> Tensor:
        """Return the network's outputs a, probabilities under softmax or sigmoid: (K, B, C)."""
        return torch.softmax(z, -1) if isinstance(self.output, str) else self.output(z)

    def cost(self, z: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the mean cost of each run on its batch: (K,).

        Args:
            z: (K, B, C)
            targets: (K, B) or (K, B, C)
            weights: what each output counts, (K, B, C), where the loss is a sum over the outputs
        """
        own = () if weights is None else (weights,)
        given = z if self.loss.traits.from_z else self.outputs(z)
        return self.loss(given, targets, *own, **self._options)

    def cost_and_gradient(
        self, z: Tensor, targets: Tensor, weights: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the cost (K,), and dZ, the gradient of each run's own cost: (K, B, C).

        The arguments are those of `cost`.
        """
        loss = self.loss.traits
        if loss.with_gradient is not None and (loss.from_z or self.output_name == "identity"):
            own = () if weights is None else (weights,)
            return loss.with_gradient(z, targets, *own, **self._options)
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            costs = self.cost(z, targets, weights)
            (gradient,) = torch.autograd.grad(costs.sum(), z)
        return costs.detach(), gradient

    def decide(self, z: Tensor) -> Tensor:
        """Return what each row is classified as: class numbers (K, B), or labels (K, B, C).

        One output says the second class above the middle of its range; of several the largest
        wins; labels are judged one by one.
        """
        if self.kind != "multilabel" and self.num_outputs > 1:
            return z.argmax(-1)
        held = z > 0 if self.output_name == "sigmoid" else self.outputs(z) > self.middle
        return held.long() if self.kind == "multilabel" else held.squeeze(-1).long()

    def correct(self, z: Tensor, targets: Tensor) -> Tensor | None:
        """Return how many answers are right in each run's batch: (K,); None for numbers.

        There are `answers` in a row.
        """
        if self.is_numeric:
            return None
        return (self.decide(z) == self.decode(targets)).flatten(1).sum(1)
