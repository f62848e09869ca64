"""The optimizers of a cohort's runs over the rows of the parameter buffer.

# K runs, P parameters of one run (padded)

A *slab* is a stretch of rows `start:end` of the buffer whose runs have the same optimizer, settings
and schedule. Updates are elementwise, so the runs of a slab get the same bits as separate runs.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from dlx.config.types import Choice
from dlx.nn.parameters import Moves, ParameterBuffer, moved
from dlx.optimizers.lbfgs import LbfgsSlab
from dlx.optimizers.rule import Layout, Rule, momentum_name
from dlx.segments import segments

_Key = tuple[Choice, int, Hashable]
"""Optimizer and number of steps of the runs of a slab, and whatever else they must agree in."""
_Value = TypeVar("_Value")


class Slab:
    """A slab with the state of its optimizer.

    `rate` is the present learning rate, `base_rate` that of the settings; `weight_decay` is that of
    the weights alone. The state is tensors (rows, P) and single numbers, by name; some are None
    until the first step.
    """

    def __init__(self, rows: slice, key: _Key, buffer: ParameterBuffer, layout: Layout) -> None:
        self.rows, self.key = rows, key
        choice = key[0]
        self.rule = rule = cast(Rule, choice())
        self.settings = {k: v for k, v in rule.settings.items() if k != "lr"}
        self._weights = layout.weights
        self.weight_decay = 0.0
        if choice.decay == "weights":
            self.weight_decay = self.settings["weight_decay"]
            self.settings["weight_decay"] = 0.0
        if rule.shaped:
            self.settings["layout"] = layout
        self.base_rate = self.rate = rule.settings["lr"]
        self._values, self._gradients = buffer.values[rows], buffer.gradients[rows]
        device = buffer.values.device
        fused = device.type in rule.fused
        if fused:
            self.settings["fused"] = True
        # torch counts steps on the CPU, unless the optimizer is fused.
        self._counter_device = device if fused else torch.device("cpu")
        self.state: dict[str, Any] = {
            name: None if start is None else torch.full_like(self._values, start)
            for name, start in rule.state.items()
        }
        for name, start in rule.counters.items():
            self.state[name] = torch.tensor(start, device=self._counter_device)

    def step(self, evaluate: Callable[[], Tensor] | None) -> None:
        """Update the rows by their gradients."""
        state: dict[str, Any] = {name: [value] for name, value in self.state.items()}
        gradients = self._gradients
        if self.weight_decay:
            gradients = self._decay(gradients)
        self.rule.update([self._values], [gradients], **state, lr=self.rate, **self.settings)
        for name, value in self.state.items():
            if value is None:
                self.state[name] = state[name][0]

    def _decay(self, gradients: Tensor) -> Tensor:
        """Decay the weights, or return the gradients with their decay added."""
        weights = self._values[:, self._weights]
        if self.rule.decoupled:
            weights.mul_(1 - self.rate * self.weight_decay)
            return gradients
        decayed = gradients.clone()  # the buffer's gradient, that of the cost, is logged later
        decayed[:, self._weights].add_(weights * self.weight_decay)
        return decayed

    def make_state(self) -> bool:
        """Make the tensors that are None until the first step; return whether there were any."""
        missing = [name for name, value in self.state.items() if value is None]
        for name in missing:
            self.state[name] = torch.zeros_like(self._values)
        return bool(missing)

    def set_momentum(self, momentum: float) -> None:
        """Set the momentum, or beta1, of the next steps."""
        name = momentum_name(self.key[0])
        assert name is not None
        self.settings[name] = momentum

    def load(self, name: str, value: Tensor) -> None:
        """Restore a part of the state."""
        is_counter = name in self.rule.counters
        device = self._counter_device if is_counter else self._values.device
        self.state[name] = value.to(device, copy=True)

    def take(self, sources: Sequence[tuple["Slab", list[int]]], columns: Moves) -> None:
        """Take over the state of runs from slabs, each with the places of the runs in it."""
        for name, value in sources[0][0].state.items():
            # All runs of a cohort have made the same number of steps.
            if value is None or name in self.rule.counters:
                self.state[name] = None if value is None else value.clone()
                continue
            kept = torch.cat([slab.state[name][places] for slab, places in sources])
            self.state[name] = moved(kept, columns, self._values.shape[1])


class SlabOptimizer:
    """The optimizers of a cohort over the rows of its parameter buffer.

    Runs of equal choices should be neighbours; a schedule depends on their number of steps. Runs of
    different keys `apart` have different learning rates.
    """

    def __init__(
        self,
        choices: Sequence[Choice],
        num_steps: Sequence[int],
        buffer: ParameterBuffer,
        apart: Sequence[Hashable] | None = None,
    ) -> None:
        keys = list(zip(choices, num_steps, apart or [None] * len(choices), strict=True))
        matrices = tuple((p.columns, p.shape) for p in buffer.parameters if p.is_weight)
        layout = Layout(buffer.weights, matrices)
        self._slabs: list[Any] = [
            LbfgsSlab(rows, key, buffer)
            if key[0].traits.searches
            else Slab(rows, key, buffer, layout)
            for rows, key in segments(keys)
        ]

    def set_rates(self, factors: Sequence[float]) -> None:
        """Set each slab's learning rate to its own times its factor."""
        for slab, factor in zip(self._slabs, factors, strict=True):
            slab.rate = slab.base_rate * factor

    def set_momenta(self, momenta: Sequence[float | None]) -> None:
        """Set each slab's momentum, or beta1, where one is given."""
        for slab, momentum in zip(self._slabs, momenta, strict=True):
            if momentum is not None:
                slab.set_momentum(momentum)

    @property
    def members(self) -> list[Slab]:
        """The slabs themselves, first rows first."""
        return self._slabs

    @property
    def slabs(self) -> list[tuple[Choice, int]]:
        """The optimizer and the number of steps of each slab, first rows first."""
        return [slab.key[:2] for slab in self._slabs]

    @property
    def first_rows(self) -> list[int]:
        """The first row of each slab."""
        return [slab.rows.start for slab in self._slabs]

    @property
    def rates(self) -> list[float]:
        """The present learning rate of every run."""
        return self.per_run([slab.rate for slab in self._slabs])

    def per_run(self, values: Sequence[_Value]) -> list[_Value]:
        """Return a value for each run: that of its slab."""
        pairs = zip(self._slabs, values, strict=True)
        return [value for slab, value in pairs for _ in range(slab.rows.start, slab.rows.stop)]

    @property
    def searches(self) -> bool:
        """Whether steps evaluate the cost."""
        return any(isinstance(slab, LbfgsSlab) for slab in self._slabs)

    @torch.no_grad()
    def step(self, evaluate: Callable[[], Tensor] | None = None) -> None:
        """Update the parameters of every run.

        If it `searches`, it needs `evaluate`, which returns the costs at the present weights and
        leaves their gradients in the buffer.
        """
        for slab in self._slabs:
            slab.step(evaluate)

    def state(self) -> dict[str, Tensor]:
        """Return the state of all optimizers: `<slab>.<name>`, (rows of the slab, P) or scalars."""
        return {
            f"{index}.{name}": value
            for index, slab in enumerate(self._slabs)
            for name, value in slab.state.items()
            if value is not None
        }

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Restore what `state` returned for the same runs in the same order."""
        for key, value in state.items():
            index, name = key.split(".")
            self._slabs[int(index)].load(name, value)

    def take_state(self, source: "SlabOptimizer", rows: Sequence[int], columns: Moves) -> None:
        """Take over the state of the runs that stay; `rows` are theirs in `source`, ascending."""
        for slab in self._slabs:
            # Several slabs become one if the runs between them have left.
            sources = [
                (
                    other,
                    [
                        row - other.rows.start
                        for row in rows[slab.rows]
                        if other.rows.start <= row < other.rows.stop
                    ],
                )
                for other in source._slabs
            ]
            slab.take([(other, places) for other, places in sources if places], columns)
