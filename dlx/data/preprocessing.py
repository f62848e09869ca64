"""The shift and scale of the inputs, fitted on training rows and kept with the run."""

# N rows, I inputs

from dataclasses import dataclass

import numpy as np
import torch

from dlx.data.statistics import feature_statistics


@dataclass(frozen=True)
class Preprocessing:
    """x ↦ (x - shift) / scale for every input."""

    shift: torch.Tensor | None = None  # (I,) float32; None: inputs stay as they are
    # (I,) float32; 1 for an input that is constant in the training rows
    scale: torch.Tensor | None = None

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Return (x - shift) / scale for x of shape (..., I)."""
        if self.shift is None or self.scale is None:
            return x
        return (x - self.shift) / self.scale

    def undone(self, x: torch.Tensor) -> torch.Tensor:
        """Return x * scale + shift, in the units of the data, for x of shape (..., I)."""
        return x if self.shift is None or self.scale is None else x * self.scale + self.shift

    def to(self, device: torch.device | str) -> "Preprocessing":
        """Return the same preprocessing with its tensors on a device."""
        return self.from_tensors({name: t.to(device) for name, t in self.tensors().items()})

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the tensors to save with a run; empty where nothing is preprocessed."""
        if self.shift is None or self.scale is None:
            return {}
        return {"shift": self.shift, "scale": self.scale}

    @classmethod
    def from_tensors(cls, tensors: dict[str, torch.Tensor]) -> "Preprocessing":
        """Return the preprocessing that `tensors()` saved."""
        return cls(tensors.get("shift"), tensors.get("scale"))


def fit(train: np.ndarray, *, standardize: bool, scale: bool | float) -> Preprocessing:
    """Fit the preprocessing on the training rows alone: (N, I) float32.

    standardize:     shift = mean     scale = standard deviation (over N)
    scale: true      shift = minimum  scale = maximum - minimum: training inputs lie in [0, 1]
    scale: a number  shift = 0        scale = the number, whatever the rows
    """
    if not (standardize or scale):
        return Preprocessing()
    if scale and not isinstance(scale, bool):
        width = torch.full((train[0].size,), float(scale))
        return Preprocessing(torch.zeros_like(width), width)
    statistics = feature_statistics(train)
    shift = statistics.mean if standardize else statistics.minimum
    width = statistics.std if standardize else statistics.maximum - statistics.minimum
    # Rounding gives a constant input a tiny standard deviation, which would blow it up.
    constant = (statistics.minimum == statistics.maximum) | (width < np.finfo(np.float32).tiny)
    shift = np.where(constant, statistics.minimum, shift)
    width = np.where(constant, 1.0, width)
    return Preprocessing(
        torch.from_numpy(shift.astype(np.float32)), torch.from_numpy(width.astype(np.float32))
    )
