"""Law 1: a run trains to the same bits alone and beside others.

# K runs, B batch, I inputs
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from dlx.cohort import Cohort, Member, group
from dlx.config.types import Choice, choice
from dlx.data.dataset import Task
from dlx.models.design import Design
from dlx.testing.bits import assert_same_bits

# Numbers of inputs and of rows: one input, odd numbers, and a multiple of the vector length.
SHAPES = ((1, 4), (5, 7), (13, 32))
_STEPS = 4
_CURE = "every run must be computed from its own rows alone, by functions without a vectorized tail"


@dataclass(frozen=True)
class Variant:
    """Design, optimizer and seed of a run."""

    design: Callable[[Task], Design]  # makes the design for a task
    optimizer: Choice  # with its settings
    seed: int = 0  # of the run's streams

    def member(self, name: str, task: Task) -> Member:
        """Return the run with a name, for a task."""
        return Member(name, self.seed, self.design(task), self.optimizer, _STEPS, _STEPS)


def chosen(kind: str, named: str | Callable[..., Any], options: dict[str, Any]) -> Choice:
    """Return the choice of a registered name or function."""
    name = named if isinstance(named, str) else named.__name__
    return choice(kind, name, **options)


def regression(num_inputs: int) -> Task:
    """Return the task of predicting two numbers."""
    return Task("regression", num_inputs, 2, None, (num_inputs,))


def numbers(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return normal numbers, the same every time."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)


def assert_alone_or_together(what: str, run: Variant, others: tuple[Variant, Variant]) -> None:
    """Check that a run trains to the same bits alone and first, amid and last of three.

    The others have the same shapes; those that cannot share a cohort with it are left out.
    """
    for num_inputs, batch in SHAPES:
        task = regression(num_inputs)
        member = run.member("run", task)
        beside = [other.member(str(i), task) for i, other in enumerate(others)]
        beside = [other for other in beside if len(group([member, other])) == 1]
        alone = _train([member], task, batch)["run"]
        for place in range(len(beside) + 1):
            cohort = [*beside[:place], member, *beside[place:]]
            together = _train(cohort, task, batch)["run"]
            where = f"{what}, {num_inputs} inputs, batch {batch}, run {place + 1} of {len(cohort)}"
            assert_same_bits(together, alone, f"{where} against alone", _CURE)


def plain_variant(width: int, **options: Any) -> Variant:
    """Return a multilayer perceptron of one hidden layer, trained by gradient descent."""
    options = {"activation": "tanh", "init": "xavier_normal", **options}
    model = choice("model", "mlp", hidden=[width], **options)
    return Variant(model, choice("optimizer", "sgd", lr=0.05))


def neighbours(run: Variant, width: int) -> tuple[Variant, Variant]:
    """Return two runs of the shapes of `plain_variant`: with other choices, and with `run`'s."""
    other = replace(plain_variant(width, activation=choice("activation", "relu")), seed=1)
    return other, replace(run, seed=2, optimizer=choice("optimizer", "adam"))


def _train(members: list[Member], task: Task, batch: int) -> dict[str, dict[str, Tensor]]:
    """Return costs, gradients and final weights of the runs, by their names."""
    cohort = Cohort(members, batch)
    num_runs = len(members)
    inputs, targets = numbers(batch, task.num_inputs), numbers(batch, task.num_outputs, seed=1)
    x, t = (rows.expand(num_runs, *rows.shape) for rows in (inputs, targets))
    cohort.initialize(x)
    recorded: dict[str, dict[str, Tensor]] = {member.name: {} for member in members}
    for step in range(_STEPS):
        costs, _ = cohort.forward_backward(x, t, step)
        for row, member in enumerate(members):
            recorded[member.name][f"the cost of step {step}"] = costs[row].clone()
            for parameter in cohort.network.buffer.parameters:
                if parameter.owners[row]:
                    name = f"the gradient of {parameter.name} at step {step}"
                    recorded[member.name][name] = parameter.gradient[row].clone()
        cohort.update(x, t, step)
    for row, member in enumerate(members):
        state = cohort.network.run_state(row)
        recorded[member.name] |= {f"the final {name}": v.clone() for name, v in state.items()}
    return recorded
