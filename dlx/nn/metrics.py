"""Metrics: what is measured of every run in an evaluation, besides its cost.

# K runs, B batch, N rows, C classes, T labels or targets

A metric is made of a statistic, found chunk by chunk and added up (counts.py), and a function of
its total. Counts are integers and sums run over a row of memory in float64, so that a run's value
has the same bits alone and together. A class that a value cannot be had of, since no row has it,
is left out of its mean; where none is left, the value is not a number (null in JSON).
"""

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import torch
from annotated_types import Gt
from torch import Tensor

from dlx import registry
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
from dlx.registry import register

CLASSES: tuple[TaskKind, ...] = ("multiclass", "binary")
LABELS: tuple[TaskKind, ...] = (*CLASSES, "multilabel")
NUMBERS: tuple[TaskKind, ...] = ("regression",)
INPUTS: tuple[TaskKind, ...] = ("reconstruction",)
CORRUPTED = "corrupted_"  # stands before the name of what is measured on corrupted inputs
# what codes are worth at a run's end (training/probing.py), and whether larger values are better
WORTH = {"probe_accuracy": True, "fine_tuned_accuracy": True, "fine_tuned_error": False}


def metric(
    statistic: Statistic, kinds: tuple[TaskKind, ...], *, rising: bool, tag: str | None = None
) -> Callable[[Any], Any]:
    """Return a decorator that registers a metric.

    It is called with the statistic's total and the `Rows`, and returns a value per run, (K,)
    float64.

    Args:
        statistic: that it is a function of; called with the metric's options too
        kinds: of the tasks it is for
        rising: larger values are better
        tag: what its values are logged as, with its options in {}; default: its name
    """

    def decorate(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        function.statistic = statistic  # type: ignore[attr-defined]
        function.kinds = kinds  # type: ignore[attr-defined]
        function.rising = rising  # type: ignore[attr-defined]
        function.tag = tag or function.__name__  # type: ignore[attr-defined]
        return register("metric")(function)

    return decorate


@metric(RIGHT, LABELS, rising=True)
def accuracy(right: Tensor, rows: Rows) -> Tensor:
    """Share of rows that are classified rightly; of labels, the share that is right."""
    return right.double() / (len(rows) * rows.head.answers)


@metric(RIGHT, LABELS, rising=False)
def error(right: Tensor, rows: Rows) -> Tensor:
    """Share of rows (or labels) that are classified wrongly: 1 - accuracy."""
    return 1 - right.double() / (len(rows) * rows.head.answers)


@metric(WITHIN, ("multiclass",), rising=True, tag="top_{k}")
def top_k(within: Tensor, rows: Rows, *, k: Annotated[int, Gt(0)] = 5) -> Tensor:
    """Share of rows whose class is among the k that the network thinks likeliest.

    Args:
        within: how many these are, (K,)
        rows: all rows
        k: of how many classes one may be the right one; less than there are
    """
    return within.double() / len(rows)


@metric(CONFUSION, LABELS, rising=True)
def balanced_accuracy(confusion: Tensor, rows: Rows) -> Tensor:
    """Mean over the classes of the share of their rows that is found: rare ones count alike.

    Of labels, the mean over labels of the balanced accuracy of each.
    """
    hits = confusion.diagonal(dim1=-2, dim2=-1).double()
    found = (hits / confusion.sum(-1)).nanmean(-1)
    return found.nanmean(-1) if rows.head.kind == "multilabel" else found


@metric(CONFUSION, LABELS, rising=True)
def f1(confusion: Tensor, rows: Rows) -> Tensor:
    """Mean over the classes or labels of F1 = 2 hits / (2 hits + misses + false alarms) (macro)."""
    hits = confusion.diagonal(dim1=-2, dim2=-1)
    either = confusion.sum(-1) + confusion.sum(-2)  # 2 hits + misses + false alarms
    scores = 2 * hits.double() / either
    if rows.head.kind == "multilabel":
        scores = scores[..., 1]  # that it does not hold is not to be found
    return scores.nanmean(-1)


@metric(SCORES, LABELS, rising=True)
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


@metric(SQUARED_ERRORS, (*NUMBERS, *INPUTS), rising=False)
def mse(squares: Tensor, rows: Rows) -> Tensor:
    """Mean squared error, over rows and targets, in the targets' own units.

    Of a reconstruction, over rows and inputs, in the units that the network sees.
    """
    return (squares * _scale(rows) ** 2).mean(1) / len(rows)


@metric(SQUARED_ERRORS, INPUTS, rising=False)
def squared_error_per_row(squares: Tensor, rows: Rows) -> Tensor:
    """Squared error of a reconstruction, summed over a row's inputs, as the network sees them."""
    return squares.sum(1) / len(rows)


@metric(CROSS_ENTROPIES, INPUTS, rising=False)
def cross_entropy_per_row(entropies: Tensor, rows: Rows) -> Tensor:
    """Binary cross-entropy of a reconstruction, summed over a row's inputs, in nats.

    Inputs and outputs must lie in [0, 1]. It is never 0 where inputs are neither 0 nor 1.
    """
    return entropies.sum(1) / len(rows)


@metric(ABSOLUTE_ERRORS, (*NUMBERS, *INPUTS), rising=False)
def mae(errors: Tensor, rows: Rows) -> Tensor:
    """Mean absolute error, over rows and targets, in the targets' own units.

    Of a reconstruction, over rows and inputs, in the units that the network sees.
    """
    return (errors * _scale(rows)).mean(1) / len(rows)


@metric(SQUARED_ERRORS, NUMBERS, rising=True)
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
    return registry.get("metric", chosen.name).function.tag.format(**chosen.arguments())


def is_rising(name: str) -> bool:
    """Say whether larger values are better of what is logged under a field name; cost falls."""
    if name in WORTH:
        return WORTH[name]
    name = name.removeprefix(CORRUPTED)
    functions = (registry.get("metric", each).function for each in registry.names("metric"))
    return any(
        function.rising
        for function in functions
        if re.fullmatch(re.sub(r"\{.*?\}", ".+", function.tag), name)
    )


def default_metrics(head: Head) -> tuple[Choice, ...]:
    """Return what is measured if a config does not say: what fits the task, and its loss."""
    names: tuple[str, ...] = ("mse", "r2") if head.is_numeric else ("accuracy",)
    if head.kind == "reconstruction":
        names = ("squared_error_per_row", "mse")
        if head.has_cross_entropies:
            names = (*names, "cross_entropy_per_row")
    return tuple(choice("metric", name) for name in names)


def check_metrics(chosen: Sequence[Choice], head: Head) -> None:
    """Check that metrics can be had of a task.

    Raises:
        ConfigError: a metric is for other tasks, the same is named twice, or top_k has k classes
            or more
    """
    fitting = [
        name
        for name in registry.names("metric")
        if head.kind in registry.get("metric", name).function.kinds
    ]
    tags = [tag(each) for each in chosen]
    for each in chosen:
        if each.name not in fitting:
            raise ConfigError(
                f"log.metrics: {each.name} is not defined for this task, which is {head.kind}; "
                f"allowed: {', '.join(fitting)}"
            )
        if each.name == "cross_entropy_per_row" and not head.has_cross_entropies:
            needs = "inputs in [0, 1], but training rows have others; use data.scale: true"
            if head.output_name != "sigmoid":
                name = head.output_name
                needs = f"outputs in [0, 1], but model.output is {name}; use output: sigmoid"
            raise ConfigError(f"log.metrics: cross_entropy_per_row needs {needs}")
        if tags.count(tag(each)) > 1:
            raise ConfigError(f"log.metrics: {tag(each)} is named twice; name it once")
        k = each.arguments().get("k", 0)
        if k >= head.num_outputs and each.name == "top_k":
            raise ConfigError(
                f"log.metrics: top_k: received k {k}, but with {head.num_outputs} classes the "
                f"right one is always among {k}; lower k"
            )


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
        statistic = registry.get("metric", chosen.name).function.statistic
        return statistic, tuple(chosen.arguments().items())

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
        return {
            tag(each): registry.get("metric", each.name).function(
                totals[self._key(each)], rows, **each.arguments()
            )
            for each in self._chosen
        }
