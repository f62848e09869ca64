"""What went wrong in a run, and what to try next.

# N rows, C classes
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np

from dlx.diagnose.evidence import Errors, Evidence

Severity = Literal["high", "medium", "low"]
SEVERITIES: tuple[Severity, ...] = ("high", "medium", "low")

NAMES = (
    # First what explains the others, where several are equally severe.
    *("constant_inputs", "unscaled_inputs", "leaking_column", "rate_too_high"),
    *("exploding_gradient", "symmetry", "dead_units", "dying_signal", "vanishing_gradient"),
    *("saturation", "exploded_cost", "rate_too_low", "constant_outputs", "data_mismatch"),
    *("class_imbalance",),
    *("wrong_labels", "high_variance", "worse_than_baseline", "high_bias", "plateau"),
    *("still_improving", "covariate_shift", "poor_calibration", "dev_overfitting"),
    *("duplicate_rows", "too_few_rows"),
)

_GAP = 0.02  # the least difference of two errors that counts: two points
_SURE = 2.0  # standard errors that a difference has to exceed
_NO_GRADIENT = 1e-6  # a gradient of weights near 1 that moves nothing
_WIDE = 0.05  # half of the interval of an error that tells little


@dataclass(frozen=True)
class Finding:
    """One thing that stands out in a run."""

    name: str  # one of `NAMES`
    severity: Severity
    reason: str  # a sentence
    changes: tuple[str, ...] = ()  # KEY=VALUE to try next, of the run's config
    evidence: dict[str, float] = field(default_factory=dict)
    layer: str | None = None
    step: int | None = None
    resumes: bool = False  # whether the changes are for `dlx resume`, not for a new run

    def document(self, run: str) -> dict[str, Any]:
        """Return the finding as JSON has it, with the command for the run in a folder."""
        values = asdict(self)
        changes, resumes = values.pop("changes"), values.pop("resumes")
        command = f"dlx resume {run}" if resumes else f"dlx train {run}/config.yaml"
        if not changes:
            command = f"dlx evaluate {run}"
        return values | {"try": " ".join([command, *(_quoted(change) for change in changes)])}


def _quoted(change: str) -> str:
    return f"'{change}'" if any(c in change for c in " {}[]'\"&|;<>()$*") else change


def diagnose(evidence: Evidence) -> list[Finding]:
    """Return what stands out in a run, the most severe first."""
    options = evidence.config.model.arguments()
    found = [
        replace(finding, changes=tuple(c for c in finding.changes if _is_possible(c, options)))
        for rule in _RULES
        for finding in rule(evidence)
    ]
    return sorted(found, key=lambda f: (SEVERITIES.index(f.severity), NAMES.index(f.name)))


def _is_possible(change: str, options: Mapping[str, Any]) -> bool:
    """Return whether the run's model has the option that a change is of."""
    key = change.partition("=")[0]
    return not key.startswith("model.") or key.split(".")[1] in options


# --- Bias and variance


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
    ideal = Errors(np.full(10**6, possible), 1.0)
    same = dev if train_dev is None else train_dev
    return BiasVariance(
        _gap(ideal, train, certain=True),
        _gap(train, same),
        None if train_dev is None else _gap(train_dev, dev),
        _gap(dev, test) if dev is not None else None,
    )


def _gap(low: Errors, high: Errors | None, *, certain: bool = False) -> float | None:
    if high is None:
        return None
    gap = high.mean - low.mean
    variance = high.variance + (0.0 if certain else low.variance)
    return gap if gap > max(_GAP, _SURE * math.sqrt(variance)) - 1e-12 else None


