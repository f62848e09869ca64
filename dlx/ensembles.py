"""Several trained runs as one ensemble: their outputs are averaged, or their votes counted.

# K runs, N rows, C classes, T labels or targets
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dlx.api import Run, read_config
from dlx.config.types import Choice, choice
from dlx.data.dataset import Task
from dlx.data.parts import Part
from dlx.data.pipeline import Pool
from dlx.data.selection import Selection
from dlx.denormals import flushed_denormals
from dlx.errors import ConfigError
from dlx.models.heads import build_head
from dlx.nn.head import Head
from dlx.nn.metrics import Measurement, check_metrics, default_metrics, is_rising
from dlx.training.evaluation import predict
from dlx.training.saved import evaluating_engine, stack

Combine = Literal["mean", "vote"]


@dataclass(frozen=True)
class Ensemble:
    """The metrics of runs, alone and together, on the rows of one split."""

    members: list[dict[str, float]]  # metrics of each run, in their order
    together: dict[str, float]  # metrics of the ensemble
    split: str  # whose rows they were found on
    num_rows: int  # how many

    @property
    def mean(self) -> dict[str, float]:
        """The mean of the members' metrics."""
        return {k: sum(m[k] for m in self.members) / len(self.members) for k in self.together}

    @property
    def gain(self) -> dict[str, float]:
        """How much better the ensemble is than its mean member; negative if it is worse."""
        return {
            name: (value - self.mean[name]) * (1 if is_rising(name) else -1) + 0.0
            for name, value in self.together.items()
        }


@flushed_denormals()
def evaluate(
    runs: Sequence[Run],
    split: str | None = None,
    combine: Combine = "mean",
    metrics: Sequence[str] = (),
    data_dir: Path | str | None = None,
) -> Ensemble:
    """Return the metrics of runs, alone and together, on a split of their data.

    Runs of equal shapes are evaluated in one pass, on the run axis. Rows that any of them was
    trained on say nothing: where runs were split differently, only rows that are in this split for
    all of them are judged.

    Args:
        runs: at least two, of any shapes, trained on the same data
        split: default: dev where all have the same dev rows, otherwise test
        combine: 'mean' averages probabilities, or numbers in the data's units; 'vote' counts the
            classes that runs predict, and of equal counts the first class wins
        metrics: names, or YAML such as '{name: top_k, k: 3}'; default: those of the task
    """
    _check(runs, combine)
    pools: dict[str, Pool] = {}
    splits = [run.splits(data_dir, run.labelled_splits(data_dir, pools)) for run in runs]
    if split is None:
        split = "dev" if len({own.fingerprint for own in splits}) == 1 else "test"
    parts = _common(runs, [own.part(split) for own in splits], split)
    part, task = parts[0], runs[0].task
    head = _head(task)
    chosen = _metrics(runs[0], head, metrics)
    for metric in chosen if combine == "vote" else ():
        if metric.traits.graded:
            raise ConfigError(
                f"--vote: {metric.name} needs probabilities, not votes; leave out --vote, or "
                "choose another metric"
            )
    targets = (
        part.targets if task.classes else torch.from_numpy(task.in_units(part.targets.numpy()))
    )
    encoded = head.encode(targets).unsqueeze(0)
    alone = _answers(runs, parts, combine)
    answers = torch.cat([alone, alone.mean(0, keepdim=True)])
    measurement = Measurement(head, chosen)
    measurement.add(answers, encoded)
    values = measurement.results(len(part), lambda: encoded)
    by_row = [
        {name: by_run[row].item() for name, by_run in values.items()} for row in range(len(answers))
    ]
    return Ensemble(by_row[:-1], by_row[-1], split, len(part))


def _common(runs: Sequence[Run], parts: Sequence[Part], split: str) -> list[Part]:
    """Return the rows of a split that all runs have in it, as each of them sees them."""
    rows = functools.reduce(np.intersect1d, [part.rows for part in parts])
    if all(len(rows) == len(part) for part in parts):
        return list(parts)
    if split == "train" or len(rows) == 0:
        why = (
            "some trained on rows that others did not"
            if split == "train"
            else "every one of them was a training row of some run"
        )
        raise ConfigError(
            f"the {len(runs)} runs drew other {split} rows each, and {why}; judge them on test "
            "rows, which are the same for all, with --split test"
        )
    return [_some(part, rows) for part in parts]


