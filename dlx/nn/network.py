"""A network of every run of a cohort: layers over one parameter buffer.

# K runs, B batch, I inputs, C outputs
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from dlx.nn.dense import Dense, DenseSpec
from dlx.nn.parameters import ParameterBuffer
from dlx.nn.passes import Pass

Blueprint = tuple[DenseSpec, ...]
"""The layers of one run, first to last; the last one's activation belongs to the loss."""


class Network:
    """K networks of the same shape that compute side by side.

    Args:
        blueprints: the layers of each run; all of the same structure
        seeds: one per run
    """

    def __init__(
        self,
        blueprints: Sequence[Blueprint],
        seeds: Sequence[int],
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        device = torch.device(device)
        self.blueprints = tuple(blueprints)
        self.layers = [
            Dense(specs, seeds, dtype, device) for specs in zip(*blueprints, strict=True)
        ]
        parameters = [parameter for layer in self.layers for parameter in layer.parameters]
        self.buffer = ParameterBuffer(parameters, len(blueprints), dtype, device)

    def forward(self, x: Tensor, how: Pass) -> Tensor:
        """Return the output layer's z: (K, B, I) to (K, B, C)."""
        for layer in self.layers:
            x = layer.forward(x, how)
        return x

    def backward(self, dz: Tensor, how: Pass) -> None:
        """Leave every parameter's gradient in the buffer, given that of the output layer's z.

        Args:
            dz: (K, B, C)
            how: the forward pass, which recorded
        """
        gradient: Tensor | None = dz
        for number, layer in reversed(list(enumerate(self.layers))):
            assert gradient is not None
            gradient = layer.backward(gradient, how, is_first=number == 0)

    @property
    def num_runs(self) -> int:
        """K."""
        return len(self.blueprints)

    def num_parameters(self, run: int) -> int:
        """Return the number of trained numbers that a run owns."""
        return sum(p.value[run].numel() for p in self.buffer.parameters if p.owners[run])

    def state(self) -> dict[str, Tensor]:
        """Return everything that evaluation needs, by name, sharing memory: (K, ...) each."""
        buffers = {name: value for layer in self.layers for name, value in layer.buffers.items()}
        values = {p.name: p.value.detach() for p in self.buffer.parameters}
        return values | buffers

    def run_state(self, run: int) -> dict[str, Tensor]:
        """Return the state that one run owns, by name, sharing memory."""
        owned = {p.name: p.owners[run] for p in self.buffer.parameters}
        for layer in self.layers:
            owned |= dict.fromkeys(layer.buffers, layer.batch_norm.gain.owners[run])
        return {name: value[run] for name, value in self.state().items() if owned[name]}

    @torch.no_grad()
    def load_run(self, run: int, state: dict[str, Tensor]) -> None:
        """Copy one run's state, as `run_state` gives it, into its row."""
        for name, value in self.run_state(run).items():
            value.copy_(state[name])
