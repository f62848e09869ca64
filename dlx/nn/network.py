"""A network of every run of a cohort: layers over one parameter buffer.

# K runs, B batch, I inputs, C outputs
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from dlx.nn.corruption import Corruption, InputCorruption
from dlx.nn.dropout import Dropout, GaussianNoise
from dlx.nn.layers.protocol import Blueprint
from dlx.nn.layers.stack import Stack
from dlx.nn.parameters import Buffers, ParameterBuffer
from dlx.nn.passes import Pass


@dataclass(frozen=True)
class InputChanges:
    """What happens to the inputs of one run in training: corruption, then noise, then dropout."""

    dropout: float = 0.0  # share of the inputs that is dropped
    dropout_kind: str = "dropout"
    noise: float = 0.0  # standard deviation of the noise on the inputs
    corruption: InputCorruption | None = None  # what an autoencoder has to undo; None for nothing


class Network:
    """K networks of the same shape that compute side by side.

    The activation of the last layer is the identity: the output function is the head's.
    """

    def __init__(
        self,
        blueprints: Sequence[Blueprint],
        seeds: Sequence[int],
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
        *,
        input_changes: Sequence[InputChanges] | None = None,
    ) -> None:
        device = torch.device(device)
        changes = input_changes or [InputChanges()] * len(blueprints)
        self.corruption = Corruption([c.corruption for c in changes], seeds, dtype, device)
        self.input_noise = GaussianNoise("input", [c.noise for c in changes], seeds, dtype, device)
        rates, kinds = [c.dropout for c in changes], [c.dropout_kind for c in changes]
        self.input_dropout = Dropout("input", rates, kinds, seeds, dtype, device)
        self.blueprints = tuple(blueprints)
        self.num_runs = len(blueprints)
        self._stack = Stack(blueprints, seeds, dtype, device)
        self.layers = self._stack.layers
        self.buffer = ParameterBuffer(self._stack.parameters, len(blueprints), dtype, device)

    def forward(self, x: Tensor, pass_: Pass) -> Tensor:
        """Return the output layer's z: (K, B, I) to (K, B, C)."""
        x = self.input_noise.forward(self.corruption.forward(x, pass_), pass_)
        x = self.input_dropout.forward(x, pass_)
        return self._stack.forward(x, pass_)

    def encode(self, x: Tensor, code: str) -> Tensor:
        """Return the outputs of the layer named `code`, in evaluation mode: (K, B, I) to (K, B, O).

        It is a layer of the network itself, not one inside a block.
        """
        return self._stack.forward(x, Pass(), stop=self._place(code) + 1)

    def decode(self, values: Tensor, code: str) -> Tensor:
        """Return the output layer's z given the outputs of the layer named `code`: (K, B, C)."""
        return self._stack.forward(values, Pass(), start=self._place(code) + 1)

    def sample(self, number: int, steps: int, seeds: Sequence[int]) -> Tensor:
        """Return rows that the first layer makes up, if it can (`Spec.can_sample`): (K, N, I)."""
        return cast(Any, self.layers[0]).sample(number, steps, seeds)

    def _place(self, name: str) -> int:
        return [spec.name for spec in self.blueprints[0]].index(name)

    def backward(self, dz: Tensor, pass_: Pass) -> None:
        """Leave all parameters' gradients in the buffer, given that of the last z: (K, B, C)."""
        self._stack.backward(dz, pass_, is_first=True)
        if self.input_dropout.active:
            pass_.pop()  # the mask of the dropout: the gradient of the inputs is not needed

    @property
    def layer_names(self) -> list[str]:
        """The names of the layers that have parameters, first to last; the output layer is last."""
        return list(dict.fromkeys(p.layer for p in self.buffer.parameters))

    @functools.cached_property
    def layer_owners(self) -> dict[str, list[bool]]:
        """Which runs have parameters in a layer, by its name, in the order of `layer_names`."""
        owners: dict[str, list[bool]] = {}
        for p in self.buffer.parameters:
            so_far = owners.get(p.layer, [False] * self.num_runs)
            owners[p.layer] = [a or b for a, b in zip(so_far, p.owners, strict=True)]
        return owners

    def num_parameters(self, run: int) -> int:
        """Return the number of trained numbers that a run owns."""
        return sum(p.value[run].numel() for p in self.buffer.parameters if p.owners[run])

    def state(self) -> dict[str, Tensor]:
        """Return everything that evaluation needs, by name, sharing memory: (K, ...) each."""
        return {name: value for name, (value, _) in self._owned().items()}

    def statistics(self) -> dict[str, Tensor]:
        """Return the state that is not trained, by name, sharing memory: (K, ...) each."""
        return {name: value for name, (value, _) in self._stack.buffers.items()}

    def run_state(self, run: int) -> dict[str, Tensor]:
        """Return the state that one run owns, by name, sharing memory."""
        return {name: value[run] for name, (value, owners) in self._owned().items() if owners[run]}

    def _owned(self) -> Buffers:
        """Return all state, and which runs own it."""
        values = {p.name: (p.value.detach(), p.owners) for p in self.buffer.parameters}
        return values | self._stack.buffers

    def load_run(self, run: int, state: dict[str, Tensor]) -> None:
        """Copy one run's state, as `run_state` gives it, into its row."""
        self.load_start(run, {name: state[name] for name in self.run_state(run)})

    @torch.no_grad()
    def load_start(self, run: int, state: Mapping[str, Tensor]) -> None:
        """Copy a part of one run's state into its row; the rest stays as it is."""
        for name, value in self.run_state(run).items():
            if name in state:
                value.copy_(state[name])
