"""What the runs of a cohort measured so far: evaluations in memory, and in checkpoints.

# K runs of the cohort at its start, T evaluations
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlx.ablation.results import Curve
from dlx.training.records import Evaluation


class Recorder:
    """The evaluations of K runs.

    Args:
        names: of the runs
        minimal: leave out what is measured of layers and of the optimizer (tags with a slash)
    """

    def __init__(self, names: Sequence[str], minimal: bool) -> None:
        self.names = list(names)
        self._places = {name: place for place, name in enumerate(names)}
        self._minimal = minimal
        self._heads: list[tuple[int, float, int, float]] = []
        self._due: list[np.ndarray] = []
        self._seconds: list[np.ndarray] = []
        self._values: dict[tuple[str, str], list[np.ndarray]] = {}

    def add(
        self, evaluation: Evaluation, names: Sequence[str], seconds: np.ndarray, now: float
    ) -> None:
        """Take in an evaluation.

        Args:
            evaluation: of the runs that are still training
            names: theirs, in its order
            seconds: (K,) that each run has trained
            now: Unix seconds
        """
        rows = evaluation.rows
        places = [self._places[names[row]] for row in rows]
        due = np.zeros(len(self.names), dtype=bool)
        due[places] = True
        for split, tags in evaluation.metrics.items():
            for tag, values in tags.items():
                if self._minimal and "/" in tag:
                    continue
                column = np.full(len(self.names), np.nan)
                column[places] = [np.nan if values[r] is None else values[r] for r in rows]
                self._column(split, tag).append(column)
        self._heads.append((evaluation.step, evaluation.epoch, evaluation.examples, now))
        self._due.append(due)
        self._seconds.append(seconds.copy())
        for values in self._values.values():
            if len(values) < len(self._heads):
                values.append(np.full(len(self.names), np.nan))

    def newest(self, split: str, tag: str) -> dict[str, float]:
        """Return the last value of every run that has one, by name."""
        found: dict[str, float] = {}
        for values in self._values.get((split, tag), [])[::-1]:
            known = np.flatnonzero(np.isfinite(values))
            for place in known:
                found.setdefault(self.names[place], float(values[place]))
            if len(found) == len(self.names):
                break
        return found

    def columns(self, name: str) -> dict[str, Any]:
        """Return one run's evaluations: steps, epochs, examples, seconds, times, metrics."""
        place = self._places[name]
        own = [index for index, due in enumerate(self._due) if due[place]]
        heads = [self._heads[index] for index in own]
        steps, epochs, examples, times = map(list, zip(*heads, strict=True)) if heads else [[]] * 4
        metrics: dict[str, dict[str, np.ndarray]] = {}
        for (split, tag), values in self._values.items():
            column = np.array([values[index][place] for index in own])
            if not np.isnan(column).all():
                metrics.setdefault(split, {})[tag] = column
        return {
            "steps": steps,
            "epochs": epochs,
            "examples": examples,
            "seconds": [float(self._seconds[index][place]) for index in own],
            "times": times,
            "metrics": metrics,
        }

    def tensors(self) -> dict[str, Tensor]:
        """Return all of it, by name, for a checkpoint."""
        if not self._heads:
            return {}
        kept = {
            "heads": torch.tensor(self._heads, dtype=torch.float64),
            "due": torch.from_numpy(np.stack(self._due)),
            "seconds": torch.from_numpy(np.stack(self._seconds)),
        }
        kept |= {
            f"{split}.{tag}": torch.from_numpy(np.stack(values))
            for (split, tag), values in self._values.items()
        }
        return {f"recorder/{name}": value for name, value in kept.items()}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Restore what `tensors` gave for the same runs."""
        mine = {
            name.removeprefix("recorder/"): value.numpy()
            for name, value in tensors.items()
            if name.startswith("recorder/")
        }
        if not mine:
            return
        self._heads = [
            (int(step), epoch, int(examples), now)
            for step, epoch, examples, now in mine.pop("heads").tolist()
        ]
        self._due = list(mine.pop("due"))
        self._seconds = list(mine.pop("seconds"))
        for name, values in mine.items():
            split, _, tag = name.partition(".")
            self._values[split, tag] = list(values)

    def _column(self, split: str, tag: str) -> list[np.ndarray]:
        """Return the values of a tag, as many as there are evaluations before this one."""
        if (split, tag) not in self._values:
            blank = np.full(len(self.names), np.nan)
            self._values[split, tag] = [blank] * len(self._heads)
        return self._values[split, tag]


def curve_of(columns: dict[str, Any]) -> Curve:
    """Return what `Recorder.columns` gives as a curve."""
    values = {
        split: {tag: tuple(column.tolist()) for tag, column in tags.items()}
        for split, tags in columns["metrics"].items()
    }
    return Curve(tuple(columns["steps"]), values)