def _bias(e: Evidence) -> Iterator[Finding]:
    train = e.errors.get("train")
    if train is None or e.task.get("kind") == "reconstruction":
        return
    human = e.config.data.human_error
    if human is not None:
        gap, standard, severity = bias_and_variance(train, None, human).bias, "people", None
        possible = human
    else:
        if train.mean < _GAP or len(train.rows) < 4:
            return
        reference = dict(e.reference)
        if not reference and not e.has_learned:
            reference = {"the majority class": train.constant - 2 * _GAP}
        if not reference:
            return
        standard = min(reference, key=lambda name: reference[name])
        possible, severity = reference[standard], "medium"
        if not e.has_learned:
            possible = min(possible, train.constant - 2 * _GAP)
        gap = bias_and_variance(train, None, max(possible, 0)).bias
    if gap is None:
        return
    yield Finding(
        "high_bias",
        severity or ("high" if gap >= 0.1 else "medium"),
        f"the error on training rows, {_share(train.mean)}, is {_points(gap)} above "
        f"{_share(possible)}, that of {standard}: the network learns too "
        "little of what it is shown",
        _against_bias(e),
        {"train_error": train.mean, "possible_error": possible, "gap": gap},
    )


def _against_bias(e: Evidence) -> tuple[str, ...]:
    if e.config.train.penalty is not None:
        return ("train.penalty=null",)
    if e.config.model.arguments().get("dropout"):
        return ("model.dropout=0",)
    return ("model.hidden=[128,128]",)


def _variance(e: Evidence) -> Iterator[Finding]:
    train = e.errors.get("train")
    if train is None or e.is_shared or e.judged is None:
        return
    dev, test = e.errors.get("dev"), e.errors.get("test")
    gaps = bias_and_variance(
        train, dev or test, train_dev=e.errors.get("train_dev"), test=test if dev else None
    )
    same = "train_dev" if "train_dev" in e.errors else e.judged
    if gaps.variance is not None:
        steps, costs = e.series("cost", same)
        best = int(costs.argmin()) if len(costs) else 0
        rises = bool(len(costs)) and costs[-1] > 1.05 * costs[best]
        since = f"; its cost rises since step {steps[best]:,}" if rises else ""
        noise = math.sqrt(train.variance + e.errors[same].variance)
        high = gaps.variance >= max(0.1, 3 * noise) or (
            gaps.variance >= 0.05 and train.mean < gaps.variance / 2
        )
        yield Finding(
            "high_variance",
            "high" if high else "medium" if gaps.variance >= 0.04 else "low",
            f"the error on {same} rows, {_share(e.errors[same].mean)}, is "
            f"{_points(gaps.variance)} above that on training rows, {_share(train.mean)}: the "
            f"network remembers what does not hold for new rows{since}; more data, dropout, a "
            "penalty or early stopping help",
            _against_variance(e),
            {"train_error": train.mean, f"{same}_error": e.errors[same].mean, "gap": gaps.variance},
            step=int(steps[best]) if rises else None,
        )
    if gaps.mismatch is not None and dev is not None:
        yield Finding(
            "data_mismatch",
            "high" if gaps.mismatch >= 0.05 else "medium",
            f"the error on dev rows, {_share(dev.mean)}, is {_points(gaps.mismatch)} above that on "
            f"train_dev rows, {_share(e.errors['train_dev'].mean)}, which are of the kind that was "
            "trained on: dev rows are of another kind",
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
            f"the error on test rows, {_share(test.mean)}, is {_points(gaps.dev)} above "
            f"that on dev rows, {_share(dev.mean)}: what was chosen by dev rows holds for "
            "these alone, or test rows are of another kind",
            ("data.split_seed=1",),
            {"dev_error": dev.mean, "test_error": test.mean, "gap": gaps.dev},
        )


def _against_variance(e: Evidence) -> tuple[str, ...]:
    if e.config.train.early_stopping is None and e.splits is not None and e.splits.dev is not None:
        return ("train.early_stopping={}",)
    return ("train.penalty={l2: 0.01}",)


def _few_rows(e: Evidence) -> Iterator[Finding]:
    if e.is_shared or e.judged is None or e.task.get("kind") == "reconstruction":
        return
    errors = e.errors[e.judged]
    half = 1.96 * math.sqrt(errors.variance)
    if half > _WIDE:
        yield Finding(
            "too_few_rows",
            "low",
            f"{len(errors.rows)} {e.judged} rows leave the error uncertain by {_points(half)} "
            "either way: smaller differences prove nothing; a cross-validation judges on all rows",
            (),
            {"rows": len(errors.rows), "half_width": half},
        )


