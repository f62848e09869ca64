"""Bias and variance: which errors of a run differ by more than chance."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dlx.diagnose.evidence import Errors, Evidence
from dlx.diagnose.rules.finding import Finding, percent, points
from dlx.diagnose.rules.remedies import against_bias, against_variance, longer, surer, weight_decay

_GAP = 0.02  # the least difference of two errors that counts: two points
_SURE = 2.0  # standard errors that a difference has to exceed
_WIDE = 0.05  # half of the interval of an error that tells little
_UNSURE = 0.1  # by which the share of right answers is above the mean probability
_RARE = 0.25  # share of the rows that the majority class leaves


@dataclass(frozen=True)
class BiasVariance:
    """Which of the gaps between errors are larger than two points and than chance."""

    bias: float | None  # train above what is possible; None: no more than chance
    variance: float | None  # rows of the same kind that were not trained on, above train
    mismatch: float | None  # dev above such rows, where both were measured
    dev: float | None  # test above dev


def bias_and_variance(
    train: Errors,
    dev: Errors | None,
    possible: float = 0.0,
    *,
    train_dev: Errors | None = None,
    test: Errors | None = None,
) -> BiasVariance:
    """Return the gaps that count, as shares, between the errors of a run.

    A gap counts if it is above two points and above two standard errors of the difference.

    Args:
        train, dev, train_dev, test: errors of the parts
        possible: the error that somebody who does this well makes, such as `data.human_error`

    Reference:
        Ng (2018), Machine learning yearning
    """
    same = dev if train_dev is None else train_dev
    return BiasVariance(
        _gap(train.mean - possible, train.variance),
        _between(train, same),
        _between(train_dev, dev),
        _between(dev, test),
    )


def _between(low: Errors | None, high: Errors | None) -> float | None:
    if low is None or high is None:
        return None
    return _gap(high.mean - low.mean, low.variance + high.variance)


def _gap(difference: float, variance: float) -> float | None:
    """Return a difference if it counts."""
    least = max(_GAP, _SURE * math.sqrt(variance))
    return difference if difference > least - 1e-12 else None


def bias(e: Evidence) -> Iterator[Finding]:
    """Whether training rows are told worse than they could be."""
    train, human = e.errors.get("train"), e.config.data.human_error
    standard, possible = possible_error(e)
    if train is None or possible is None:
        return
    gap = bias_and_variance(train, None, possible).bias
    if gap is None:
        yield from _held_small(e)
        return
    above = f"{points(gap)} above {percent(possible)}, {standard}"
    yield Finding(
        "high_bias",
        "high" if human is not None and gap >= 0.1 else "medium",
        f"the error on training rows, {percent(train.mean)}, is {above}: the network learns too "
        "little of what it is shown",
        against_bias(e),
        {"train_error": train.mean, "possible_error": possible, "gap": gap},
    )


def _held_small(e: Evidence) -> Iterator[Finding]:
    """Yield whether a penalty keeps the network unsure of training rows that it tells right."""
    if "train" not in e.said or not weight_decay(e) or not e.has_learned:
        return
    outputs, targets = e.said["train"]
    sure, right = float(outputs.max(1).mean()), float(np.mean(outputs.argmax(1) == targets))
    if right - sure > _UNSURE and surer(e) == (longer(e),):
        yield Finding(
            "high_bias",
            "medium",
            f"the network tells {percent(right)} of the training rows right and is sure of its "
            f"answers by {percent(sure)} alone: a penalty holds its weights too small",
            weight_decay(e),
            {"train_error": 1 - right, "confidence": sure},
        )


def possible_error(e: Evidence) -> tuple[str, float | None]:
    """Return the error that a network should reach on training rows, and whose it is.

    It is that of people or of the simple model that errs least. A network that has not learned is
    four points or more above what it should reach; but of a rare class that simple models do not
    find either, nothing says that it could be told.
    """
    train, human = e.errors.get("train"), e.config.data.human_error
    if human is not None and e.task.get("kind") != "reconstruction":
        return "that of people", human
    if train is None or train.mean < _GAP or len(train.rows) < 4:
        return "", None
    simple = min(e.reference, key=lambda name: e.reference[name], default="")
    reached = train.constant - 2 * _GAP  # by a constant answer, less what counts as a difference
    if not e.has_learned and 0 < reached < e.reference.get(simple, 1.0):
        is_rare = train.constant <= _RARE
        return "below which a network has learned something", None if is_rare else reached
    return f"that of {simple}", e.reference.get(simple)


def variance(e: Evidence) -> Iterator[Finding]:
    """Whether other rows are told worse than those that were trained on."""
    train = e.errors.get("train")
    if train is None or e.is_shared or e.judged is None:
        return
    dev, test = e.errors.get("dev"), e.errors.get("test")
    gaps = bias_and_variance(
        train, dev or test, train_dev=e.errors.get("train_dev"), test=test if dev else None
    )
    same = "train_dev" if "train_dev" in e.errors else e.judged
    steps, costs = e.series("cost", same)
    best = int(costs.argmin()) if len(costs) else 0
    rise = float(costs[-1] / costs[best]) if len(costs) and costs[best] > 0 else 1.0
    since = int(steps[best]) if rise > 1.05 else None
    cured = "more data, dropout, a penalty or early stopping help"
    if gaps.variance is not None:
        noise = math.sqrt(train.variance + e.errors[same].variance)
        is_large = gaps.variance >= (0.05 if train.mean < gaps.variance / 2 else 0.1)
        high = is_large and gaps.variance >= 3 * noise
        rises = "" if since is None else f"; its cost rises since step {since:,}"
        yield Finding(
            "high_variance",
            "high" if high else "medium" if gaps.variance >= 0.04 else "low",
            f"the error on {same} rows, {percent(e.errors[same].mean)}, is "
            f"{points(gaps.variance)} above that on training rows, {percent(train.mean)}: the "
            f"network remembers what does not hold for new rows{rises}; {cured}",
            against_variance(e),
            {"train_error": train.mean, f"{same}_error": e.errors[same].mean, "gap": gaps.variance},
            step=since,
        )
    elif rise > 1.25 and e.series("cost")[1][-1] < e.series("cost")[1][best]:
        yield Finding(
            "high_variance",
            "medium" if rise > 1.5 else "low",
            f"the cost on {same} rows rises from {costs[best]:.4g} at step {since:,} to "
            f"{costs[-1]:.4g}, while that on training rows falls: the network is ever surer of "
            f"wrong answers; {cured}",
            against_variance(e),
            {"least_cost": float(costs[best]), "last_cost": float(costs[-1])},
            step=since,
        )
    if gaps.mismatch is not None and dev is not None:
        yield Finding(
            "data_mismatch",
            "high" if gaps.mismatch >= 0.05 else "medium",
            f"the error on dev rows, {percent(dev.mean)}, is {points(gaps.mismatch)} above that on "
            f"train_dev rows, {percent(e.errors['train_dev'].mean)}, which are of the kind that "
            "was trained on: dev rows are of another kind",
            (),
            {
                "train_dev_error": e.errors["train_dev"].mean,
                "dev_error": dev.mean,
                "gap": gaps.mismatch,
            },
        )
    if gaps.dev is not None and test is not None and dev is not None:
        yield Finding(
            "dev_overfitting",
            "medium",
            f"the error on test rows, {percent(test.mean)}, is {points(gaps.dev)} above "
            f"that on dev rows, {percent(dev.mean)}: what was chosen by dev rows holds for "
            "these alone, or test rows are of another kind",
            ("data.split_seed=1",),
            {"dev_error": dev.mean, "test_error": test.mean, "gap": gaps.dev},
        )


def few_rows(e: Evidence) -> Iterator[Finding]:
    """Whether the judged rows are too few to tell much."""
    if e.is_shared or e.judged is None or e.task.get("kind") == "reconstruction":
        return
    errors = e.errors[e.judged]
    half = 1.96 * math.sqrt(errors.variance)
    if half > _WIDE:
        told = f"{len(errors.rows)} {e.judged} rows leave the error uncertain by {points(half)} "
        told += "either way: smaller differences prove nothing"
        if math.isinf(half):
            told = f"one {e.judged} row does not tell the error"
        yield Finding(
            "too_few_rows",
            "low",
            f"{told}; a cross-validation judges on all rows",
            (),
            {"rows": len(errors.rows), "half_width": half},
        )
