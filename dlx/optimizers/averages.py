"""Averages of each run's weights over its steps, which are evaluated instead of the last weights.

# K runs, P parameters of one run (padded)

Each registered function takes the number of steps made, from 1, and that of the whole run. It
returns the share s of the newest weights w in the average: average <- (1 - s) average + s w.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le, Lt
from torch import Tensor

from dlx.arithmetic import power
from dlx.config.types import Choice
from dlx.nn.network import Network
from dlx.nn.parameters import Moves, moved
from dlx.registry import register
from dlx.segments import segments


@register("average")
def ema(step: int, num_steps: int, *, decay: Annotated[float, Ge(0), Lt(1)] = 0.999) -> float:
    """Exponential moving average with bias correction: s = (1 - decay) / (1 - decay^step).

    The weights of n steps ago count decay^n times as much as the newest ones; the initial weights
    do not count. Running statistics of batch norm are averaged in the same way.

    Args:
        decay: 0.999 averages over about the last 1,000 steps

    Reference:
        Polyak and Juditsky (1992), Acceleration of stochastic approximation by averaging; Kingma
        and Ba (2015), Adam: a method for stochastic optimization, section 7.2
    """
    return (1 - decay) / (1 - power(decay, step))


@register("average")
def swa(
    step: int,
    num_steps: int,
    *,
    start: Annotated[float, Ge(0), Le(1)] = 0.75,
    every: Annotated[int, Gt(0)] = 100,
) -> float:
    """Stochastic weight averaging: from `start` on, the mean of the weights at every n-th step.

    Before, the weights themselves. Running statistics of batch norm are averaged in the same way;
    the paper computes them anew.

    Args:
        start: when the mean begins, as a share of the steps
        every: n, steps between two weights that are averaged; the paper takes an epoch

    Reference:
        Izmailov, Podoprikhin, Garipov, Vetrov and Wilson (2018), Averaging weights leads to wider
        optima and better generalization
    """
    since = step - max(math.ceil(start * num_steps), 1)
    if since < 0:
        return 1.0
    number, rest = divmod(since, every)
    return 0.0 if rest else 1 / (number + 1)


class Averages:
    """The averages of the runs that have one, with those of batch norm's running statistics."""

    def __init__(
        self, choices: Sequence[Choice | None], num_steps: Sequence[int], network: Network
    ) -> None:
        self._segments = [
            (rows, choice.bound(), steps)
            for rows, (choice, steps) in segments(list(zip(choices, num_steps, strict=True)))
            if choice is not None
        ]
        present = {"parameters": network.buffer.values, **network.statistics()}
        self._present = present if self._segments else {}
        self.values = {name: torch.zeros_like(value) for name, value in self._present.items()}

    @property
    def members(self) -> list[tuple[slice, Callable[[int, int], float], int]]:
        """The rows of runs whose averages are alike, the share at a step, and the run's steps."""
        return self._segments

    def of_run(self, row: int) -> list[tuple[Tensor, Tensor]]:
        """Return what is averaged of a run, and where its averages are."""
        return [(self._present[name][row], mean[row]) for name, mean in self.values.items()]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after the given number of steps, at 0 as they are."""
        for rows, function, num_steps in self._segments:
            share = function(step, num_steps) if step else 1.0
            for name, average in self.values.items():
                newest, mean = self._present[name][rows], average[rows]
                if share == 1:
                    mean.copy_(newest)
                elif share:
                    mean.add_((newest - mean).mul_(share))

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the network compute with the averages, and with the weights again afterwards."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    @torch.no_grad()
    def _exchange(self) -> None:
        for rows, *_ in self._segments:
            for name, average in self.values.items():
                weights = self._present[name][rows].clone()
                self._present[name][rows] = average[rows]
                average[rows] = weights

    @torch.no_grad()
    def take(self, source: "Averages", index: Tensor, columns: Moves) -> None:
        """Take over the averages of the runs that stay: those in the rows `index` of `source`."""
        for name, value in self.values.items():
            kept = source.values[name].index_select(0, index)
            value.copy_(moved(kept, columns, value.shape[1]) if name == "parameters" else kept)
