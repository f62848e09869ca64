"""What a network of two inputs says everywhere in the plane, and what each of its units does there.

# K runs, N rows, C outputs, U units, H height, W width, in points of the plane
"""

from dataclasses import dataclass
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

SIDE = 320  # points of a drawn output, to a side
UNIT_SIDE = 96
MOST_UNITS = 64  # of a layer
_MOST_LAYERS = 10
_MARGIN = 0.2  # around the training rows, of their range
_MOST_ROWS = 400  # drawn
_WORK = 1e9  # products of a number and a weight that a look may cost
_FINEST, _COARSEST = 96, 32  # points to a side that the network is asked for


class Shade(NamedTuple):
    """A class and how sure it is, place by place.

    Attributes:
        number: of the class
        strength: 0 (undecided) to 1
    """

    number: np.ndarray
    strength: np.ndarray


class Panel(NamedTuple):
    """A drawing of one output.

    Attributes:
        title: which output; empty where there is one drawing only
        names: of the numbers of the shades; of a value the lowest and the highest
        regions: (H, W) in the plane, the lowest second input first
        rows: (N,) of the training rows that are drawn over it
    """

    title: str
    names: tuple[str, ...]
    regions: Shade
    rows: Shade


@dataclass(frozen=True)
class Surface:
    """A network's outputs over the plane; the lowest second input comes first.

    Attributes:
        outputs: (C, H, W), probabilities under softmax or sigmoid
        units: of each hidden layer that is shown, (U, H, W)
    """

    outputs: np.ndarray
    units: dict[str, np.ndarray]


def is_plane(task: Task) -> bool:
    """Say whether a network for a task has two inputs, which span a plane."""
    return task.input_shape == (2,)


