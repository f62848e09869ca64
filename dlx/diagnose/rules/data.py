"""The data: rare classes, inputs that say nothing or too much, rows that were trained on."""

from collections.abc import Iterator

import numpy as np

from dlx.diagnose.evidence import Evidence
from dlx.diagnose.rules.finding import Finding, percent, short


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
            (),
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


def _missed(e: Evidence, number: int) -> float | None:
    part = e.judged or ("train" if "train" in e.said else None)
    if part is None or part not in e.said:
        return None
    outputs, targets = e.said[part]
    own = targets == number
    return float(np.mean(outputs[own].argmax(1) != number)) if own.any() else None