# --- Signals and gradients


def _signals(e: Evidence) -> Iterator[Finding]:
    if len(e.hidden) < 1:
        return
    between = {layer: e.last(f"between_rows/{layer}") for layer in e.layers}
    known = {layer: value for layer, value in between.items() if value is not None}
    if len(known) < 2:
        return
    first, last = next(iter(known)), list(known)[-2]
    entry = max(v for v in (known[first], e.last("between_rows/input") or 0.0))
    ratio = known[last] / entry if entry else 0.0
    dead = e.last(f"activation_dead/{last}") or 0.0
    gradient = _first_gradient(e)
    dies = ratio < 1e-5 or (not e.has_learned and ratio < 1e-3)
    if dies and dead < 0.9:
        both = ""
        values = {"between_rows_first": known[first], "between_rows_last": known[last]}
        if gradient is not None and gradient < _NO_GRADIENT:
            both = (
                f", and no gradient reaches the input: that of layer {e.hidden[0]} is "
                f"{_number(gradient)}"
            )
            values["first_gradient"] = gradient
        yield Finding(
            "dying_signal",
            "medium" if e.has_learned else "high",
            f"nothing of the input reaches the output: between rows, the outputs of layer {last} "
            f"vary by {_number(known[last])}, those of layer {first} by {_number(known[first])}"
            f"{both}",
            _healthy(e),
            values,
            last,
        )
    ratio_back = _gradient_ratio(e)
    is_lost = gradient is not None and gradient < _NO_GRADIENT and not e.has_learned
    if is_lost or (ratio_back is not None and ratio_back < 1e-3 and not _is_learned_well(e)):
        of = "" if ratio_back is None else f", {_number(ratio_back)} times the output layer's"
        yield Finding(
            "vanishing_gradient",
            "medium" if e.has_learned else "high",
            f"hardly any gradient reaches the input: that of layer {e.hidden[0]} is "
            f"{_number(gradient or 0.0)}{of}",
            _healthy(e),
            {"first_gradient": gradient or 0.0, "ratio": ratio_back or 0.0},
            e.hidden[0],
        )
    ratio_back = ratio_back or 0.0
    grows = [e.first(f"activation_std/{layer}") for layer in (e.layers[0], e.layers[-1])]
    explodes = bool(grows[0]) and (grows[1] or 0.0) / (grows[0] or 1.0) > 100
    if ratio_back > 1e3 or explodes:
        growth = (grows[1] or 0.0) / (grows[0] or 1.0) if explodes else ratio_back
        what = (
            "the signals of layer {} are {} times" if explodes else "the gradient of {} is {} times"
        )
        of, than = (e.layers[-1], e.layers[0]) if explodes else (e.hidden[0], e.layers[-1])
        yield Finding(
            "exploding_gradient",
            "medium" if e.has_learned else "high",
            what.format(of, _number(growth)) + f" those of layer {than}: they explode from "
            "layer to layer",
            _healthy(e),
            {"ratio": growth},
            of,
            0 if explodes else None,
        )


def _is_learned_well(e: Evidence) -> bool:
    train = e.errors.get("train")
    return train is not None and train.mean < 0.1 * train.constant


def _first_gradient(e: Evidence) -> float | None:
    """Return |gradient| of the first layer, as it was in the middle."""
    values = e.series(f"gradient_norm/{e.hidden[0]}")[1]
    return float(np.median(values)) if len(values) else None


def _gradient_ratio(e: Evidence) -> float | None:
    """Return |gradient| of the first layer over that of the output's, as it was in the middle."""
    if not e.hidden:
        return None
    first = e.series(f"gradient_norm/{e.hidden[0]}")[1]
    last = e.series(f"gradient_norm/{e.layers[-1]}")[1]
    count = min(len(first), len(last))
    if count == 0:
        return None
    sized = last[:count] > _NO_GRADIENT  # what is smaller is rounding
    if not sized.any():
        return None
    return float(np.median(first[:count][sized] / last[:count][sized]))


