"""The numbers behind an autoencoder's pictures: reconstructions, codes, errors by class.

# N rows, R rows that are shown, I inputs, C classes, D units of the code
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
from dlx.report.run.pictures import is_image
from dlx.training.evaluation import CHUNK, corrupted, decode, encode, predict

MOST_CODES = 2000  # rows whose codes are drawn
STEPS = 9  # of a traversal
MOST_UNITS = 10  # that are traversed
SIDE = 20  # codes along a side of the plane
_SHOWN = 20  # images
_SHOWN_NUMBERS = 200  # rows of numbers, which are drawn as points
_REACH = 3.0  # standard deviations to either side in a traversal


@dataclass(frozen=True)
class Look:
    """Reconstructions of the rows that are shown, in the data's units, and codes of first rows."""

    inputs: np.ndarray  # (R, I)
    corrupted: np.ndarray | None  # (R, I), as evaluations do it; None if the run corrupts nothing
    outputs: np.ndarray  # (R, I)
    codes: np.ndarray  # (N, D) of the first rows without corruption, at most 1,024
    divergence: np.ndarray | None  # of these, see `Codes`

    @property
    def lines(self) -> list[np.ndarray]:
        """The lines of a picture: inputs, corrupted inputs if there are any, outputs."""
        return [rows for rows in (self.inputs, self.corrupted, self.outputs) if rows is not None]


@dataclass(frozen=True)
class Codes:
    """The codes of rows, and their classes, if they have any.

    `divergence` is how far the distribution of each unit of a variational code is from N(0, 1), the
    mean over the rows; `active` the share of rows on which a unit is on (see `CodeSpec.threshold`).
    """

    values: np.ndarray  # (N, D)
    classes: np.ndarray | None  # (N,)
    names: tuple[str, ...]  # of the classes
    divergence: np.ndarray | None  # (D,) in nats; None for another code
    active: np.ndarray | None  # (D,); None for units that are probabilities


