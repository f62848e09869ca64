"""Metrics: what is measured of every run in an evaluation, besides its cost.

# K runs, B batch, N rows, C classes, T labels or targets

A metric is made of a statistic, found chunk by chunk and added up (counts.py), and a function of
its total; what else is known of it are its `MetricTraits`. Counts are integers and sums run over a
row of memory in float64, so that a run's value has the same bits alone and together. A class that a
value cannot be had of, since no row has it, is left out of its mean; where none is left, the value
is not a number (null in JSON).
"""

import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Annotated, Any

import torch
from annotated_types import Gt
from torch import Tensor

from dlx.config.types import Choice, choice
from dlx.errors import ConfigError
from dlx.nn.counts import (
    ABSOLUTE_ERRORS,
    CONFUSION,
    CROSS_ENTROPIES,
    RIGHT,
    SCORES,
    SQUARED_ERRORS,
    WITHIN,
    Rows,
    Statistic,
    added,
)
from dlx.nn.head import Head, TaskKind
from dlx.registry import Entry, get, names, register

CLASSES: tuple[TaskKind, ...] = ("multiclass", "binary")
LABELS: tuple[TaskKind, ...] = (*CLASSES, "multilabel")
NUMBERS: tuple[TaskKind, ...] = ("regression",)
INPUTS: tuple[TaskKind, ...] = ("reconstruction",)
CORRUPTED = "corrupted_"  # stands before the name of what is measured on corrupted inputs
# what codes are worth at a run's end (training/probing.py), and whether larger values are better
WORTH = {"probe_accuracy": True, "fine_tuned_accuracy": True, "fine_tuned_error": False}


def _check_k(head: Head, *, k: int) -> str | None:
    if k < head.num_outputs:
        return None
    return (
        f"top_k: received k {k}, but with {head.num_outputs} classes the right one is always among "
        f"{k}; lower k"
    )


def _check_unit_interval(head: Head) -> str | None:
    if head.has_cross_entropies:
        return None
    needs = "inputs in [0, 1], but training rows have others; use data.scale: true"
    if not head.gives_probabilities:
        needs = f"outputs in [0, 1], but model.output is {head.output_name}; use output: sigmoid"
    return f"cross_entropy_per_row needs {needs}"


@register("metric", RIGHT, LABELS, rising=True, scale="share")
def accuracy(right: Tensor, rows: Rows) -> Tensor:
    """Share of rows that are classified rightly; of labels, the share that is right."""
    return right.double() / (len(rows) * rows.head.answers)


@register("metric", RIGHT, LABELS, rising=False, scale="share")
def error(right: Tensor, rows: Rows) -> Tensor:
    """Share of rows (or labels) that are classified wrongly: 1 - accuracy."""
    return 1 - right.double() / (len(rows) * rows.head.answers)


@register(
    "metric",
    WITHIN,
    ("multiclass",),
    rising=True,
    tag="top_{k}",
    scale="share",
    graded=True,
    check=_check_k,
)
def top_k(within: Tensor, rows: Rows, *, k: Annotated[int, Gt(0)] = 5) -> Tensor:
    """Share of rows whose class is among the k that the network thinks likeliest.

    Args:
        within: how many these are, (K,)
        rows: all rows
        k: of how many classes one may be the right one; less than there are
    """
    return within.double() / len(rows)


@register("metric", CONFUSION, LABELS, rising=True, scale="share")
def balanced_accuracy(confusion: Tensor, rows: Rows) -> Tensor:
    """Mean over the classes of the share of their rows that is found: rare ones count alike.

    Of labels, the mean over labels of the balanced accuracy of each.
    """
    hits = confusion.diagonal(dim1=-2, dim2=-1).double()
    found = (hits / confusion.sum(-1)).nanmean(-1)
    return found.nanmean(-1) if rows.head.kind == "multilabel" else found


