"""Averages of every run's weights over its steps, which are evaluated in place of the last ones.

# K runs, P parameters of one run (padded)

Each registered function takes the number of steps made, from 1, and that of the whole run, and
returns the share s that the newest weights have in the average: average <- (1 - s) average + s w.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le, Lt
from torch import Tensor

from dlx.config.types import Choice
from dlx.nn.network import Network
from dlx.registry import register
from dlx.segments import segments


@register("average")
def ema(step: int, num_steps: int, *, decay: Annotated[float, Ge(0), Lt(1)] = 0.999) -> float:
    """Exponential moving average, corrected for its start: s = (1 - decay) / (1 - decay^step).

    The weights of n steps ago count decay^n times as much as the newest ones; the initial weights
    do not count. Running statistics of batch norm are averaged likewise.

    Args:
        decay: 0.999 is a mean over about the last 1,000 steps

    Reference:
        Polyak and Juditsky (1992), Acceleration of stochastic approximation by averaging; Kingma
        and Ba (2015), Adam: a method for stochastic optimization, section 7.2
    """
    return (1 - decay) / (1 - decay**step)


@register("average")
def swa(
    step: int,
    num_steps: int,
    *,
    start: Annotated[float, Ge(0), Le(1)] = 0.75,
    every: Annotated[int, Gt(0)] = 100,
) -> float:
    """Stochastic weight averaging: from `start` on, the plain mean of the weights at every n steps.

    Until then, the weights themselves. Running statistics of batch norm are averaged likewise; the
    paper computes them anew.

    Args:
        start: when the mean begins, as a share of the steps
        every: steps between two weights that are averaged; the paper takes an epoch

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
    """The averages of the runs that have one, batch norm's running statistics included.

    Args:
        choices: one per run; None for none
        num_steps: of each run
        network: holds the weights (K, P), which the averages take the place of for evaluation
    """

    def __init__(
        self, choices: Sequence[Choice | None], num_steps: Sequence[int], network: Network
    ) -> None:
        keys = list(zip(choices, num_steps, strict=True))
        self._segments = [
            (segment.rows, choice.bound(), steps)
            for segment in segments(keys)
            for choice, steps in [segment.choice]
            if choice is not None
        ]
        self._present: dict[str, Tensor] = {}
        if self._segments:
            self._present = {"parameters": network.buffer.values, **network.statistics()}
        self.values = {name: torch.zeros_like(value) for name, value in self._present.items()}

    def start(self) -> None:
        """Take the weights as they are."""
        self._blend(0)

    def update(self, step: int) -> None:
        """Take in the weights after so many steps."""
        self._blend(step)

    @torch.no_grad()
    def _blend(self, step: int) -> None:
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
        """Put the averages where the network computes with them, and the weights back after."""
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
    def take(
        self, source: "Averages", index: Tensor, columns: Sequence[tuple[slice, slice]]
    ) -> None:
        """Take over the averages of the runs that stay.

        Args:
            source: the averages before
            index: for each of the runs here, its row there
            columns: pairs of columns (there, here) of every parameter
        """
        for name, value in self.values.items():
            kept = source.values[name].index_select(0, index)
            if name != "parameters":
                value.copy_(kept)
                continue
            for there, here in columns:
                value[:, here] = kept[:, there]
