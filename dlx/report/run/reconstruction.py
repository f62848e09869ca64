"""What a network that reconstructs makes of rows: reconstructions, codes, errors by class.

# K runs, N rows, R rows that are shown, I inputs, C classes, D units of the code
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from dlx.cohort import Cohort
from dlx.data.parts import Part, Splits
from dlx.models.design import Design
from dlx.nn.latent import divergence
from dlx.nn.passes import Pass
from dlx.report.run.pictures import is_image
from dlx.training.evaluation import CHUNK, corrupted, decode, encode, predict

MOST_CODES = 2000  # rows whose codes are looked at
STEPS = 9  # of a traversal
MOST_UNITS = 10  # that are traversed
SIDE = 20  # codes of the plane to a side
_SHOWN = 20  # images
_SHOWN_NUMBERS = 200  # rows of numbers, which are drawn as points
_REACH = 3.0  # standard deviations that a traversal goes either way


@dataclass(frozen=True)
class Look:
    """What a network makes of the first rows, and of those that are shown.

    Attributes:
        inputs: (R, I) in the data's own units
        corrupted: (R, I) likewise, as evaluations corrupt them; None: the run corrupts nothing
        outputs: (R, I) likewise, the reconstructions of these
        codes: (N, D) of the first rows as they are, at most 1,024
        divergence: of these, as in `Codes`
    """

    inputs: np.ndarray
    corrupted: np.ndarray | None
    outputs: np.ndarray
    codes: np.ndarray
    divergence: np.ndarray | None

    @property
    def lines(self) -> list[np.ndarray]:
        """What stands line under line in a picture: inputs, corrupted ones if any, outputs."""
        return [each for each in (self.inputs, self.corrupted, self.outputs) if each is not None]


@dataclass(frozen=True)
class Codes:
    """The codes of rows.

    Attributes:
        values: (N, D)
        classes: (N,) of each row; None where rows have no class of their own
        names: of the classes; empty without
        divergence: (D,) in nats, mean over the rows, of the distribution that each unit of a
            variational code is drawn from, from N(0, 1); None: the code is not drawn
        active: (D,) share of rows on which the unit is on (see `CodeSpec.threshold`); None: of
            hidden units that are probabilities there is no such threshold
    """

    values: np.ndarray
    classes: np.ndarray | None
    names: tuple[str, ...]
    divergence: np.ndarray | None
    active: np.ndarray | None


class Sample:
    """The rows by which a network that reconstructs is looked at.

    Args:
        splits: whose targets are the inputs
        labelled: the same rows with the targets of the data
        design: of the network; one that names no code has that of its last hidden layer
        split: whose rows; default: those of dev, or else of train
    """

    def __init__(
        self, splits: Splits, labelled: Splits, design: Design, split: str | None = None
    ) -> None:
        self.split = split or ("dev" if splits.dev is not None else "train")
        self._part: Part = splits.part(self.split)
        self._labels = labelled.part(self.split).targets
        self._its_task = labelled.task
        self.task = splits.task
        self.features = splits.features
        self.code = design.code or [layer.name for layer in design.layers][-2:][0]

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, if each row has one."""
        exclusive = self._its_task.kind in ("multiclass", "binary")
        return self._its_task.classes or () if exclusive else ()

    @cached_property
    def shown(self) -> np.ndarray:
        """The numbers of the rows that are shown, (R,).

        Of images of up to ten classes the first two each, class by class and then again; of more
        classes the first one each, as far as there is room; of other rows some at even distances.
        """
        count = min(len(self._part.inputs), CHUNK)
        drawn = is_image(self.task.input_shape)
        if not (drawn and self.classes):
            most = _SHOWN if drawn else _SHOWN_NUMBERS
            return np.linspace(0, count - 1, min(count, most)).round().astype(int)
        labels = self._labels[:count].cpu().numpy()
        of_class = [np.flatnonzero(labels == number) for number in range(len(self.classes))]
        each = [[rows[place] for rows in of_class if len(rows) > place] for place in range(2)]
        wanted = each[0] if len(self.classes) > _SHOWN // 2 else [*each[0], *each[1]]
        return np.array(wanted[:_SHOWN])

    @torch.no_grad()
    def look(self, cohort: Cohort, row: int) -> Look:
        """Return what one network makes of the rows, in evaluation mode.

        It goes through the first 1,024 rows, as an evaluation and a prediction do, so that what is
        shown has the bits of both.

        Args:
            cohort: K runs
            row: of the run
        """
        x = self._part.inputs[:CHUNK].to(cohort.network.buffer.values)
        rows = torch.from_numpy(self.shown).to(x.device)
        seen = x.expand(cohort.network.num_runs, *x.shape)
        changed = None
        if cohort.members[row].design.inputs.corruption is not None:
            seen = corrupted(cohort.network, x)
            changed = self._in_units(seen[row, rows])
        outputs = cohort.head.outputs(cohort.network.forward(seen, Pass()))
        return Look(
            self._in_units(x[rows]),
            changed,
            self._in_units(outputs[row, rows]),
            encode(cohort.network, x, self.code)[row].cpu().numpy(),
            self._divergence(cohort, row, x),
        )

    @torch.no_grad()
    def codes(self, cohort: Cohort, most: int) -> Codes:
        """Return the codes of the first rows of one network, a cohort of one.

        Args:
            cohort: the network
            most: rows
        """
        network, place = cohort.network, self._place(cohort)
        x = self._part.inputs[:most].to(network.buffer.values)
        values = encode(network, x, self.code)[0]
        spec = network.blueprints[0][place]
        active = None
        if spec.is_code:
            active = (values.abs() > spec.threshold).float().mean(0).cpu().numpy()
        classes = self._labels[:most].cpu().numpy() if self.classes else None
        nats = self._divergence(cohort, 0, x)
        return Codes(values.cpu().numpy(), classes, self.classes, nats, active)

    def _divergence(self, cohort: Cohort, row: int, x: Tensor) -> np.ndarray | None:
        """Return what each unit of a run's code says of rows x, see `Codes`."""
        network, place = cohort.network, self._place(cohort)
        spec = network.blueprints[row][place]
        if not (spec.is_code and spec.is_drawn):
            return None
        before = encode(network, x, network.blueprints[row][place - 1].name)[row]
        mean, log_variance = before.chunk(2, 1)
        return divergence(mean, log_variance.exp(), log_variance).mean(0).cpu().numpy()

    def inputs(self, most: int) -> np.ndarray:
        """Return the first rows in the data's own units: (N, I)."""
        return self._in_units(self._part.inputs[:most])

    def known(self, most: int) -> dict[str, Sequence[object]]:
        """Return what the data say of the first rows, by heading, and the rows' numbers.

        Numbers are in the data's own units.
        """
        targets = self._labels[:most].cpu().numpy()
        names = self._its_task.classes
        if names is None:
            rows = self._its_task.in_units(targets)
            found = {"target": [" ".join(f"{v:.6g}" for v in row) for row in rows]}
        elif targets.ndim == 2:
            hold = [[n for n, holds in zip(names, row, strict=True) if holds] for row in targets]
            found = {"labels": [", ".join(each) for each in hold]}
        else:
            found = {"class": [names[number] for number in targets]}
        return {**found, "row": self._part.rows[:most].tolist()}

    @torch.no_grad()
    def errors(self, cohort: Cohort) -> np.ndarray:
        """Return each row's squared error, summed over its inputs as the network sees them: (N,).

        Args:
            cohort: one network
        """
        x = self._part.inputs.to(cohort.network.buffer.values)
        away = ((predict(cohort, each)[0] - each).to(torch.float64) for each in x.split(CHUNK))
        return torch.cat([each.square().sum(1) for each in away]).cpu().numpy()

    def error_per_class(self, cohort: Cohort) -> list[np.ndarray]:
        """Return the squared errors of the rows of each class, see `errors`: (N of the class,)."""
        errors, labels = self.errors(cohort), self._labels.cpu().numpy()
        return [errors[labels == number] for number in range(len(self.classes))]

    @torch.no_grad()
    def traversals(self, cohort: Cohort, codes: Codes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return what a network decodes when one unit of a row's code is moved.

        The row is the first that is shown. A unit goes in equal steps from three standard
        deviations below its mean to three above, but not beyond what it is on the rows; of a
        variational code from -3 to 3.

        Args:
            cohort: one network
            codes: of rows, which say how far units go

        Returns:
            the units (U,), from 0: those that vary most, or whose divergence is largest;
            what they are set to (U, S); what is decoded (U, S, I) in the data's own units
        """
        importance = codes.values.std(0) if codes.divergence is None else codes.divergence
        units = np.argsort(-importance, kind="stable")[:MOST_UNITS]
        low, high = _ranges(codes)
        values = np.linspace(low[units], high[units], STEPS, axis=1)
        moved = np.tile(codes.values[self.shown[0]], (len(units), STEPS, 1))
        for place, unit in enumerate(units):
            moved[place, :, unit] = values[place]
        return units, values, self._decoded(cohort, moved)

    @torch.no_grad()
    def manifold(self, cohort: Cohort, codes: Codes) -> tuple[np.ndarray, np.ndarray]:
        """Return what a network decodes on a grid over the plane of a code of two units.

        Args:
            cohort: one network
            codes: of rows, which say how far units go

        Returns:
            lowest and highest of both units (2, 2), and what is decoded (S, S, I) in the data's own
            units, the lowest second unit first
        """
        ends = np.stack(_ranges(codes), 1)
        first, second = (np.linspace(low, high, SIDE) for low, high in ends)
        return ends, self._decoded(cohort, np.stack(np.meshgrid(first, second), 2))

    def _decoded(self, cohort: Cohort, codes: np.ndarray) -> np.ndarray:
        """Return what codes (..., D) are decoded to, (..., I) in the data's own units."""
        flat = torch.from_numpy(codes.reshape(1, -1, codes.shape[-1]))
        outputs = decode(cohort, flat.to(cohort.network.buffer.values), self.code)[0]
        return self._in_units(outputs).reshape(*codes.shape[:-1], -1)

    def _in_units(self, rows: Tensor) -> np.ndarray:
        return self.task.in_units(rows.cpu().numpy())

    def _place(self, cohort: Cohort) -> int:
        return [layer.name for layer in cohort.network.blueprints[0]].index(self.code)


def _ranges(codes: Codes) -> tuple[np.ndarray, np.ndarray]:
    """Return how far each unit is moved, down and up: (D,) each."""
    values = codes.values
    if codes.divergence is not None:
        ends = np.full(values.shape[1], _REACH, values.dtype)
        return -ends, ends
    mean, reach = values.mean(0), _REACH * values.std(0)
    return np.maximum(mean - reach, values.min(0)), np.minimum(mean + reach, values.max(0))
