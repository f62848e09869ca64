"""Additive Gaussian noise on the run axis.

# K runs, B batch, I units
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from dlx.nn.draws import Draws, standard_normal
from dlx.nn.passes import Pass
from dlx.segments import where


class GaussianNoise:
    """y = x + std n with n ~ N(0, 1), while training.

    Reference:
        Bishop (1995), Training with noise is equivalent to Tikhonov regularization
    """

    def __init__(
        self,
        layer: str,
        stds: Sequence[float],
        seeds: Sequence[int],
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        active = [std > 0 for std in stds]
        self._draws = Draws("noise", layer, seeds, active, device, standard_normal, dtype)
        self._std = torch.tensor(stds, dtype=dtype, device=device)[:, None, None]
        self._noisy = where(stds, lambda std: std > 0)

    def forward(self, x: Tensor, pass_: Pass) -> Tensor:
        """Return `x` with this step's noise: (K, B, I). Its gradient is that of the outputs."""
        if not self._draws.active or pass_.tape is None:
            return x
        used = x.shape[1] * x.shape[2]
        drawn = self._draws(pass_.step, pass_.batch_size * x.shape[2], used).view(x.shape)
        y = x.clone()
        # Only where there is noise: adding zero would turn another run's -0 into 0.
        for rows in self._noisy:
            y[rows] += drawn[rows] * self._std[rows]
        return y
