"""The data: rare classes, inputs that say nothing or too much, rows that were trained on."""

from collections.abc import Iterator

import numpy as np

from dlx.config.dump import inline
from dlx.diagnose.evidence import Evidence
from dlx.diagnose.rules.bias_variance import variance
from dlx.diagnose.rules.finding import Finding, percent, short

_MOVED = 0.5  # standard deviations by which means are apart
_SURELY = 6.0  # standard errors of their difference


def classes_and_inputs(e: Evidence) -> Iterator[Finding]:
    """Whether a class is rare, and whether inputs are constant or of odd sizes."""
    counts = np.array(e.task.get("class_counts") or [], float)
    if e.task.get("kind") in ("binary", "multiclass") and len(counts) > 1 and counts.sum() >= 20:
        share = float(counts.min() / counts.sum())
        if share < 0.5 / len(counts) * 0.4:
            classes = e.task.get("classes") or [str(number) for number in range(len(counts))]
            rare = int(counts.argmin())
            missed = _missed(e, rare)
            said = "" if missed is None else f"; {percent(missed)} of its rows are told wrong"
            yield Finding(
                "class_imbalance",
                "high" if (missed or 0) >= 0.9 else "medium" if (missed or 0) > 0.5 else "low",
                f"class {classes[rare]} has {percent(share)} of the training rows{said}: accuracy "
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
                f"the inputs reach sizes of {short(largest)} (standard deviations from "
                f"{short(float(sized.min()))} to {short(float(sized.max()))}): weights and "
                "rates are made for sizes near 1",
                ("data.scale=false", "data.standardize=true"),
                {
                    "largest": largest,
                    "least_std": float(sized.min()),
                    "largest_std": float(sized.max()),
                },
            )


def leaks(e: Evidence) -> Iterator[Finding]:
    """An input that tells the target by itself, and rows that were trained on."""
    column, known, is_all = e.leak
    if column is not None:
        yield Finding(
            "leaking_column",
            "high" if is_all else "medium",
            f"input {column} alone tells {percent(known)} of what there is to predict"
            f"{'' if is_all else ', and no other one half as much'}: it may hold the answer, which "
            "new rows will not have",
            _without(e, column),
            {"told": known},
        )
    copied, rows = e.copied
    if copied >= 3 and copied > 0.05 * rows:
        yield Finding(
            "duplicate_rows",
            "medium" if copied > 0.2 * rows else "low",
            f"{copied} of {rows} {e.judged} rows are training rows too, value for value: "
            "they show what was remembered",
            (),
            {"copied": copied, "rows": rows},
        )


def _without(e: Evidence, feature: str) -> tuple[str, ...]:
    """Return the change that leaves out the column of a table that an input is made of."""
    encoder, ignored = e.splits and e.splits.encoder, e.config.data.arguments().get("ignore")
    if encoder is None or ignored is None:
        return ()
    name = next(column.name for column in encoder.columns if feature in column.features)
    return (f"data.ignore={inline([*ignored, name])}",)


def other_inputs(e: Evidence) -> Iterator[Finding]:
    """Whether an input of a table is distributed otherwise in the judged rows."""
    inputs, others = e.inputs, e.judged_inputs
    if e.is_shared or inputs is None or others is None or min(len(inputs), len(others)) < 30:
        return
    is_mismatch = any(found.name == "data_mismatch" for found in variance(e))
    if len(e.task.get("input_shape") or ()) != 1 or is_mismatch:
        return
    means, variances = zip(*((x.mean(0), x.var(0)) for x in (inputs, others)), strict=True)
    apart = np.abs(means[1] - means[0])
    noise = np.sqrt(variances[0] / len(inputs) + variances[1] / len(others))
    moved = (apart > _MOVED * np.sqrt(variances[0])) & (apart > _SURELY * noise) & (noise > 0)
    if moved.any():
        worst = int(np.argmax(np.where(moved, apart / np.sqrt(variances[0] + 1e-12), 0.0)))
        size = float(apart[worst] / np.sqrt(variances[0][worst] + 1e-12))
        features = e.splits.features if e.splits is not None else None
        name = features[worst] if features else f"x{worst + 1}"
        yield Finding(
            "data_mismatch",
            "low",
            f"the mean of input {name} is {size:.1f} standard deviations away in {e.judged} rows: "
            "these are of another kind than training rows, though they are told as well",
            (),
            {"moved": size, "inputs": int(moved.sum())},
        )


def _missed(e: Evidence, number: int) -> float | None:
    part = e.judged or ("train" if "train" in e.said else None)
    if part is None or part not in e.said:
        return None
    outputs, targets = e.said[part]
    own = targets == number
    return float(np.mean(outputs[own].argmax(1) != number)) if own.any() else None
