"""What the code knows of a registered name beside its function: one class of traits per kind.

Traits are given where a name is registered, `@register("activation", trainable=False)`, and read
from a choice, `choice.traits.trainable`. They stand in place of tests by name, so that a plug-in's
names can have them too. A kind that is not listed in `TRAITS` has none.
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
    """No traits: of kinds whose functions say all that is known."""


@dataclass(frozen=True, kw_only=True)
class ActivationTraits(Traits):
    """What is known of an activation `a = g(z)`.

    Attributes:
        backward: `backward(upstream, z, a, **options)` returns upstream g'(z), and may write it
            over `upstream`; None: autograd computes it
        learned: parameters, one number each per layer, with their initial values; the function
            takes them, shaped to broadcast against `z`, after `z`
        module: the same in torch, made with the same options; None: torch has none
        trainable: a gradient can pass (not so for a step)
        bounds: what g increases from and to, as z does, without ever reaching it, such as (0, 1):
            values in (0, 1) are taken for probabilities, and outputs in (-1, 1) are trained towards
            -1 and 1; None: there are no such bounds
        rectifies: g(z) is exactly 0 for z <= 0
    """

    backward: "Callable[..., Tensor] | None" = None
    learned: Mapping[str, float] = field(default_factory=dict)
    module: "type[nn.Module] | None" = None
    trainable: bool = True
    bounds: tuple[float, float] | None = None
    rectifies: bool = False

    @property
    def is_probability(self) -> bool:
        """Whether its values can be taken for probabilities."""
        return self.bounds == (0, 1)


@dataclass(frozen=True, kw_only=True)
class InitializerTraits(Traits):
    """What is known of an initializer of weights.

    Attributes:
        for_biases: it can fill a bias too: it asks for no fan-in and fan-out, which a vector lacks
        own_bias: `own_bias(bias, num_inputs, generator)` fills the bias (1, O) that goes with such
            weights; None: a bias starts at zero
        starts_on_data: before the first step each layer's weights are scaled until Var(z) = 1 on
            the first training batch; the options `tolerance` and `max_iterations` say how closely
        written_out: the options `weights` and `biases` are the numbers themselves, of a whole layer
    """

    for_biases: bool = False
    own_bias: "Callable[[Tensor, int, Generator], object] | None" = None
    starts_on_data: bool = False
    written_out: bool = False


@dataclass(frozen=True, kw_only=True)
class SparsityTraits(Traits):
    """What is known of a sparsity penalty.

    Attributes:
        of_probabilities: it is defined for units in (0, 1) alone, as after a sigmoid
    """

    of_probabilities: bool = False


@dataclass(frozen=True, kw_only=True)
class LossTraits(Traits):
    """What is known of a loss.

    Attributes:
        outputs: the output functions it can follow, the usual one first; none: any
        from_z: it takes the output layer's `z` and applies the output function itself
        exclusive: of classes that exclude each other it takes the numbers, not a column each
        signed: it takes columns of -1 and 1, not of 0 and 1
        needs_classes: it cannot be used for numbers to predict
        of_probabilities: its targets may be any numbers in [0, 1], so that it can judge the
            reconstruction of such inputs even if it `needs_classes`
        weighs: it takes, after the targets, `weights` (K, B, T) or None, by which the cost of each
            output is multiplied before the mean is taken; so does `with_gradient`
        with_gradient: `with_gradient(z, targets, **options)` returns the costs (K,) and dZ
            (K, B, C) in one; of a loss of `a`, it serves where the output function is the identity;
            None: autograd computes dZ
    """

    outputs: tuple[str, ...] = ()
    from_z: bool = False
    exclusive: bool = False
    signed: bool = False
    needs_classes: bool = False
    of_probabilities: bool = False
    weighs: bool = False
    with_gradient: "Callable[..., tuple[Tensor, Tensor]] | None" = None


@dataclass(frozen=True)
class MetricTraits(Traits):
    """What is known of a metric.

    Attributes:
        statistic: what it is a function of; called with the metric's options too
        kinds: of the tasks it is for
        rising: larger values are better
        tag: what its values are logged as, with its options in {}; None: its name
        scale: "share", a share of rows or labels, shown in percent; "score", another number between
            0 and 1; None: any number
        graded: it judges how sure an answer is, not the answer alone
        check: `check(head, **options)` says why a task with this head cannot have it; None if it
            can
    """

    statistic: "Statistic"
    kinds: "tuple[TaskKind, ...]"
    rising: bool = field(kw_only=True)
    tag: str | None = field(default=None, kw_only=True)
    scale: Literal["share", "score"] | None = field(default=None, kw_only=True)
    graded: bool = field(default=False, kw_only=True)
    check: "Callable[..., str | None] | None" = field(default=None, kw_only=True)


@dataclass(frozen=True, kw_only=True)
class OptimizerTraits(Traits):
    """What is known of an optimizer.

    Attributes:
        searches: it evaluates the cost itself, several times a step, so that its runs train one to
            a cohort; its function returns a `Search` in place of a `Rule`
    """

    searches: bool = False


@dataclass(frozen=True, kw_only=True)
class ScheduleTraits(Traits):
    """What is known of a schedule.

    Attributes:
        constant: its factor is 1 at every step after the warm-up
        watches: the rate is lowered, too, when the metric of its option `metric` no longer improves
            (`dlx/training/plateau.py`)
        cycles_momentum: its option `momentum`, [lowest, highest] or null, moves the optimizer's
            momentum against the rate
    """

    constant: bool = False
    watches: bool = False
    cycles_momentum: bool = False


@dataclass(frozen=True, kw_only=True)
class DataTraits(Traits):
    """What is known of a data source.

    Attributes:
        runs_code: it executes the function that its option `function` names, if that is allowed
    """

    runs_code: bool = False


@dataclass(frozen=True, kw_only=True)
class ModelTraits(Traits):
    """What is known of a model.

    Attributes:
        reconstructs: its targets are its inputs
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
"""What makes the traits of a kind from the settings of `register`."""
