"""Metrics: what an evaluation measures of every run, besides its cost.

# K runs, B batch, N rows, C classes, T labels or targets

A metric is a function of a statistic, which is computed chunk by chunk and added up (`counts.py`).
Its traits are explained at `MetricTraits`. Counts are integers, and sums run over contiguous rows
in float64, so that a run's value has the same bits alone and together. A class without rows has no
value, and is left out of a mean over the classes; if no class is left, the metric is NaN (null in
JSON).
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from string import Formatter
from typing import Annotated, Any

import torch
from annotated_types import Gt
from torch import Tensor

from dlx.config.types import Choice, choice
from dlx.config.words import shown
from dlx.errors import ConfigError
from dlx.nn.counts import (
    ABSOLUTE_ERRORS,
    CONFUSION,
    CROSS_ENTROPIES,
    RELATIVE_ERRORS,
    RIGHT,
    SCORES,
    SQUARED_ERRORS,
    WITHIN,
    Rows,
    Statistic,
    added,
    folded,
    folded_mean,
    in_units,
)
from dlx.nn.head import Head, TaskKind
from dlx.registry import Entry, get, names, register
from dlx.traits import Scale

CLASSES: tuple[TaskKind, ...] = ("multiclass", "binary")
LABELS: tuple[TaskKind, ...] = (*CLASSES, "multilabel")
NUMBERS: tuple[TaskKind, ...] = ("regression",)
INPUTS: tuple[TaskKind, ...] = ("reconstruction",)
CORRUPTED = "corrupted_"  # prefix of what is measured on corrupted inputs
_TAKEN = ("cost", "epoch", "examples", "success")  # tags of what is no metric
# What probes measure at a run's end (training/probing.py), and whether larger values are better.
PROBED = {"probe_accuracy": True, "fine_tuned_accuracy": True, "fine_tuned_error": False}


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
    """Share of rows that are classified correctly; of labels, the share of correct ones."""
    return right.double() / (len(rows) * rows.head.answers)


@register("metric", RIGHT, LABELS, rising=False, scale="share")
def error(right: Tensor, rows: Rows) -> Tensor:
    """Share of rows (or labels) that are classified incorrectly: 1 - accuracy."""
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
    """Share of rows whose class is among the k most probable ones.

    Classes that are equally probable share the places that are left for them: if all ten are, the
    top 5 hold half of the rows.

    Args:
        within: the places that rows' classes have, by the size of their tie, (K, C)
        rows: all rows
        k: fewer than there are classes
    """
    sizes = torch.arange(1, within.shape[1] + 1, device=within.device)
    return folded(within.double() / sizes, 1) / len(rows)


@register("metric", CONFUSION, LABELS, rising=True, scale="share")
def balanced_accuracy(confusion: Tensor, rows: Rows) -> Tensor:
    """Mean over the classes of the accuracy on their rows (recall): rare classes count as much.

    Of labels, the mean of the labels' balanced accuracies.
    """
    values = folded_mean(class_scores(confusion)["recall"], -1, skips_nan=True)
    if rows.head.kind == "multilabel":
        return folded_mean(values, -1, skips_nan=True)
    return values


@register("metric", CONFUSION, LABELS, rising=True, scale="share")
def precision(confusion: Tensor, rows: Rows) -> Tensor:
    """Mean over the classes or labels of the share of rows said to be of it that are (macro).

    It is 0 of a class that no row is said to be of. `dlx evaluate` shows each class's own.
    """
    return _mean_of_classes("precision", confusion, rows)


@register("metric", CONFUSION, LABELS, rising=True, scale="share")
def recall(confusion: Tensor, rows: Rows) -> Tensor:
    """Mean over the classes or labels of the share of its rows that are said to be of it (macro).

    Of classes it is `balanced_accuracy`. `dlx evaluate` shows each class's own.
    """
    return _mean_of_classes("recall", confusion, rows)


@register("metric", CONFUSION, LABELS, rising=True, scale="score")
def f1(confusion: Tensor, rows: Rows) -> Tensor:
    """Mean over the classes or labels of F1 = 2 hits / (2 hits + misses + false alarms) (macro)."""
    return _mean_of_classes("f1", confusion, rows)


def class_scores(confusion: Tensor) -> dict[str, Tensor]:
    """Return precision, recall and F1 of every class, (..., C) float64, given counts (..., C, C).

    A class without rows has no recall; one that no row is said to be of either has no score.
    """
    hits = confusion.diagonal(dim1=-2, dim2=-1).double()
    of_class, said = confusion.sum(-1), confusion.sum(-2)
    missing = torch.where(of_class > 0, 0.0, torch.nan)
    return {
        "precision": torch.where(said > 0, hits / said, missing.double()),
        "recall": hits / of_class,
        "f1": 2 * hits / (of_class + said),
    }


def _mean_of_classes(name: str, confusion: Tensor, rows: Rows) -> Tensor:
    scores = class_scores(confusion)[name]
    if rows.head.kind == "multilabel":
        scores = scores[..., 1]  # of the rows that have the label
    return folded_mean(scores, -1, skips_nan=True)


@register("metric", CONFUSION, ("binary",), rising=True, scale="score")
def f1_positive(confusion: Tensor, rows: Rows) -> Tensor:
    """F1 of the second of two classes, 2 hits / (2 hits + misses + false alarms).

    `f1` is the mean of this and of the first class's, which a frequent first class makes high.
    """
    hits = confusion[:, 1, 1]
    return 2 * hits.double() / (confusion[:, 1].sum(-1) + confusion[:, :, 1].sum(-1))


@register("metric", SCORES, LABELS, rising=True, scale="score", graded=True)
def auc(scores: Tensor, rows: Rows) -> Tensor:
    """Area under the ROC curve: how often a row of a class scores above one of another class.

    Exact; ties count half. Of several classes, the mean over each class against the rest; of
    labels, the mean over the labels.
    """
    truth = rows.head.decode(rows.targets)
    if rows.head.kind != "multilabel":
        classes = torch.arange(scores.shape[1], device=scores.device)
        truth = truth.unsqueeze(-1) == (classes if len(classes) > 1 else classes + 1)
    pairs = zip(scores.unbind(1), truth.unbind(-1), strict=True)
    areas = torch.stack([_area(score, has) for score, has in pairs], 1)
    return folded_mean(areas, 1, skips_nan=True)


def _area(scores: Tensor, positive: Tensor) -> Tensor:
    """Return the area under each run's curve, given scores (K, N) and classes (R, N): (K,).

    (sum of the positive rows' ranks - P (P + 1) / 2) / (P N), of P positive and N negative rows.
    """
    scores = scores.contiguous()
    ordered = scores.sort(-1).values
    # Ties share their mean rank. Twice that rank is an integer, so that nothing is rounded.
    below = torch.searchsorted(ordered, scores)
    not_above = torch.searchsorted(ordered, scores, right=True)
    twice_ranks = ((below + not_above + 1) * positive.long()).sum(1)
    num_positive = positive.sum(1)
    num_negative = positive.shape[1] - num_positive
    area = (twice_ranks - num_positive * (num_positive + 1)).double()
    area /= 2 * num_positive * num_negative
    return torch.where(scores.isfinite().all(1), area, torch.nan)


@register("metric", SQUARED_ERRORS, (*NUMBERS, *INPUTS), rising=False)
def mse(squares: Tensor, rows: Rows) -> Tensor:
    """Mean squared error over rows and targets, in the units of the targets.

    Of a reconstruction, over rows and inputs, in the units of the preprocessed inputs.
    """
    return folded_mean(squares * _scale(rows) ** 2, 1) / len(rows)


@register("metric", SQUARED_ERRORS, (*NUMBERS, *INPUTS), rising=False)
def rmse(squares: Tensor, rows: Rows) -> Tensor:
    """Root of the mean squared error `mse`, in the units of the targets."""
    return mse(squares, rows).sqrt()


@register("metric", SQUARED_ERRORS, INPUTS, rising=False)
def squared_error_per_row(squares: Tensor, rows: Rows) -> Tensor:
    """Squared error of a reconstruction, summed over a row's preprocessed inputs."""
    return folded(squares, 1) / len(rows)


@register("metric", CROSS_ENTROPIES, INPUTS, rising=False, check=_check_unit_interval)
def cross_entropy_per_row(entropies: Tensor, rows: Rows) -> Tensor:
    """Binary cross-entropy of a reconstruction, summed over a row's inputs, in nats.

    Inputs and outputs must lie in [0, 1]. It stays above 0 if inputs are neither 0 nor 1.
    """
    return folded(entropies, 1) / len(rows)


@register("metric", ABSOLUTE_ERRORS, (*NUMBERS, *INPUTS), rising=False)
def mae(errors: Tensor, rows: Rows) -> Tensor:
    """Mean absolute error over rows and targets, in the units of the targets.

    Of a reconstruction, over rows and inputs, in the units of the preprocessed inputs.
    """
    return folded_mean(errors * _scale(rows), 1) / len(rows)


@register("metric", RELATIVE_ERRORS, NUMBERS, rising=False, unit="%")
def mape(errors: Tensor, rows: Rows) -> Tensor:
    """Mean absolute error in percent of the target: 100 |a - t| / |t|, over rows and targets.

    Rows whose target is 0 are left out.
    """
    count = (in_units(rows.head, rows.targets) != 0).sum(1)
    return folded_mean(100 * errors / count, 1, skips_nan=True)


@register("metric", SQUARED_ERRORS, NUMBERS, rising=True, best=1.0)
def r2(squares: Tensor, rows: Rows) -> Tensor:
    """Share of the targets' variance that is explained: 1 - squared errors / those of the mean.

    The mean over the targets; a target that is constant is left out.
    """
    targets = rows.targets.double()
    spread = folded((targets - folded_mean(targets, 1).unsqueeze(1)).square(), 1)
    shares = torch.where(spread > 0, 1 - squares / spread, torch.nan)
    return folded_mean(shares, 1, skips_nan=True)


def _scale(rows: Rows) -> Any:
    return rows.head.constants.get("target_scale", 1.0)


def tag(metric: Choice) -> str:
    """Return the name under which a metric is logged."""
    form = metric.traits.tag
    return metric.name if form is None else form.format(**metric.arguments())


def tag_problem(entry: Entry) -> str | None:
    """Return why a metric cannot be logged under its tag; None: it can."""
    form = entry.name if entry.traits.tag is None else entry.traits.tag
    if not isinstance(form, str):
        return f"the tag {form!r}; a tag is a text"
    if not (form.strip() and form.isprintable()) or "/" in form:
        return f"the tag {shown(form)}; a tag has letters, and no '/' or control characters"
    if form in _TAKEN or form in PROBED or form.startswith(CORRUPTED):
        return f"the tag {form!r}, under which dlx logs something else; take another one"
    if entry.traits.tag is not None:
        try:
            fields = [field for field in Formatter().parse(form) if field[1] is not None]
        except ValueError:
            fields = [(form, "{", "", None)]
        for _, option, form_of_it, conversion in fields:
            if option not in entry.options or form_of_it or conversion:
                return f"the tag {shown(form)}; in braces stand names of options alone"
    return None


def is_rising(name: str) -> bool:
    """Say whether larger values are better, given the name under which a metric is logged."""
    if name in PROBED:
        return PROBED[name]
    return any(entry.traits.rising for entry in _logged_as(name))


def scale_of(name: str) -> Scale:
    """Return the scale of a metric, given the name under which it is logged, or of success."""
    if name in PROBED or name == "success":
        return "share"
    return next((entry.traits.scale for entry in _logged_as(name)), None)


def best_of(name: str) -> float | None:
    """Return the value that no network exceeds by a metric; None: there is none."""
    return next((entry.traits.best for entry in _logged_as(name)), None)


def unit_of(name: str) -> str:
    """Return what is written after a metric's value, given the name under which it is logged."""
    return next((entry.traits.unit for entry in _logged_as(name)), "")


def _logged_as(name: str) -> Iterator[Entry]:
    """Return the metrics that may be logged under a name; of "cost" there are none."""
    name = name.removeprefix(CORRUPTED)
    for entry in map(partial(get, "metric"), names("metric")):
        form = entry.traits.tag
        fields = [(entry.name, None)] if form is None else [f[:2] for f in Formatter().parse(form)]
        pattern = "".join(f"{re.escape(text)}{'' if o is None else '.+'}" for text, o in fields)
        if re.fullmatch(pattern, name):
            yield entry


def default_metrics(head: Head) -> tuple[Choice, ...]:
    """Return the metrics of a config with `log.metrics: auto`."""
    usual: tuple[str, ...] = ("mse", "r2") if head.is_numeric else ("accuracy",)
    if head.kind == "reconstruction":
        usual = ("squared_error_per_row", "mse")
        if head.has_cross_entropies:
            usual = (*usual, "cross_entropy_per_row")
    return tuple(choice("metric", name) for name in usual)


def evaluated_metrics(head: Head) -> tuple[str, ...]:
    """Return the metrics that an evaluation shows beside those that a run logs."""
    if head.kind == "reconstruction":
        return ()
    return ("rmse", "mae", "mape") if head.is_numeric else ("precision", "recall", "f1")


def check_metrics(chosen: Sequence[Choice], head: Head) -> None:
    """Check that a task can have the chosen metrics."""
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
    """Metrics of K runs, computed chunk by chunk; the head is on their device."""

    def __init__(self, head: Head, metrics: Sequence[Choice]) -> None:
        self._head = head
        self._metrics = metrics
        self._chunks: dict[Any, list[Tensor]] = {self._key(metric): [] for metric in metrics}

    @staticmethod
    def _key(metric: Choice) -> tuple[Statistic, tuple[tuple[str, Any], ...]]:
        """Return the key of a metric's statistic, which metrics of the same options share."""
        return metric.traits.statistic, tuple(metric.arguments().items())

    @property
    def counts_alone(self) -> bool:
        """Whether counts of right answers are all that it needs."""
        return all(statistic is RIGHT for statistic, _ in self._chunks)

    def add(
        self, z: Tensor, targets: Tensor, outputs: Tensor | None = None, right: Tensor | None = None
    ) -> None:
        """Take in a chunk of rows: z (K, B, C), and targets as the head encodes them.

        Targets are (R, B) or (R, B, C), see `Rows`. Outputs and the number of right answers (K,)
        are those of z, where they are known.
        """
        rows = Rows(self._head, z.shape[1], lambda: targets, outputs)
        for (statistic, options), chunks in self._chunks.items():
            if statistic is RIGHT and right is not None:
                chunks.append(right)
            else:
                chunks.append(statistic.find(z, rows, **dict(options)))
            if statistic.join is added:
                chunks[:] = [added(chunks)]

    def add_right(self, right: Tensor) -> None:
        """Take in a chunk of which the number of right answers is all that is needed."""
        for chunks in self._chunks.values():
            chunks[:] = [added([*chunks, right])]

    def results(self, count: int, targets: Callable[[], Tensor]) -> dict[str, Tensor]:
        """Return the metrics by their tags, a value per run, (K,) float64.

        `count` rows have been taken in, and `targets` gives those of all.
        """
        rows = Rows(self._head, count, targets)
        totals = {key: key[0].join(chunks) for key, chunks in self._chunks.items()}
        return {tag(metric): metric(totals[self._key(metric)], rows) for metric in self._metrics}
