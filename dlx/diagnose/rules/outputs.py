"""What a network answers: alike for all rows, too surely, worse than a constant, other labels.

# N rows, C classes
"""

import math
from collections.abc import Iterator

import numpy as np

from dlx.diagnose.evidence import Evidence
from dlx.diagnose.rules.finding import Finding, percent, short
from dlx.diagnose.rules.remedies import simpler, sound_start, surer

_SURE = 2.0  # standard errors by which an error has to exceed another one
_LINEAR_GAP = 0.02  # by which it has to exceed that of a linear model
_AUC_GAP = 0.03  # likewise


def answers(e: Evidence) -> Iterator[Finding]:
    """Whether all rows get the same answer, or a constant one would be better."""
    varies = e.output_variance
    if varies is not None and e.is_constant and e.errors:
        yield Finding(
            "constant_outputs",
            "high",
            f"the network answers every row alike: its outputs vary by {short(varies)} between "
            f"rows{_beside_threshold(e)}",
            sound_start(e),
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
            f"the error on {e.judged} rows, {percent(errors.mean)}, is above that of the best "
            f"constant answer, {percent(errors.constant)}",
            simpler(e),
            {"error": errors.mean, "baseline_error": errors.constant},
        )


def beside_linear(e: Evidence) -> Iterator[Finding]:
    """Whether a linear model does better on the judged rows of a table."""
    if e.linear is None or e.judged is None or e.splits is None or e.is_shared:
        return
    errors, targets = e.errors[e.judged], e.targets_of(e.judged)
    if e.splits.task.classes is None:
        squares = np.square(e.linear - targets).mean(1)
        scale = max(float(np.square(targets - targets.mean(0)).mean()), 1e-300)
        others = squares / scale
    else:
        others = (e.linear.argmax(1) != targets).astype(float)
    gaps = errors.rows - others
    gap, noise = float(gaps.mean()), float(gaps.std()) / math.sqrt(len(gaps))
    evidence = {"error": errors.mean, "linear_error": float(others.mean())}
    words = f"the error on {e.judged} rows, {percent(errors.mean)}, is above that of a linear model"
    words += f", {percent(evidence['linear_error'])}"
    is_worse = gap > max(_LINEAR_GAP, _SURE * noise)
    if not is_worse and e.judged in e.said and e.linear.shape[1] == 2:
        from sklearn.metrics import roc_auc_score

        if 0 < targets.mean() < 1:
            own = float(roc_auc_score(targets, e.said[e.judged][0][:, 1]))
            linear = float(roc_auc_score(targets, e.linear[:, 1]))
            rare = min(int(targets.sum()), int(len(targets) - targets.sum()))
            is_worse = linear - own > max(_AUC_GAP, math.sqrt(linear * (1 - linear) / rare))
            evidence = {"auc": own, "linear_auc": linear}
            words = f"the AUC on {e.judged} rows, {own:.3f}, is below that of a linear model"
            words += f", {linear:.3f}"
    if is_worse:
        yield Finding(
            "worse_than_baseline",
            "medium",
            f"{words}, which was fitted on the same rows: the hidden layers are not worth it yet",
            simpler(e),
            evidence,
        )


def _beside_threshold(e: Evidence) -> str:
    """Return where the answers lie that say which of two classes a training row is of."""
    outputs = e.said["train"][0] if "train" in e.said else np.empty((0, 0))
    if outputs.shape[1] != 2:
        return ""
    low, high = float(outputs[:, 1].min()), float(outputs[:, 1].max())
    digits = min(int(-math.log10(max(high - low, 1e-7))), 7)
    decides = (
        "at the threshold 0.5: their last digits decide which rows are right,"
        if low - 1e-7 < 0.5 < high + 1e-7
        else "on one side of the threshold 0.5: all rows get the same class, right for"
    )
    return (
        f"; {len(outputs):,} training rows get {low:.7f} to {high:.7f}, equal to {digits} digits, "
        f"{decides} {percent(1 - e.errors['train'].mean)} of them"
    )


def calibration(e: Evidence) -> Iterator[Finding]:
    """Whether probabilities are those of being right."""
    if e.judged is None or e.is_shared or e.judged not in e.said:
        return
    outputs, targets = e.said[e.judged]
    error, noise = calibration_error(outputs, targets)
    if len(targets) >= 50 and error > 0.08 + noise:
        sure, right = float(outputs.max(1).mean()), float(np.mean(outputs.argmax(1) == targets))
        yield Finding(
            "poor_calibration",
            "low",
            f"the network is sure of its answers by {percent(sure)} on the average, and right in "
            f"{percent(right)} of {e.judged} rows: do not read its outputs as probabilities",
            ("model.dropout=0.3",) if sure > right else surer(e),
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


def labels(e: Evidence) -> Iterator[Finding]:
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
