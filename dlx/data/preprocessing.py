"""The shift and scale of the inputs, fitted on training rows and kept with the run."""

# N rows, I inputs

from dataclasses import dataclass

import numpy as np
import torch

from dlx.data.statistics import feature_statistics


@dataclass(frozen=True)
class Preprocessing:
    """x ↦ (x - shift) / scale for every input, found in float64 and rounded to float32."""

    shift: torch.Tensor | None = None  # (I,) float64; None: inputs stay as they are
    # (I,) float64; 1 for an input that is constant in the training rows
    scale: torch.Tensor | None = None

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Return (x - shift) / scale for x of shape (..., I), in float32."""
        if self.shift is None or self.scale is None:
            return x.to(torch.float32)
        return ((x.to(torch.float64) - self.shift) / self.scale).to(torch.float32)

    def undone(self, x: torch.Tensor) -> torch.Tensor:
        """Return x * scale + shift, in the units of the data, for x (..., I), in its own type."""
        if self.shift is None or self.scale is None:
            return x
        return (x.to(torch.float64) * self.scale + self.shift).to(x.dtype)

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


def division(num_inputs: int, divisor: float | None) -> Preprocessing:
    """Return the preprocessing that divides all inputs by a number, or that changes none."""
    if divisor is None:
        return Preprocessing()
    width = torch.full((num_inputs,), float(divisor), dtype=torch.float64)
    return Preprocessing(torch.zeros_like(width), width)


def fit(
    inputs: np.ndarray,
    rows: np.ndarray | None = None,
    fill: np.ndarray | None = None,
    *,
    standardize: bool,
) -> Preprocessing:
    """Fit the preprocessing on the training rows alone; see `feature_statistics`.

    standardize:  shift = mean     scale = standard deviation (over N)
    otherwise:    shift = minimum  scale = maximum - minimum: training inputs lie in [0, 1]
    """
    statistics = feature_statistics(inputs, rows, fill)
    shift = statistics.mean if standardize else statistics.minimum
    width = statistics.std if standardize else statistics.maximum - statistics.minimum
    # Rounding gives a constant input a tiny standard deviation, which would blow it up.
    constant = (statistics.minimum == statistics.maximum) | (width < np.finfo(np.float32).tiny)
    shift = np.where(constant, statistics.minimum, shift)
    width = np.where(constant, 1.0, width)
    return Preprocessing(torch.from_numpy(shift), torch.from_numpy(width))
