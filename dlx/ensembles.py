"""Several trained runs asked together: their outputs averaged, or their votes counted.

# K runs, N rows, C classes, T labels or targets
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from dlx.api import Run, read_config
from dlx.config.types import Choice, choice
from dlx.data.dataset import Task
from dlx.data.parts import Part
from dlx.denormals import flushed_denormals
from dlx.errors import ConfigError
from dlx.models.heads import build_head
from dlx.nn.head import Head
from dlx.nn.metrics import Measurement, check_metrics, default_metrics, is_rising
from dlx.training.evaluation import predict
from dlx.training.trained import stack

Combine = Literal["mean", "vote"]


@dataclass(frozen=True)
class Ensemble:
    """How well runs do alone and together on the rows of one split.

    Attributes:
        members: metrics of each run, in their order
        together: metrics of the ensemble
    """

    members: list[dict[str, float]]
    together: dict[str, float]

    @property
    def mean(self) -> dict[str, float]:
        """The mean of the members' metrics."""
        return {k: sum(m[k] for m in self.members) / len(self.members) for k in self.together}

    @property
    def gain(self) -> dict[str, float]:
        """How much better the ensemble is than its mean member; worse is negative."""
        return {
            name: (value - self.mean[name]) * (1 if is_rising(name) else -1) + 0.0
            for name, value in self.together.items()
        }


@flushed_denormals()
def evaluate(
    runs: Sequence[Run],
    split: str = "dev",
    combine: Combine = "mean",
    metrics: Sequence[str] = (),
    data_dir: Path | str | None = None,
) -> Ensemble:
    """Return how well runs do together on a split of the data that all were trained on.

    Runs of equal shapes are evaluated in one pass, on the run axis.

    Args:
        runs: at least two, of any shapes
        split: train, dev or test
        combine: 'mean' averages probabilities, or numbers in their own units; 'vote' counts what
            each classifies a row as, the first of classes with equally many votes wins
        metrics: names, or YAML such as '{name: top_k, k: 3}'; default: the task's
        data_dir: where data sets are kept

    Raises:
        ConfigError: fewer than two runs, one named twice, runs of different data, outputs that
            cannot be combined so, or a metric that is not for this task or not for votes
        DataError: the data are missing or changed, or have no rows in this split
    """
    _check(runs, combine)
    part, task = runs[0].splits(data_dir).part(split), runs[0].task
    head = _head(task)
    chosen = _metrics(runs[0], head, metrics)
    if combine == "vote":
        _check_votes(chosen)
    targets = (
        part.targets if task.classes else torch.from_numpy(task.in_units(part.targets.numpy()))
    )
    encoded = head.encode(targets)
    opinions = _opinions(runs, split, combine, data_dir)
    answers = torch.cat([opinions, opinions.mean(0, keepdim=True)])
    measurement = Measurement(head, chosen)
    measurement.add(answers, encoded)
    values = measurement.results(encoded)
    by_row = [
        {name: by_run[row].item() for name, by_run in values.items()} for row in range(len(answers))
    ]
    return Ensemble(by_row[:-1], by_row[-1])


def _check(runs: Sequence[Run], combine: Combine) -> None:
    if len(runs) < 2:
        raise ConfigError(f"an ensemble has two runs or more; received {len(runs)}")
    first = runs[0]
    paths = [run.path.resolve() for run in runs]
    for run, path in zip(runs, paths, strict=True):
        if paths.count(path) > 1:
            raise ConfigError(f"{run.path} is named twice; its opinion counts once")
        if run.info.get("data_fingerprint") != first.info.get("data_fingerprint"):
            raise ConfigError(
                f"{run.path} was trained on other data or another split ({run.config.data.name}) "
                f"than {first.path} ({first.config.data.name}): what one saw in training, another "
                "is judged on; give runs of the same data and data.split_seed"
            )
        if run.task.kind != first.task.kind:
            raise ConfigError(
                f"{run.path} has another task ({run.task.kind}) than {first.path} "
                f"({first.task.kind}), and their outputs do not mix; give runs of one task"
            )
    if combine == "vote" and first.task.classes is None:
        raise ConfigError(
            f"--vote: {first.path} predicts numbers, which are averaged; leave it out"
        )
    for run in runs:
        head = run.design.head
        if combine == "mean" and first.task.classes and not head.gives_probabilities:
            raise ConfigError(
                f"the outputs of {run.path} are those of {head.output_name}, no probabilities that "
                "could be averaged; use --vote"
            )


def _check_votes(chosen: Sequence[Choice]) -> None:
    for each in chosen:
        if each.traits.graded:
            raise ConfigError(
                f"--vote: {each.name} judges probabilities, and votes are none; leave out --vote, "
                "or take another metric"
            )


def _head(task: Task) -> Head:
    """Return the head that judges opinions: probabilities, shares of votes, or numbers."""
    plain = replace(task, target_shift=(), target_scale=())
    return build_head(plain, choice("activation", "identity"), "mse")


def _metrics(run: Run, head: Head, names: Sequence[str]) -> tuple[Choice, ...]:
    if not names:
        return default_metrics(head)
    chosen = read_config(run.config, [f"log.metrics=[{', '.join(names)}]"]).log.metrics
    assert chosen != "auto"
    check_metrics(chosen, head)
    return tuple(chosen)


def _opinions(
    runs: Sequence[Run], split: str, combine: Combine, data_dir: Path | str | None
) -> Tensor:
    """Return what each run says of each row, as `_head` judges it: (K, N, C)."""
    groups: dict[Any, list[int]] = {}
    for index, run in enumerate(runs):
        groups.setdefault((run.design.structure, repr(run.config.data)), []).append(index)
    said: dict[int, Tensor] = {}
    for indices in groups.values():
        members = [runs[index] for index in indices]
        part: Part = members[0].splits(data_dir).part(split)
        cohort = stack([(run.design, run.tensors) for run in members], ())
        outputs = predict(cohort, part.inputs)
        for index, its in zip(indices, outputs, strict=True):
            said[index] = _opinion(runs[index], its, combine)
    return torch.stack([said[index] for index in range(len(runs))])


def _opinion(run: Run, outputs: Tensor, combine: Combine) -> Tensor:
    """Return one run's outputs (N, C) as probabilities, as a vote of 0 and 1, or in own units."""
    task, head = run.task, run.design.head
    if task.classes is None:
        return torch.from_numpy(task.in_units(outputs.numpy()))
    lone = task.kind == "multilabel" or outputs.shape[1] == 1
    if combine == "vote":
        if lone:
            return (outputs > head.middle).to(outputs.dtype)
        outputs = F.one_hot(outputs.argmax(1), outputs.shape[1]).to(outputs.dtype)
    return outputs[:, 1:] if task.kind == "binary" and not lone else outputs
