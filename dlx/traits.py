"""Traits: what the code must know of a registered name beside its function, a class per kind.

They are given at registration, `@register("activation", trainable=False)`, and read from a choice,
`choice.traits.trainable`. Code asks for traits, not for names, so that a plug-in's names work like
dlx's own. Kinds that are not listed in `TRAITS` have none.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

    from dlx.nn.counts import Statistic
    from dlx.nn.head import TaskKind


@dataclass(frozen=True)
class Traits:
    """The traits of kinds that have none."""


@dataclass(frozen=True, kw_only=True)
class ActivationTraits(Traits):
    """Traits of an activation a = g(z).

    Attributes:
        backward: `backward(upstream, z, a, **options)` returns upstream g'(z), and may write it
            over `upstream`; None: autograd computes it
        learned: initial values of learned parameters, by name: one number per layer; the function
            takes them after `z`, in shapes that broadcast against it
        module: torch's module for it, which takes the same options; None: there is none
        trainable: whether gradients pass through it (not through a step)
        bounds: limits that g approaches but never reaches as z goes to minus and plus infinity; g
            must increase everywhere. Values in (0, 1) count as probabilities; an output layer with
            values in (-1, 1) is trained on targets of -1 and 1. None: no such limits
        rectifies: whether g(z) is exactly 0 for z <= 0
    """

    backward: "Callable[..., Tensor] | None" = None
    learned: Mapping[str, float] = field(default_factory=dict)
    module: "type[nn.Module] | None" = None
    trainable: bool = True
    bounds: tuple[float, float] | None = None
    rectifies: bool = False

    @property
    def is_probability(self) -> bool:
        """Whether its values count as probabilities."""
        return self.bounds == (0, 1)


@dataclass(frozen=True, kw_only=True)
class InitializerTraits(Traits):
    """Traits of an initializer.

    Attributes:
        for_biases: whether it can fill biases too, which have no fan-in and fan-out
        own_bias: `own_bias(bias, num_inputs, generator)` fills the bias (1, O) of a layer with such
            weights; None: biases start at zero
        starts_on_data: whether each layer's weights are then scaled until Var(z) = 1 on the first
            training batch; the options `tolerance` and `max_iterations` say how closely
        written_out: whether the options `weights` and `biases` are the numbers of a whole layer
    """

    for_biases: bool = False
    own_bias: "Callable[[Tensor, int, Generator], object] | None" = None
    starts_on_data: bool = False
    written_out: bool = False


@dataclass(frozen=True, kw_only=True)
class SparsityTraits(Traits):
    """Traits of a sparsity penalty.

    Attributes:
        of_probabilities: whether units must lie in (0, 1), as after a sigmoid
    """

    of_probabilities: bool = False


@dataclass(frozen=True, kw_only=True)
class LossTraits(Traits):
    """Traits of a loss.

    Attributes:
        outputs: output functions that it can follow, the usual one first; (): any
        from_z: whether it takes the output layer's `z`, and applies the output function itself
        exclusive: whether targets of exclusive classes are class numbers, not a column per class
        signed: whether targets are columns of -1 and 1, not of 0 and 1
        needs_classes: whether it is for classes or labels, not for numbers to predict
        of_probabilities: whether targets may be any numbers in [0, 1]; then it can judge
            reconstructions of such inputs, even if it `needs_classes`
        weighs: whether it takes, after the targets, `weights` (K, B, T) or None: a factor for the
            cost of each output; `with_gradient` takes them too
        with_gradient: `with_gradient(z, targets, **options)` returns the costs (K,) and their
            gradient dZ (K, B, C); that of a loss of `a` is only used after the identity. None:
            autograd computes dZ
    """

    outputs: tuple[str, ...] = ()
    from_z: bool = False
    exclusive: bool = False
    signed: bool = False
    needs_classes: bool = False
    of_probabilities: bool = False
    weighs: bool = False
    with_gradient: "Callable[..., tuple[Tensor, Tensor]] | None" = None


Scale = Literal["share", "score"] | None


@dataclass(frozen=True)
class MetricTraits(Traits):
    """Traits of a metric.

    Attributes:
        statistic: what the metric is a function of; it gets the metric's options too
        kinds: of tasks that have it
        rising: whether larger values are better
        tag: under which it is logged, with options in braces; None: its name
        scale: "share": a share of rows or labels, which is shown in percent; "score": another
            number between 0 and 1; None: any number
        best: value that none exceeds, of a metric of any number; None: there is none
        graded: whether it depends on how sure answers are, not only on the answers
        unit: what is written after a value
        check: `check(head, **options)` returns why a task with this head cannot have the metric, or
            None if it can
    """

    statistic: "Statistic"
    kinds: "tuple[TaskKind, ...]"
    rising: bool = field(kw_only=True)
    tag: str | None = field(default=None, kw_only=True)
    scale: Scale = field(default=None, kw_only=True)
    best: float | None = field(default=None, kw_only=True)
    graded: bool = field(default=False, kw_only=True)
    unit: str = field(default="", kw_only=True)
    check: "Callable[..., str | None] | None" = field(default=None, kw_only=True)


@dataclass(frozen=True, kw_only=True)
class OptimizerTraits(Traits):
    """Traits of an optimizer.

    Attributes:
        searches: whether it evaluates the cost several times a step. Then its function returns a
            `Search`, not a `Rule`, and each of its runs is a cohort of its own
    """

    searches: bool = False


@dataclass(frozen=True, kw_only=True)
class ScheduleTraits(Traits):
    """Traits of a schedule.

    Attributes:
        constant: whether the factor is 1 at every step after the warm-up
        watches: whether the rate is also lowered when the metric of its option `metric` no longer
            improves (`dlx/training/watching.py`)
        cycles_momentum: whether its option `momentum`, [lowest, highest] or null, moves the
            optimizer's momentum against the rate
    """

    constant: bool = False
    watches: bool = False
    cycles_momentum: bool = False


@dataclass(frozen=True, kw_only=True)
class DataTraits(Traits):
    """Traits of a data source.

    Attributes:
        runs_code: whether it executes the function that its option `function` names, which the user
            must allow
    """

    runs_code: bool = False


@dataclass(frozen=True, kw_only=True)
class ModelTraits(Traits):
    """Traits of a model.

    Attributes:
        reconstructs: whether its targets are its inputs
    """

    reconstructs: bool = False


TRAITS: dict[str, Callable[..., Traits]] = {
    "activation": ActivationTraits,
    "initializer": InitializerTraits,
    "sparsity": SparsityTraits,
    "loss": lambda *outputs, **traits: LossTraits(outputs=outputs, **traits),
    "metric": MetricTraits,
    "optimizer": OptimizerTraits,
    "schedule": ScheduleTraits,
    "data": DataTraits,
    "model": ModelTraits,
}
"""For each kind, what makes its traits of the arguments of `register`."""
