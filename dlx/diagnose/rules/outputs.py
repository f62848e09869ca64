"""What a network answers: alike for all rows, too surely, worse than a constant, other labels.

# N rows, C classes
"""

import math
from collections.abc import Iterator

import numpy as np

from dlx.diagnose.evidence import Evidence
from dlx.diagnose.mistakes import calibration_error, suspects
from dlx.diagnose.rules.finding import Finding, percent, short
from dlx.diagnose.rules.remedies import against_variance, simpler, sound_start, surer

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


def labels(e: Evidence) -> Iterator[Finding]:
    """Rows that are likely of another class than their labels say, see `suspects`."""
    for group in suspects(e):
        share = len(group.rows) / group.of
        listed = "look at their labels: `dlx diagnose` lists them"
        evidence = {"rows": len(group.rows), "share": share}
        if group.errors is None:
            yield Finding(
                "wrong_labels",
                "medium" if share > 0.04 else "low",
                f"of {len(group.rows)} {group.part} rows the network is sure that their class is "
                f"another one; {listed}",
                (),
                evidence,
            )
            continue
        own, others = group.errors
        yield Finding(
            "wrong_labels",
            "medium",
            f"the error of {group.by}, fitted on other rows, is {percent(own)} on training "
            f"rows and {percent(others)} on {e.judged} rows: labels of training rows are wrong, "
            f"likely those of {len(group.rows)} of {group.of:,}; {listed}",
            against_variance(e),
            evidence | {"train_error": own, f"{e.judged}_error": others},
        )