@register("metric", CONFUSION, LABELS, rising=True, scale="score")
def f1(confusion: Tensor, rows: Rows) -> Tensor:
    """Mean over the classes or labels of F1 = 2 hits / (2 hits + misses + false alarms) (macro)."""
    hits = confusion.diagonal(dim1=-2, dim2=-1)
    either = confusion.sum(-1) + confusion.sum(-2)  # 2 hits + misses + false alarms
    scores = 2 * hits.double() / either
    if rows.head.kind == "multilabel":
        scores = scores[..., 1]  # that it does not hold is not to be found
    return scores.nanmean(-1)


@register("metric", SCORES, LABELS, rising=True, scale="score", graded=True)
def auc(scores: Tensor, rows: Rows) -> Tensor:
    """Area under the ROC curve: how often a row of the class scores above one of another class.

    Exact, ties count half. Of several classes the mean of each against the rest, of labels the
    mean of all.
    """
    truth = rows.head.decode(rows.targets)
    if rows.head.kind != "multilabel":
        classes = torch.arange(scores.shape[1], device=scores.device)
        truth = truth.unsqueeze(1) == (classes if len(classes) > 1 else classes + 1)
    areas = [
        _area(each, held) for each, held in zip(scores.unbind(1), truth.unbind(1), strict=True)
    ]
    return torch.stack(areas, 1).nanmean(1)


def _area(scores: Tensor, held: Tensor) -> Tensor:
    """Return the area under each run's curve: (K,) from (K, N) and (N,)."""
    scores = scores.contiguous()
    ordered = scores.sort(-1).values
    # Twice a row's rank, those of ties averaged, is how many are below it, twice those beside it
    # and one: integers, so that nothing is rounded.
    below = torch.searchsorted(ordered, scores)
    not_above = torch.searchsorted(ordered, scores, right=True)
    twice = ((below + not_above + 1) * held.long()).sum(1)
    positive = held.sum()
    negative = len(held) - positive
    area = (twice - positive * (positive + 1)).double() / (2 * positive * negative)
    return torch.where(scores.isfinite().all(1), area, torch.nan)


@register("metric", SQUARED_ERRORS, (*NUMBERS, *INPUTS), rising=False)
def mse(squares: Tensor, rows: Rows) -> Tensor:
    """Mean squared error, over rows and targets, in the targets' own units.

    Of a reconstruction, over rows and inputs, in the units that the network sees.
    """
    return (squares * _scale(rows) ** 2).mean(1) / len(rows)


@register("metric", SQUARED_ERRORS, INPUTS, rising=False)
def squared_error_per_row(squares: Tensor, rows: Rows) -> Tensor:
    """Squared error of a reconstruction, summed over a row's inputs, as the network sees them."""
    return squares.sum(1) / len(rows)


@register("metric", CROSS_ENTROPIES, INPUTS, rising=False, check=_check_unit_interval)
def cross_entropy_per_row(entropies: Tensor, rows: Rows) -> Tensor:
    """Binary cross-entropy of a reconstruction, summed over a row's inputs, in nats.

    Inputs and outputs must lie in [0, 1]. It is never 0 where inputs are neither 0 nor 1.
    """
    return entropies.sum(1) / len(rows)


@register("metric", ABSOLUTE_ERRORS, (*NUMBERS, *INPUTS), rising=False)
def mae(errors: Tensor, rows: Rows) -> Tensor:
    """Mean absolute error, over rows and targets, in the targets' own units.

    Of a reconstruction, over rows and inputs, in the units that the network sees.
    """
    return (errors * _scale(rows)).mean(1) / len(rows)


@register("metric", SQUARED_ERRORS, NUMBERS, rising=True)
def r2(squares: Tensor, rows: Rows) -> Tensor:
    """Share of the targets' variance that is explained: 1 - squared errors / those of the mean.

    The mean over the targets; one that never changes is left out.
    """
    targets = rows.targets.double().T.contiguous()
    spread = (targets - targets.mean(1, keepdim=True)).square().sum(1)
    return torch.where(spread > 0, 1 - squares / spread, torch.nan).nanmean(1)