def _healthy(e: Evidence) -> tuple[str, ...]:
    """Return a start and an activation that let signals and gradients pass a deep network."""
    widths = e.config.model.arguments().get("hidden")
    is_narrow = isinstance(widths, list) and all(
        isinstance(width, int) and width <= 32 for width in widths
    )
    rate = f"optimizer={{name: adam, lr: {0.01 if is_narrow else 0.001}}}"
    return ("model.activation=tanh", "model.init=xavier_normal", rate)


def _units(e: Evidence) -> Iterator[Finding]:
    copies = {
        layer: max(float(values[0]), float(np.median(values)))  # rounding may part them later
        for layer in e.hidden
        if len(values := e.series(f"copies/{layer}")[1])
    }
    worst = max(copies, key=lambda layer: copies[layer], default=None)
    if worst is not None and copies[worst] >= 0.5:
        yield Finding(
            "symmetry",
            "medium" if _is_learned_well(e) else "high",
            f"{_share(copies[worst])} of the units of layer {worst} do what another one does: they "
            "have the same weights, and get the same gradient",
            ("model.init=he_normal",),
            {"copies": copies[worst]},
            worst,
        )
    rectified = (
        {
            part.name
            for part in e.config.model(_task(e)).parts
            if any(activation.traits.rectifies for activation in part.activations)
        }
        if e.splits is not None
        else set()
    )
    dead = {layer: e.last(f"activation_dead/{layer}") or 0.0 for layer in e.hidden}
    worst = max(dead, key=lambda layer: dead[layer], default=None)
    if worst is not None and dead[worst] >= 0.5 and worst in rectified:
        steps, values = e.series(f"activation_dead/{worst}")
        since = int(steps[int(np.argmax(values >= 0.5))])
        yield Finding(
            "dead_units",
            "high" if dead[worst] >= 0.9 else "medium",
            f"{_share(dead[worst])} of the units of layer {worst} give every row the same output "
            f"since step {since:,}: no gradient passes them, and they will not wake again",
            ("model.activation=leaky_relu", "model.init=he_normal", _lower_rate(e)),
            {"dead": dead[worst]},
            worst,
            since,
        )
    bounded = {layer: e.last(f"activation_saturated/{layer}") for layer in e.hidden}
    full = {layer: value for layer, value in bounded.items() if value is not None}
    worst = max(full, key=lambda layer: full[layer], default=None)
    if worst is not None and full[worst] >= 0.5 and not _is_learned_well(e):
        starts = e.first(f"activation_saturated/{worst}") or 0.0
        yield Finding(
            "saturation",
            "high" if starts >= 0.5 or not e.has_learned else "medium",
            f"{_share(full[worst])} of the outputs of layer {worst} are at a bound of their "
            "activation, where its slope is near 0: they hardly learn",
            ("model.init=xavier_normal", _lower_rate(e)),
            {"saturated": full[worst], "at_start": starts},
            worst,
        )


def _task(e: Evidence) -> Any:
    assert e.splits is not None
    return e.splits.task


def _covariate_shift(e: Evidence) -> Iterator[Finding]:
    worst, most = None, 0.0
    for layer in e.hidden:
        means, stds = e.series(f"z_mean/{layer}")[1], e.series(f"z_std/{layer}")[1]
        if len(means) < 4 or len(means) != len(stds):
            continue
        half = len(means) // 2
        drift = float(np.abs(np.diff(means[half:])).max() / max(stds[half:].mean(), 1e-12))
        if drift > most:
            worst, most = layer, drift
    if worst is not None and most > 1.0:
        yield Finding(
            "covariate_shift",
            "low" if e.has_learned else "medium",
            f"what layer {worst} is given moves by {most:.1f} standard deviations between two "
            "looks in the second half of the training: it learns for inputs that are soon others",
            ("model.batch_norm=true",),
            {"drift": most},
            worst,
        )


# --- The course of the training