def _some(part: Part, rows: np.ndarray) -> Part:
    places = torch.from_numpy(np.searchsorted(part.rows, rows))
    targets = None if part.own_targets is None else part.own_targets[places]
    return Part(part.selection.picked(places), targets, rows)


def _check(runs: Sequence[Run], combine: Combine) -> None:
    if len(runs) < 2:
        raise ConfigError(f"an ensemble needs at least two runs; received {len(runs)}")
    first = runs[0]
    paths = [run.path.resolve() for run in runs]
    for run, path in zip(runs, paths, strict=True):
        if paths.count(path) > 1:
            raise ConfigError(f"{run.path} is named twice, but counts once; remove one")
        if _data_of(run) != _data_of(first):
            raise ConfigError(
                f"{run.path} was trained on other data ({run.config.data.name}) than {first.path} "
                f"({first.config.data.name}), whose rows it cannot be judged by; give runs of the "
                "same data"
            )
        if run.task.kind != first.task.kind:
            raise ConfigError(
                f"{run.path} has another task ({run.task.kind}) than {first.path} "
                f"({first.task.kind}), so that their outputs cannot be combined; give runs of one "
                "task"
            )
    if combine == "vote" and first.task.classes is None:
        raise ConfigError(
            f"--vote: {first.path} predicts numbers, which have no votes; leave out --vote"
        )
    for run in runs:
        head = run.design.head
        if combine == "mean" and first.task.classes and not head.gives_probabilities:
            raise ConfigError(
                f"the outputs of {run.path} are those of {head.output_name}, which are no "
                "probabilities to average; use --vote"
            )


def _data_of(run: Run) -> Any:
    """Return what is equal for runs of the same data; older runs recorded it with their split."""
    return run.info.get("data_digest") or run.info.get("data_fingerprint")


def _head(task: Task) -> Head:
    """Return the head that judges answers: probabilities, shares of votes, or numbers."""
    plain = replace(task, target_shift=(), target_scale=())
    return build_head(plain, choice("activation", "identity"), "mse")


def _metrics(run: Run, head: Head, names: Sequence[str]) -> tuple[Choice, ...]:
    if not names:
        return default_metrics(head)
    chosen = read_config(run.config, [f"log.metrics=[{', '.join(names)}]"]).log.metrics
    assert chosen != "auto"
    check_metrics(chosen, head)
    return tuple(chosen)


def _answers(runs: Sequence[Run], parts: Sequence[Part], combine: Combine) -> Tensor:
    """Return every run's answer to every row, in the form that `_head` judges: (K, N, C)."""
    groups: dict[Any, list[int]] = {}
    for index, (run, part) in enumerate(zip(runs, parts, strict=True)):
        groups.setdefault(
            (run.design.structure, evaluating_engine(run.config), id(part.selection.base)), []
        ).append(index)
    answers: dict[int, Tensor] = {}
    for (_, engine, _), indices in groups.items():
        members = [runs[index] for index in indices]
        inputs = Selection.together([parts[index].selection for index in indices])
        cohort = stack([(run.design, run.tensors) for run in members], (), engine=engine)
        for index, outputs in zip(indices, predict(cohort, inputs), strict=True):
            answers[index] = _answer(runs[index], outputs, combine)
    return torch.stack([answers[index] for index in range(len(runs))])


def _answer(run: Run, outputs: Tensor, combine: Combine) -> Tensor:
    """Return a run's outputs (N, C) as probabilities, votes of 0 and 1, or in the data's units."""
    task, head = run.task, run.design.head
    if task.classes is None:
        return torch.from_numpy(task.in_units(outputs.numpy()))
    is_per_output = task.kind == "multilabel" or outputs.shape[1] == 1
    if combine == "vote":
        if is_per_output:
            return (outputs > head.middle).to(outputs.dtype)
        outputs = F.one_hot(outputs.argmax(1), outputs.shape[1]).to(outputs.dtype)
    return outputs[:, 1:] if task.kind == "binary" and not is_per_output else outputs