def _scale(rows: Rows) -> Any:
    return rows.head.constants.get("target_scale", 1.0)


def tag(chosen: Choice) -> str:
    """Return what a metric is logged as: its field name."""
    return (chosen.traits.tag or chosen.name).format(**chosen.arguments())


def is_rising(name: str) -> bool:
    """Say whether larger values are better of what is logged under a field name; cost falls."""
    if name in WORTH:
        return WORTH[name]
    return any(entry.traits.rising for entry in _logged_as(name))


def is_between_0_and_1(name: str) -> bool:
    """Say whether what is logged under a field name is a number between 0 and 1."""
    return name in WORTH or any(entry.traits.scale for entry in _logged_as(name))


def _logged_as(name: str) -> Iterator[Entry]:
    """Return the metrics that a field name may be of."""
    name = name.removeprefix(CORRUPTED)
    for entry in map(partial(get, "metric"), names("metric")):
        pattern = re.sub(r"\{.*?\}", ".+", entry.traits.tag or entry.name)
        if re.fullmatch(pattern, name):
            yield entry


def default_metrics(head: Head) -> tuple[Choice, ...]:
    """Return what is measured if a config does not say: what fits the task, and its loss."""
    usual: tuple[str, ...] = ("mse", "r2") if head.is_numeric else ("accuracy",)
    if head.kind == "reconstruction":
        usual = ("squared_error_per_row", "mse")
        if head.has_cross_entropies:
            usual = (*usual, "cross_entropy_per_row")
    return tuple(choice("metric", name) for name in usual)


def check_metrics(chosen: Sequence[Choice], head: Head) -> None:
    """Check that metrics can be had of a task.

    Raises:
        ConfigError: a metric is not for this task, or the same is named twice
    """
    tags = [tag(metric) for metric in chosen]
    for metric in chosen:
        if head.kind not in metric.traits.kinds:
            allowed = [n for n in names("metric") if head.kind in get("metric", n).traits.kinds]
            raise ConfigError(
                f"log.metrics: {metric.name} is not defined for this task, which is {head.kind}; "
                f"allowed: {', '.join(allowed)}"
            )
        if metric.traits.check and (why := metric.traits.check(head, **metric.arguments())):
            raise ConfigError(f"log.metrics: {why}")
        if tags.count(tag(metric)) > 1:
            raise ConfigError(f"log.metrics: {tag(metric)} is named twice; name it once")


class Measurement:
    """Metrics of K runs, found chunk by chunk.

    Args:
        head: of the runs, on their device
        chosen: the metrics
    """

    def __init__(self, head: Head, chosen: Sequence[Choice]) -> None:
        self._head = head
        self._chosen = chosen
        self._found: dict[Any, list[Tensor]] = {self._key(each): [] for each in chosen}

    @staticmethod
    def _key(chosen: Choice) -> tuple[Statistic, tuple[tuple[str, Any], ...]]:
        """Metrics of the same statistic and options share it."""
        return chosen.traits.statistic, tuple(chosen.arguments().items())

    def add(self, z: Tensor, targets: Tensor) -> None:
        """Take in a chunk.

        Args:
            z: (K, B, C)
            targets: as the head encodes them, (B,) or (B, C)
        """
        rows = Rows(self._head, targets)
        for (statistic, options), chunks in self._found.items():
            chunks.append(statistic.find(z, rows, **dict(options)))
            if statistic.join is added:
                chunks[:] = [added(chunks)]

    def results(self, targets: Tensor) -> dict[str, Tensor]:
        """Return each metric by its tag, a value per run, (K,) float64.

        Args:
            targets: of all rows, (N,) or (N, C)
        """
        rows = Rows(self._head, targets)
        totals = {key: key[0].join(chunks) for key, chunks in self._found.items()}
        return {tag(metric): metric(totals[self._key(metric)], rows) for metric in self._chosen}