class Plane:
    """The part of the plane that the training rows lie in.

    Args:
        splits: of a task of two inputs
    """

    def __init__(self, splits: Splits) -> None:
        assert is_plane(splits.task)
        self._preprocessing = splits.preprocessing.to("cpu")
        self._train = splits.train
        self._task = splits.task
        self.axes = splits.features or ("input 1", "input 2")

    @cached_property
    def _inputs(self) -> np.ndarray:
        """The training rows in the data's own units: (N, 2) float64."""
        inputs, how = self._train.inputs.cpu(), self._preprocessing
        if how.shift is not None and how.scale is not None:
            inputs = inputs * how.scale + how.shift
        return inputs.double().numpy()  # differences of the largest numbers overflow in float32

    @cached_property
    def _drawn(self) -> np.ndarray:
        """The numbers of the rows that are drawn, at even distances."""
        count = len(self._inputs)
        return np.linspace(0, count - 1, min(count, _MOST_ROWS)).round().astype(int)

    @property
    def rows(self) -> np.ndarray:
        """The training rows that are drawn, in the data's own units: (N, 2) float64."""
        return self._inputs[self._drawn]

    @cached_property
    def extent(self) -> tuple[float, float, float, float]:
        """Lowest and highest first, lowest and highest second input, in the data's own units."""
        low, high = self._inputs.min(0), self._inputs.max(0)
        margin = np.where(high > low, (high - low) * _MARGIN, 1.0)
        largest = np.finfo(np.float32).max
        (left, bottom) = np.maximum(low - margin, -largest).tolist()
        (right, top) = np.minimum(high + margin, largest).tolist()
        return left, right, bottom, top

    @torch.no_grad()
    def look(self, network: Network, head: Head, row: int) -> Surface:
        """Return what one network says in the plane, in evaluation mode.

        The larger the network, the fewer points it is asked for; what lies between is interpolated.

        Args:
            network: of K runs
            head: theirs
            row: of the run
        """
        side = int((_WORK / max(network.num_parameters(row), 1)) ** 0.5)
        points = self._points(min(max(side, _COARSEST), _FINEST), network)
        outputs: list[Tensor] = []
        units: dict[str, list[Tensor]] = {}
        for x in points.split(CHUNK):
            pass_ = Pass(activations={})
            z = network.forward(x.expand(network.num_runs, *x.shape), pass_)
            outputs.append(head.outputs(z)[row])
            for layer, its in (pass_.activations or {}).items():
                if its.shape[1] == len(x):  # else it has a row for every step of a sequence
                    units.setdefault(layer, []).append(its[row, :, :MOST_UNITS])
        units.pop(network.layer_names[-1], None)
        names = list(units)
        shown = np.linspace(0, len(names) - 1, min(len(names), _MOST_LAYERS)).round().astype(int)
        return Surface(
            _grid(outputs, SIDE), {names[i]: _grid(units[names[i]], UNIT_SIDE) for i in shown}
        )

    def panels(self, surface: Surface, head: Head) -> list[Panel]:
        """Return the drawings of a network's outputs: one for all classes, one per label or value.

        Args:
            surface: of the network
            head: of the network
        """
        task, outputs = self._task, surface.outputs
        targets = self._train.targets[self._drawn].cpu().numpy()
        if task.classes is None:
            return self._values(outputs, targets)
        if task.kind == "multilabel":
            return [
                Panel(name, ("no", "yes"), _shade(its, head.middle), _sure(targets[:, place]))
                for place, (name, its) in enumerate(zip(task.classes, outputs, strict=True))
            ]
        if head.num_outputs == 1:
            regions = _shade(outputs[0], head.middle)
        elif isinstance(head.output, str):  # softmax:
            even = 1 / len(outputs)
            strength = np.clip((outputs.max(0) - even) / (1 - even), 0, 1)
            regions = Shade(outputs.argmax(0), strength)
        else:
            regions = _sure(outputs.argmax(0))
        return [Panel("", task.classes, regions, _sure(targets))]

    def _values(self, outputs: np.ndarray, targets: np.ndarray) -> list[Panel]:
        """Return a drawing per value, from the lowest to the highest in the training rows."""
        ends = np.stack([targets.min(0), targets.max(0)])
        names = [tuple(f"{value:.3g}" for value in its) for its in self._task.in_units(ends).T]
        panels = []
        for place, (its, said) in enumerate(zip(outputs, names, strict=True)):
            low, high = ends[:, place]
            width = max(high - low, 1e-12)
            regions, rows = ((v - low) / width for v in (its, targets[:, place]))
            title = f"value {place + 1}" if len(outputs) > 1 else ""
            panels.append(Panel(title, said, _shade(regions, 0.5), _shade(rows, 0.5)))
        return panels

    def _points(self, side: int, network: Network) -> Tensor:
        """Return a grid as the network takes it: (side * side, 2)."""
        left, right, bottom, top = self.extent
        y, x = np.meshgrid(
            np.linspace(bottom, top, side), np.linspace(left, right, side), indexing="ij"
        )
        points = torch.from_numpy(np.stack([x.ravel(), y.ravel()], 1).astype(np.float32))
        return self._preprocessing(points).to(network.buffer.values)


def shade_units(values: np.ndarray) -> Shade:
    """Return each unit's outputs (U, H, W) from its lowest (class 0) to its highest (class 1).

    A unit whose outputs are the same everywhere is undecided.
    """
    low, high = values.min((1, 2), keepdims=True), values.max((1, 2), keepdims=True)
    wide = high > low
    return _shade(np.where(wide, (values - low) / np.where(wide, high - low, 1), 0.5), 0.5)


def _shade(values: np.ndarray, middle: float) -> Shade:
    """Return outputs in [0, 1], or in [-1, 1] around the middle 0, as one of two classes."""
    above = np.clip((values - middle) / (1 - middle), -1, 1)
    return Shade((above > 0).astype(int), np.abs(above))


def _sure(numbers: np.ndarray) -> Shade:
    return Shade(numbers, np.ones(numbers.shape))


def _grid(chunks: list[Tensor], side: int) -> np.ndarray:
    """Return outputs at the points (H * W, U) as (U, side, side), interpolated."""
    values = torch.cat(chunks).T
    coarse = round(values.shape[1] ** 0.5)
    grid = values.reshape(1, len(values), coarse, coarse).float()
    finer = F.interpolate(grid, size=(side, side), mode="bilinear", align_corners=True)
    return finer[0].cpu().numpy()