class Sample:
    """The rows that an autoencoder's pictures show: those of `split`, or else of dev, or of train.

    The targets of `splits` are the inputs; `labelled` has the data's own targets. Without a layer
    `code` the last hidden layer is the code.
    """

    def __init__(
        self, splits: Splits, labelled: Splits, design: Design, split: str | None = None
    ) -> None:
        self.split = split or ("dev" if splits.dev is not None else "train")
        self._part: Part = splits.part(self.split)
        self._labels = labelled.part(self.split).targets
        self._labelled_task = labelled.task
        self.task = splits.task
        self.features = splits.features
        self.code = design.code or [layer.name for layer in design.layers][-2:][0]

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes; empty if rows do not have one class each."""
        task = self._labelled_task
        return (task.classes or ()) if task.kind in ("multiclass", "binary") else ()

    @cached_property
    def shown(self) -> np.ndarray:
        """The numbers of the rows that are shown, (R,).

        Images of up to ten classes: the first of each class, then the second of each. Images of
        more classes: the first of each class, at most 20. Other rows: some at equal distances.
        """
        count = min(len(self._part), CHUNK)
        drawn = is_image(self.task.input_shape)
        if not (drawn and self.classes):
            most = _SHOWN if drawn else _SHOWN_NUMBERS
            return np.linspace(0, count - 1, min(count, most)).round().astype(int)
        labels = self._labels[:count].cpu().numpy()
        of_class = [np.flatnonzero(labels == number) for number in range(len(self.classes))]
        first, second = (
            [rows[place] for rows in of_class if len(rows) > place] for place in range(2)
        )
        shown = first if len(self.classes) > _SHOWN // 2 else [*first, *second]
        return np.array(shown[:_SHOWN])

    @torch.no_grad()
    def look(self, cohort: Cohort) -> Look:
        """Return the reconstructions and codes of a cohort of one, in evaluation mode.

        The first 1,024 rows are passed together, as in evaluations and predictions, so that the
        bits are the same.
        """
        x = self._part.first(CHUNK).to(cohort.network.buffer.values)
        rows = torch.from_numpy(self.shown).to(x.device)
        inputs, shown_corrupted = x.unsqueeze(0), None
        if cohort.members[0].design.inputs.corruption is not None:
            inputs = corrupted(cohort.network, x)
            shown_corrupted = self._in_units(inputs[0, rows])
        outputs = predict(cohort, inputs)
        return Look(
            self._in_units(x[rows]),
            shown_corrupted,
            self._in_units(outputs[0, rows]),
            encode(cohort, x, self.code)[0].cpu().numpy(),
            self._divergence(cohort, x),
        )

    @torch.no_grad()
    def codes(self, cohort: Cohort, most: int) -> Codes:
        """Return the codes of the first rows, by a cohort of one."""
        network = cohort.network
        x = self._part.first(most).to(network.buffer.values)
        values = encode(cohort, x, self.code)[0]
        spec, active = network.blueprints[0][self._place(cohort)], None
        if spec.is_code:
            active = (values.abs() > spec.threshold).float().mean(0).cpu().numpy()
        classes = self._labels[:most].cpu().numpy() if self.classes else None
        nats = self._divergence(cohort, x)
        return Codes(values.cpu().numpy(), classes, self.classes, nats, active)

    def _divergence(self, cohort: Cohort, x: Tensor) -> np.ndarray | None:
        """Return the divergence of each unit of the code on rows x, see `Codes`."""
        network, place = cohort.network, self._place(cohort)
        spec = network.blueprints[0][place]
        if not (spec.is_code and spec.is_drawn):
            return None
        before = encode(cohort, x, network.blueprints[0][place - 1].name)[0]
        mean, log_variance = before.chunk(2, 1)
        return divergence(mean, log_variance.exp(), log_variance).mean(0).cpu().numpy()

    def inputs(self, most: int) -> np.ndarray:
        """Return the first rows in the data's units: (N, I)."""
        return self._in_units(self._part.first(most))

    def labels(self, most: int) -> dict[str, Sequence[object]]:
        """Return the columns of the first rows' labels: their targets and their numbers."""
        targets = self._labels[:most].cpu().numpy()
        names = self._labelled_task.classes
        if names is None:
            rows = self._labelled_task.in_units(targets)
            columns = {"target": [" ".join(f"{v:.6g}" for v in row) for row in rows]}
        elif targets.ndim == 2:
            held = [[n for n, holds in zip(names, row, strict=True) if holds] for row in targets]
            columns = {"labels": [", ".join(labels) for labels in held]}
        else:
            columns = {"class": [names[number] for number in targets]}
        return {**columns, "row": self._part.rows[:most].tolist()}

    @torch.no_grad()
    def errors(self, cohort: Cohort) -> np.ndarray:
        """Return the squared error of each row, summed over its preprocessed inputs: (N,)."""
        x = self._part.inputs.to(cohort.network.buffer.values)
        differences = (predict(cohort, rows)[0] - rows for rows in x.split(CHUNK))
        errors = [rows.to(torch.float64).square().sum(1) for rows in differences]
        return torch.cat(errors).cpu().numpy()

    def error_per_class(self, cohort: Cohort) -> list[np.ndarray]:
        """Return the squared errors of each class's rows, see `errors`."""
        errors, labels = self.errors(cohort), self._labels.cpu().numpy()
        return [errors[labels == number] for number in range(len(self.classes))]

    @torch.no_grad()
    def traversals(self, cohort: Cohort, codes: Codes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return what a cohort of one puts out when one unit of a row's code is moved.

        The row is the first one that is shown. A unit goes in equal steps from three standard
        deviations below its mean to three above it, within its range in `codes`; a variational one
        from -3 to 3.

        Returns:
            the units (U,), from 0, that vary most or, variational, have the largest divergence;
            the values that they are set to (U, S); the outputs (U, S, I) in the data's units
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
        """Return what a cohort of one puts out on a grid over the plane of a code of two units.

        Returns:
            the lowest and the highest value of both units (2, 2), see `_ranges`; the outputs
            (S, S, I) in the data's units, with the lowest second unit first
        """
        ends = np.stack(_ranges(codes), 1)
        first, second = (np.linspace(low, high, SIDE) for low, high in ends)
        return ends, self._decoded(cohort, np.stack(np.meshgrid(first, second), 2))

    def _decoded(self, cohort: Cohort, codes: np.ndarray) -> np.ndarray:
        """Return the outputs for codes (..., D): (..., I) in the data's units."""
        flat = torch.from_numpy(codes.reshape(1, -1, codes.shape[-1]))
        outputs = decode(cohort, flat.to(cohort.network.buffer.values), self.code)[0]
        return self._in_units(outputs).reshape(*codes.shape[:-1], -1)

    def _in_units(self, rows: Tensor) -> np.ndarray:
        return self.task.in_units(rows.cpu().numpy())

    def _place(self, cohort: Cohort) -> int:
        return [layer.name for layer in cohort.network.blueprints[0]].index(self.code)


def _ranges(codes: Codes) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and the highest value that each unit is moved to: (D,) each."""
    values = codes.values
    if codes.divergence is not None:
        ends = np.full(values.shape[1], _REACH, values.dtype)
        return -ends, ends
    mean, reach = values.mean(0), _REACH * values.std(0)
    return np.maximum(mean - reach, values.min(0)), np.minimum(mean + reach, values.max(0))
