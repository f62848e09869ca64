"""The outputs and hidden units of a network of two inputs, everywhere in the plane.

# K runs, N rows, C outputs, U units, H height, W width, in points of the plane
"""

from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dlx.data.dataset import Task
from dlx.data.parts import Splits
from dlx.nn.head import Head
from dlx.nn.network import Network
from dlx.nn.passes import Pass
from dlx.training.evaluation import CHUNK

SIDE = 320  # points along a side of a drawn output
UNIT_SIDE = 96  # and of a drawn unit
MOST_UNITS = 64  # of a layer
_MOST_LAYERS = 10
_MARGIN = 0.2  # around the training rows, as a share of their range
_MOST_ROWS = 400  # drawn
_WORK = 1e9  # multiplications that a surface may cost
_FINEST, _COARSEST = 96, 32  # points along a side for which the network is computed


class Shade(NamedTuple):
    """The number of a class, and how certain it is, at every place."""

    number: np.ndarray
    strength: np.ndarray  # 0 (undecided) to 1 (certain)


class Panel(NamedTuple):
    """A drawing of one output."""

    title: str  # the output; empty if there is one drawing only
    names: tuple[str, ...]  # of the shades' classes; for a value the lowest and the highest
    regions: Shade  # (H, W) in the plane, the lowest second input first
    rows: Shade  # (N,) of the training rows that are drawn over it


class Surface(NamedTuple):
    """A network's outputs over the plane; the lowest second input comes first."""

    outputs: np.ndarray  # (C, H, W), probabilities under softmax or sigmoid
    units: dict[str, np.ndarray]  # (U, H, W) of each hidden layer that is shown


def is_plane(task: Task) -> bool:
    """Return whether a task has two inputs."""
    return task.input_shape == (2,)


