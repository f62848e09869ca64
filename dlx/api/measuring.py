"""How well a run does: on its own data and on new rows, by class and by feature."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlx.api.inputs import read_config
from dlx.api.trained import Trained
from dlx.cohort import Cohort
from dlx.config.types import choice
from dlx.data.labelled import read_labelled
from dlx.data.parts import Part, Splits
from dlx.data.selection import Selection
from dlx.denormals import flushed_denormals
from dlx.diagnose.importance import Importance, groups, permutation_importance
from dlx.errors import ConfigError
from dlx.nn.metrics import class_scores, evaluated_metrics, tag
from dlx.report.run.reconstruction import Sample
from dlx.training import job as jobs
from dlx.training.baseline import baseline, training_targets
from dlx.training.evaluation import confusion, evaluate


@dataclass(frozen=True)
class NewEvaluation:
    """What was measured on the rows of a new file; mappings are by the part `new`."""

    path: str  # of the file
    rows: int  # their number
    metrics: Mapping[str, Mapping[str, float]]  # by part and name
    baseline: Mapping[str, Mapping[str, float]]  # those of the best constant answer likewise
    class_scores: Mapping[str, Mapping[str, Mapping[str, float]]]  # see `Run.class_scores`
    notes: tuple[str, ...]  # sentences for the user
    warnings: tuple[str, ...]


class Measured(Trained):
    """A run that can be measured; see `dlx.api.Run`."""

    def evaluate(
        self,
        data_dir: Path | str | None = None,
        split: str | None = None,
        metrics: Sequence[str] = (),
    ) -> dict[str, dict[str, float]]:
        """Return the metrics of the saved weights on all rows of every split, or of one.

        Args:
            data_dir: where data sets are kept
            split: one of the splits
            metrics: names, or YAML such as '{name: top_k, k: 3}', in place of the config's

        Raises:
            ConfigError: a metric is unknown or not for this task
            DataError: the data are missing or changed, or have no rows in this split
        """
        return self.evaluate_beside_baseline(data_dir, split, metrics)[0]

    @flushed_denormals()
    def evaluate_beside_baseline(
        self,
        data_dir: Path | str | None = None,
        split: str | None = None,
        metrics: Sequence[str] = (),
        splits: Splits | None = None,
        usual: bool = False,
    ) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, float]]]:
        """Return what `evaluate` does, and the metrics of the best constant answer likewise.

        See `dlx.training.baseline.baseline`; arguments and errors are those of `evaluate`.
        `splits` is what `self.splits` has given, which then are not read again; `usual` says that
        `dlx.nn.metrics.evaluated_metrics` are computed too.
        """
        splits = splits or self.splits(data_dir)
        parts = splits.parts if split is None else {split: splits.part(split)}
        return self._measure(parts, splits.train.targets, metrics, usual)

    @flushed_denormals()
    def evaluate_file(
        self,
        path: Path | str,
        metrics: Sequence[str] = (),
        usual: bool = False,
        layout: Mapping[str, Any] | None = None,
    ) -> NewEvaluation:
        """Return the metrics on the rows of a new file, which holds their targets too.

        Args:
            path: a CSV or parquet file with the columns of the training, an npz file with inputs
                and targets, or a folder of classes with images; whichever the run was trained on
            metrics: as for `evaluate`
            usual: see `evaluate_beside_baseline`
            layout: as for `predict_file`

        Raises:
            ConfigError: a metric is unknown or not for this task
            DataError: the file is missing, damaged, or does not fit the network, or a target is
                missing or a class that the network does not know
        """
        if self.task.kind == "reconstruction":
            raise ConfigError(
                f"{self.path} reconstructs its inputs and is measured on its own data alone; leave "
                "the file out, or `dlx predict` it"
            )
        features, data = self.info.get("features"), self.config.data
        rows = read_labelled(Path(path), self.task, features, self.encoder, data, layout or {})
        targets = rows.targets
        if self.task.classes is None:
            targets = self.task.standardized(targets)
        inputs = Selection(self.preprocessed(rows.inputs, "evaluate"))
        part = Part(inputs, torch.from_numpy(targets), np.arange(len(targets)))
        train = training_targets(self.task)
        values, constant = self._measure({"new": part}, train, metrics, usual)
        scores = self.class_scores({"new": part})
        return NewEvaluation(
            str(path), len(targets), values, constant, scores, rows.notes, rows.warnings
        )

    def _measure(
        self, parts: Mapping[str, Part], train: Tensor | None, metrics: Sequence[str], usual: bool
    ) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, float]]]:
        """Return metrics of parts, and those of the constant answer to training targets."""
        cohort = self._measured_by(metrics, usual=usual)
        constant = {} if train is None else baseline(self.task, train, parts, cohort.metrics)
        measured = {}
        for name, part in parts.items():
            values = evaluate(cohort, part.inputs, cohort.head.encode(part.targets))
            measured[name] = {tag: value for tag, [value] in values.items()}
        return measured, constant

    @flushed_denormals()
    def class_scores(self, parts: Mapping[str, Part]) -> dict[str, dict[str, dict[str, float]]]:
        """Return rows, precision, recall and f1 of every class or label, by part and class.

        See `dlx.nn.metrics.class_scores`; nothing of a run that predicts numbers.
        """
        if self.task.classes is None:
            return {}
        head = self.cohort.head
        by_part = {}
        for name, part in parts.items():
            [counts] = confusion(self.cohort, part.inputs, head.encode(part.targets))
            scores = {"rows": counts.sum(-1), **class_scores(counts)}
            if self.task.kind == "multilabel":
                scores = {key: values[:, 1] for key, values in scores.items()}
            by_part[name] = {
                label: {key: values[place].item() for key, values in scores.items()}
                for place, label in enumerate(self.task.classes)
            }
        return by_part

    @flushed_denormals()
    def error_per_class(
        self,
        data_dir: Path | str | None = None,
        split: str | None = None,
        labelled: Splits | None = None,
    ) -> dict[str, dict[str, dict[str, float]]]:
        """Return how well the rows of each class are reconstructed, of every split or of one.

        Args:
            data_dir: where data sets are kept
            split: one of the splits
            labelled: what `labelled_splits` has given, which then are not read again

        Returns:
            by split and class: `rows`, their number, and `squared_error_per_row`, the mean over
            them of the squared error on clean inputs, summed over a row's inputs as the network
            sees them; classes without rows are left out; nothing of a run that does not
            reconstruct, or of data without a class for each row

        Raises:
            DataError: the data are missing or changed, or have no rows in this split
        """
        if self.task.kind != "reconstruction":
            return {}
        labelled = labelled or self.labelled_splits(data_dir)
        splits = self.splits(labelled=labelled)
        by_split = {}
        for name in [split] if split else splits.parts:
            sample = Sample(splits, labelled, self.design, name)
            if sample.classes:
                errors = zip(sample.classes, sample.error_per_class(self.cohort), strict=True)
                by_split[name] = {
                    class_: {"rows": len(rows), "squared_error_per_row": float(rows.mean())}
                    for class_, rows in errors
                    if len(rows)
                }
        return by_split

    @flushed_denormals()
    def importance(
        self,
        split: str = "test",
        repeats: int = 30,
        metric: str | None = None,
        data_dir: Path | str | None = None,
        splits: Splits | None = None,
    ) -> Importance:
        """Return how much worse the network does once a feature says nothing of its row.

        See `dlx.diagnose.importance.permutation_importance`.

        Args:
            split: the rows among which a feature's values are permuted
            repeats: permutations of each feature
            metric: its name, or YAML as for `evaluate`; default: the first that the run logs, or
                accuracy, or of numbers r2
            data_dir: where data sets are kept
            splits: what `self.splits` has given, which then are not read again

        Raises:
            ConfigError: the inputs are images or sequences, the metric is unknown or not for this
                task, or fewer than two repeats
            DataError: the data are missing or changed, have no rows in this split or too few
        """
        if metric is None and self.config.log.metrics == "auto" and self.task.kind == "regression":
            metric = "r2"
        splits = splits or self.splits(data_dir)
        places = groups(splits.task, splits.features, splits.encoder)
        cohort = self._measured_by([metric] if metric else [])
        seed = self.config.seed
        return permutation_importance(
            cohort, splits.part(split), places, repeats=repeats, seed=seed
        )

    def _measured_by(self, metrics: Sequence[str], *, usual: bool = False) -> Cohort:
        """Return the network, to be measured by the named metrics in place of the config's.

        With `usual`, `dlx.nn.metrics.evaluated_metrics` are added.
        """
        if not (metrics or usual):
            return self.cohort
        changes = [f"log.metrics=[{', '.join(metrics)}]"] if metrics else []
        config = read_config(self.config, changes)
        chosen = jobs.chosen_metrics(config, self.design)
        more = evaluated_metrics(self.design.head) if usual else ()
        known = {tag(metric) for metric in chosen}
        chosen += tuple(choice("metric", name) for name in more if name not in known)
        return self._stacked(chosen)