def _rate(e: Evidence) -> Iterator[Finding]:
    costs = e.series("cost")[1]
    if len(costs) < 3:
        if e.info.get("status") == "diverged":
            yield _diverged(e)
        return
    ratios = [e.series(f"update_ratio/{layer}")[1] for layer in e.layers]
    usual = [float(np.median(r)) for r in ratios if len(r)]
    largest = max((float(r.max()) for r in ratios if len(r)), default=0.0)
    size = max(usual, default=0.0)
    start, end, least = float(costs[0]), float(costs[-1]), float(costs.min())
    if e.info.get("status") == "diverged":
        yield _diverged(e)
        return
    exploded = end > 3 * start and end > start + 1
    if exploded:
        yield Finding(
            "exploded_cost",
            "high",
            f"the training cost rose from {start:.4g} to {end:.4g} and stayed finite",
            (_lower_rate(e),),
            {"first_cost": start, "last_cost": end},
        )
    late = costs[len(costs) // 2 :]
    ups = np.diff(late)
    wobble = float(ups[ups > 0].sum() / max(start - least, 1e-12)) if len(ups) else 0.0
    too_high = (
        exploded
        or (largest > 0.5 and not e.has_learned)
        or (size > 0.05 and wobble > 0.5 and end > least + 0.1 * (start - least))
    )
    if too_high:
        yield Finding(
            "rate_too_high",
            "medium" if e.has_learned and not exploded else "high",
            f"a step changes weights by up to {_share(largest)} of their size (0.01 % to 1 % is "
            f"usual), and the cost {'rises' if exploded or end > start else 'goes up and down'}: "
            "the learning rate is too high",
            (_lower_rate(e),),
            {"largest_update_ratio": largest, "first_cost": start, "last_cost": end},
        )
        return
    if end >= start or not len(late):
        slow = size < 1e-5 and size > 0 and not e.has_learned
        if not slow:
            yield from _plateau(e, costs)
            return
    gained = start - end
    recent = float(costs[-max(len(costs) // 5, 2)] - end)
    train = e.errors.get("train")
    unfinished = train is not None and train.mean > max(_GAP, 0.05 * train.constant)
    if size < 1e-4 and unfinished and gained < 0.5 * start and recent > 0.02 * gained > 0:
        yield Finding(
            "rate_too_low",
            "medium" if e.has_learned else "high",
            f"a step changes weights by {_share(size)} of their size (0.01 % to 1 % is usual), and "
            f"the cost fell from {start:.4g} to {end:.4g} alone: the learning rate is too low",
            (_other_rate(e, 100),),
            {"update_ratio": size, "first_cost": start, "last_cost": end},
        )
    elif unfinished and recent > 0.1 * gained and recent > 0.02 * start and not _overfits(e):
        yield Finding(
            "still_improving",
            "medium",
            f"the training cost fell by {_share(recent / start)} of its start in the last fifth of "
            "the steps: it has not ended",
            (_longer(e),),
            {"recent_fall": recent, "first_cost": start, "last_cost": end},
            resumes=True,
        )
    else:
        yield from _plateau(e, costs)


def _overfits(e: Evidence) -> bool:
    costs = e.series("cost", "dev")[1]
    return bool(len(costs)) and not e.is_shared and float(costs[-1]) > 1.05 * float(costs.min())


def _plateau(e: Evidence, costs: np.ndarray) -> Iterator[Finding]:
    half = costs[len(costs) // 2 :]
    if e.has_learned or not len(half) or not e.errors:
        return
    moved = float((half.max() - half.min()) / max(abs(half.mean()), 1e-12))
    if moved < 0.02:
        yield Finding(
            "plateau",
            "medium",
            f"the training cost stays at {half.mean():.4g} in the second half of the training, and "
            "the network is hardly better than a constant answer",
            _healthy(e),
            {"cost": float(half.mean()), "moved": moved},
        )


def _diverged(e: Evidence) -> Finding:
    return Finding(
        "rate_too_high",
        "high",
        f"{e.info.get('reason') or 'the cost was not finite'}: a step was too large",
        (_lower_rate(e), "train.clip_norm=1"),
        step=e.info.get("steps"),
    )


def _lower_rate(e: Evidence) -> str:
    return _other_rate(e, 0.1)


def _other_rate(e: Evidence, factor: float) -> str:
    rate = e.config.optimizer.arguments().get("lr")
    given = rate if isinstance(rate, int | float) and rate else 0.01
    return f"optimizer.lr={min(given * factor, 0.1):.3g}"


def _longer(e: Evidence) -> str:
    train = e.config.train
    if train.steps is not None:
        return f"train.steps={3 * train.steps}"
    return f"train.epochs={3 * (train.epochs or 1)}"


# --- What comes out


def _outputs(e: Evidence) -> Iterator[Finding]:
    varies = e.last(f"between_rows/{e.layers[-1]}") if e.layers else None
    if varies is not None and varies < 1e-6 and e.errors:
        yield Finding(
            "constant_outputs",
            "high",
            f"the network answers every row alike: its outputs vary by {_number(varies)} between "
            "rows",
            _healthy(e),
            {"between_rows": varies},
            e.layers[-1],
        )
    if e.judged is None or e.is_shared:
        return
    errors = e.errors[e.judged]
    gap = errors.mean - errors.constant
    if gap > _SURE * math.sqrt(errors.variance) and gap > 0:
        yield Finding(
            "worse_than_baseline",
            "high",
            f"the error on {e.judged} rows, {_share(errors.mean)}, is above that of the best "
            f"constant answer, {_share(errors.constant)}",
            _lower(e),
            {"error": errors.mean, "baseline_error": errors.constant},
        )


def _lower(e: Evidence) -> tuple[str, ...]:
    return ("model.hidden=[]",) if e.config.model.name == "mlp" else (_lower_rate(e),)


def _calibration(e: Evidence) -> Iterator[Finding]:
    if e.judged is None or e.is_shared or e.judged not in e.said:
        return
    outputs, targets = e.said[e.judged]
    error, noise = calibration_error(outputs, targets)
    if len(targets) >= 50 and error > 0.08 + noise:
        sure, right = float(outputs.max(1).mean()), float(np.mean(outputs.argmax(1) == targets))
        yield Finding(
            "poor_calibration",
            "low",
            f"the network is sure of its answers by {_share(sure)} on the average, and right in "
            f"{_share(right)} of {e.judged} rows: do not read its outputs as probabilities",
            ("model.dropout=0.3",),
            {"calibration_error": error, "confidence": sure, "accuracy": right},
        )


def calibration_error(outputs: np.ndarray, targets: np.ndarray) -> tuple[float, float]:
    """Return the expected calibration error in ten bins, and what chance alone makes of it.

    ECE = sum over bins of n_b / N |right_b - sure_b|, with the share of right answers and the mean
    largest probability of a bin's rows. Outputs are (N, C) probabilities, targets (N,) classes.

    Reference:
        Guo, Pleiss, Sun and Weinberger (2017), On calibration of modern neural networks
    """
    sure = outputs.max(1)
    right = outputs.argmax(1) == targets
    bins = np.minimum((sure * 10).astype(int), 9)
    error = noise = 0.0
    for number in np.unique(bins):
        own = bins == number
        error += own.mean() * abs(right[own].mean() - sure[own].mean())
        noise += own.mean() * math.sqrt(
            max(sure[own].mean() * (1 - sure[own].mean()), 0) / own.sum()
        )
    return float(error), noise


# --- The data


def _data(e: Evidence) -> Iterator[Finding]:
    counts = np.array(e.task.get("class_counts") or [], float)
    if e.task.get("kind") in ("binary", "multiclass") and len(counts) > 1 and counts.sum() >= 20:
        share = float(counts.min() / counts.sum())
        if share < 0.5 / len(counts) * 0.4:
            classes = e.task.get("classes") or [str(number) for number in range(len(counts))]
            rare = int(counts.argmin())
            missed = _missed(e, rare)
            said = "" if missed is None else f"; {_share(missed)} of its rows are told wrong"
            yield Finding(
                "class_imbalance",
                "high" if (missed or 0) >= 0.9 else "medium" if (missed or 0) > 0.5 else "low",
                f"class {classes[rare]} has {_share(share)} of the training rows{said}: accuracy "
                "hardly counts it; look at recall and f1, and weigh the classes",
                ("model.loss={name: cross_entropy, class_weights: balanced}",)
                if e.config.model.arguments().get("loss") is not None
                else (),
                {"share": share} | ({} if missed is None else {"missed": missed}),
            )
    inputs = e.inputs
    if inputs is None or len(inputs) < 10:
        return
    stds = inputs.std(0, dtype=np.float64)
    is_image = len(e.task.get("input_shape") or ()) > 1
    constant = int((stds == 0).sum())
    if constant == len(stds):
        yield Finding(
            "constant_inputs",
            "high",
            "all inputs are the same in every training row",
            (),
            {"inputs": constant},
        )
    elif constant and not is_image:
        yield Finding(
            "constant_inputs",
            "low",
            f"{constant} of {len(stds)} inputs are the same in every training row and say nothing",
            (),
            {"inputs": constant},
        )
    sized = stds[stds > 0]
    if len(sized):
        largest = float(max(sized.max(), np.abs(inputs.mean(0)).max()))
        apart = sized.max() / np.median(sized) > 1000 and not is_image
        if largest > 30 or apart or largest < 0.01:
            yield Finding(
                "unscaled_inputs",
                "medium" if e.has_learned else "high",
                f"the inputs reach sizes of {_number(largest)} (standard deviations from "
                f"{_number(float(sized.min()))} to {_number(float(sized.max()))}): weights and "
                "rates are made for sizes near 1",
                ("data.scale=false", "data.standardize=true"),
                {
                    "largest": largest,
                    "least_std": float(sized.min()),
                    "largest_std": float(sized.max()),
                },
            )


def _leaks(e: Evidence) -> Iterator[Finding]:
    """An input that tells the target by itself, and rows that were trained on."""
    column, known = e.leak
    if column is not None:
        yield Finding(
            "leaking_column",
            "high",
            f"input {column} alone tells {_share(known)} of what there is to predict: it may hold "
            "the answer, which new rows will not have",
            (),
            {"told": known},
        )
    copied = e.copied
    if copied is not None and copied[0] >= 3 and copied[0] > 0.05 * copied[1]:
        yield Finding(
            "duplicate_rows",
            "medium" if copied[0] > 0.2 * copied[1] else "low",
            f"{copied[0]} of {copied[1]} {e.judged} rows are training rows too, value for value: "
            "they show what was remembered",
            (),
            {"copied": copied[0], "rows": copied[1]},
        )


def _missed(e: Evidence, number: int) -> float | None:
    part = e.judged or ("train" if "train" in e.said else None)
    if part is None or part not in e.said:
        return None
    outputs, targets = e.said[part]
    own = targets == number
    return float(np.mean(outputs[own].argmax(1) != number)) if own.any() else None


def _labels(e: Evidence) -> Iterator[Finding]:
    """Rows that the network, which did not see them, is sure are of another class."""
    if e.judged is None or e.is_shared or e.judged not in e.said:
        return
    part = e.judged
    outputs, targets = e.said[part]
    if len(targets) < 50 or e.errors[part].mean > 0.3:
        return
    own = outputs[np.arange(len(targets)), targets]
    wrong = (outputs.max(1) > 0.99) & (own < 0.005)
    share = float(wrong.mean())
    sure = outputs.max(1) > 0.99
    expected = float((1 - outputs.max(1)[sure]).sum() / len(targets))
    if wrong.sum() >= 3 and share > 0.02 and share > 5 * expected:
        yield Finding(
            "wrong_labels",
            "medium" if share > 0.04 else "low",
            f"of {int(wrong.sum())} {part} rows the network is sure that their class is another "
            "one: look at their labels; `dlx predict` lists them",
            (),
            {"rows": int(wrong.sum()), "share": share},
        )


def _share(value: float) -> str:
    return f"{100 * value:.3g} %"


def _points(value: float) -> str:
    return f"{100 * value:.1f} points"


def _number(value: float) -> str:
    return f"{value:.2g}"


_RULES: Sequence[Callable[[Evidence], Iterator[Finding]]] = (
    _bias,
    _variance,
    _few_rows,
    _signals,
    _units,
    _covariate_shift,
    _rate,
    _outputs,
    _calibration,
    _data,
    _leaks,
    _labels,
)
