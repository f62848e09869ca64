"""The head of a network: output function and loss, predictions, counts of correct answers.

# K runs, B batch, C outputs
"""

from collections.abc import Sequence
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

    Loss and output decide how classes are coded as targets. Cross-entropy and the hinge loss of
    several classes take class numbers. Other losses take one column for each class or label, and
    one for two classes, of 0 and 1; of -1 and 1 for the hinge loss and for a tanh output.
    """

    kind: TaskKind
    output: Choice | Literal["softmax"]
    loss: Choice
    num_outputs: int
    # C numbers for cross-entropy; 2 C for binary cross-entropy, the weights of targets 0, then of
    # targets 1; none: all rows have equal weight.
    class_weights: tuple[float, ...] = ()
    # C numbers, what 1 is in the target's units; none: 1. It may differ within a cohort, as may the
    # next one.
    target_scale: tuple[float, ...] = field(default=(), compare=False)
    # C numbers, what 0 is in the target's units; none: 0
    target_shift: tuple[float, ...] = field(default=(), compare=False)
    in_unit_interval: bool = False  # all targets of the training rows are numbers in [0, 1]
    # Class weights, and scale and shift of each run's targets (K, C), on the device of a cohort
    # (see `to`).
    constants: dict[str, Tensor] = field(default_factory=dict, compare=False, repr=False)

    def to(self, dtype: torch.dtype, device: torch.device, runs: "Sequence[Head]" = ()) -> "Head":
        """Return the head with its constants as tensors of a type on a device.

        Scale and shift of targets are those of the heads of K `runs`; none: all have this head's.
        """
        heads = list(runs) or [self]
        constants = {
            "class_weights": torch.tensor(self.class_weights, dtype=dtype),
            "target_scale": torch.tensor([own.target_scale for own in heads], dtype=torch.float64),
            "target_shift": torch.tensor([own.target_shift for own in heads], dtype=torch.float64),
        }
        if not self.loss.traits.exclusive:
            constants["class_weights"] = constants["class_weights"].view(2, -1)
        on_device = {name: t.to(device) for name, t in constants.items() if getattr(self, name)}
        return replace(self, constants=on_device)

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
        """Whether targets are numbers, so that no answer is right or wrong."""
        return self.kind in ("regression", "reconstruction")

    @property
    def has_cross_entropies(self) -> bool:
        """Whether outputs and targets are probabilities."""
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
        """The output above which a lone output means the second class, and a label holds."""
        return 0.0 if self._signed else 0.5

    @property
    def answers(self) -> int:
        """The number of answers for a row: one, or one per label."""
        return self.num_outputs if self.kind == "multilabel" else 1

    def encode(self, targets: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return targets as the loss takes them: class numbers (N,), or columns (N, C)."""
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
        """Return the classes that `encode` got: class numbers (..., N), or labels (..., N, C)."""
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
        """Return the mean cost of each run on its batch (K,); `weights` are (K, B, C)."""
        more = () if weights is None else (weights,)
        outputs = z if self.loss.traits.from_z else self.outputs(z)
        return self.loss(outputs, targets, *more, **self._options)

    def cost_and_gradient(
        self, z: Tensor, targets: Tensor, weights: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the cost (K,), and dZ, the gradient of each run's own cost: (K, B, C)."""
        loss = self.loss.traits
        if loss.with_gradient is not None and (loss.from_z or self.output_name == "identity"):
            more = () if weights is None else (weights,)
            return loss.with_gradient(z, targets, *more, **self._options)
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            costs = self.cost(z, targets, weights)
            (gradient,) = torch.autograd.grad(costs.sum(), z)
        return costs.detach(), gradient

    def decide(self, z: Tensor, outputs: Tensor | None = None) -> Tensor:
        """Return the predicted class of each row: class numbers (K, B), or labels (K, B, C).

        One output means the second class above the middle of its range. Of several outputs the
        largest decides. Labels are decided one by one. `outputs` are those of z where they are
        known already.
        """
        if self.kind != "multilabel" and self.num_outputs > 1:
            return z.argmax(-1)
        if self.output_name == "sigmoid":
            held = z > 0
        else:
            held = (self.outputs(z) if outputs is None else outputs) > self.middle
        return held.long() if self.kind == "multilabel" else held.squeeze(-1).long()

    def correct(self, z: Tensor, targets: Tensor, outputs: Tensor | None = None) -> Tensor | None:
        """Return how many answers are right in each run's batch: (K,); None for numbers.

        A row has `answers` of them. `outputs` are as for `decide`.
        """
        if self.is_numeric:
            return None
        return (self.decide(z, outputs) == self.decode(targets)).flatten(1).sum(1)