class Plane:
    """The part of the plane that the training rows of a task of two inputs lie in."""

    def __init__(self, splits: Splits) -> None:
        assert is_plane(splits.task)
        self._preprocessing = splits.preprocessing.to("cpu")
        self._train = splits.train
        self._task = splits.task
        self.axes = splits.features or ("input 1", "input 2")

    @cached_property
    def _inputs(self) -> np.ndarray:
        """The training rows in the data's units: (N, 2) float64."""
        # In float64, in which differences of the largest numbers do not overflow.
        return self._preprocessing.undone(self._train.inputs.cpu().double()).numpy()

    @cached_property
    def _drawn(self) -> np.ndarray:
        """The numbers of the rows that are drawn, at equal distances."""
        count = len(self._inputs)
        return np.linspace(0, count - 1, min(count, _MOST_ROWS)).round().astype(int)

    @property
    def rows(self) -> np.ndarray:
        """The training rows that are drawn, in the data's units: (N, 2) float64."""
        return self._inputs[self._drawn]

    @cached_property
    def extent(self) -> tuple[float, float, float, float]:
        """Lowest and highest first input, then lowest and highest second, in the data's units."""
        low, high = self._inputs.min(0), self._inputs.max(0)
        margin = np.where(high > low, (high - low) * _MARGIN, 1.0)
        largest = np.finfo(np.float32).max
        (left, bottom) = np.maximum(low - margin, -largest).tolist()
        (right, top) = np.minimum(high + margin, largest).tolist()
        return left, right, bottom, top

    @torch.no_grad()
    def look(self, network: Network, head: Head, row: int) -> Surface:
        """Return the outputs and units of one run in the plane, in evaluation mode.

        A large network is computed for fewer points; the others are interpolated.
        """
        side = int((_WORK / max(network.num_parameters(row), 1)) ** 0.5)
        points = self._points(min(max(side, _COARSEST), _FINEST), network)
        outputs: list[Tensor] = []
        units: dict[str, list[Tensor]] = {}
        for x in points.split(CHUNK):
            pass_ = Pass(activations={})
            z = network.forward(x.expand(network.num_runs, *x.shape), pass_)
            outputs.append(head.outputs(z)[row])
            for layer, values in (pass_.activations or {}).items():
                if values.shape[1] == len(x):  # not a row for every step of a sequence
                    units.setdefault(layer, []).append(values[row, :, :MOST_UNITS])
        units.pop(network.layer_names[-1], None)
        names = list(units)
        shown = np.linspace(0, len(names) - 1, min(len(names), _MOST_LAYERS)).round().astype(int)
        return Surface(
            _grid(outputs, SIDE), {names[i]: _grid(units[names[i]], UNIT_SIDE) for i in shown}
        )

    def panels(self, surface: Surface, head: Head) -> list[Panel]:
        """Return the drawings of outputs: one for all classes, or one for each label or value."""
        task, outputs = self._task, surface.outputs
        targets = self._train.targets[self._drawn].cpu().numpy()
        if task.classes is None:
            return self._values(outputs, targets)
        if task.kind == "multilabel":
            return [
                Panel(name, ("no", "yes"), _shade(values, head.middle), _certain(targets[:, place]))
                for place, (name, values) in enumerate(zip(task.classes, outputs, strict=True))
            ]
        if head.num_outputs == 1:
            regions = _shade(outputs[0], head.middle)
        elif isinstance(head.output, str):  # softmax:
            even = 1 / len(outputs)
            strength = np.clip((outputs.max(0) - even) / (1 - even), 0, 1)
            regions = Shade(outputs.argmax(0), strength)
        else:
            regions = _certain(outputs.argmax(0))
        return [Panel("", task.classes, regions, _certain(targets))]

    def _values(self, outputs: np.ndarray, targets: np.ndarray) -> list[Panel]:
        """Return a drawing of each value, from the lowest to the highest of the training rows."""
        ends = np.stack([targets.min(0), targets.max(0)])
        named = zip(outputs, self._task.in_units(ends).T, strict=True)
        panels = []
        for place, (values, in_units) in enumerate(named):
            low, high = ends[:, place]
            width = max(high - low, 1e-12)
            regions, rows = ((v - low) / width for v in (values, targets[:, place]))
            title = f"value {place + 1}" if len(outputs) > 1 else ""
            names = tuple(f"{end:.3g}" for end in in_units)
            panels.append(Panel(title, names, _shade(regions, 0.5), _shade(rows, 0.5)))
        return panels

    def _points(self, side: int, network: Network) -> Tensor:
        """Return a grid of preprocessed points: (side * side, 2)."""
        left, right, bottom, top = self.extent
        x, y = np.meshgrid(np.linspace(left, right, side), np.linspace(bottom, top, side))
        points = torch.from_numpy(np.stack([x.ravel(), y.ravel()], 1).astype(np.float32))
        return self._preprocessing(points).to(network.buffer.values)


def shade_units(values: np.ndarray) -> Shade:
    """Return the shades of units' outputs (U, H, W), from the lowest (class 0) to the highest (1).

    A unit whose outputs are the same everywhere is undecided.
    """
    low, high = values.min((1, 2), keepdims=True), values.max((1, 2), keepdims=True)
    varies = high > low
    return _shade(np.where(varies, (values - low) / np.where(varies, high - low, 1), 0.5), 0.5)


def _shade(values: np.ndarray, middle: float) -> Shade:
    """Return the shades of outputs in [0, 1], or in [-1, 1] with the middle 0: two classes."""
    above = np.clip((values - middle) / (1 - middle), -1, 1)
    return Shade((above > 0).astype(int), np.abs(above))


def _certain(numbers: np.ndarray) -> Shade:
    return Shade(numbers, np.ones(numbers.shape))


def _grid(chunks: list[Tensor], side: int) -> np.ndarray:
    """Return outputs at the points (H * W, U) as (U, side, side), interpolated."""
    values = torch.cat(chunks).T
    coarse = round(values.shape[1] ** 0.5)
    grid = values.reshape(1, len(values), coarse, coarse).float()
    finer = F.interpolate(grid, size=(side, side), mode="bilinear", align_corners=True)
    return finer[0].cpu().numpy()
