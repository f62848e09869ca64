"""The rows and classes that a run tells wrong, and labels that are likely wrong."""

from pathlib import Path
from typing import Any

from dlx.api.run import Run
from dlx.diagnose.evidence import Evidence
from dlx.diagnose.mistakes import calibration_bins, calibration_error, confident, suspects
from dlx.diagnose.mistakes import worst_classes as worst
from dlx.report.predictions import Predictions

MOST_MISTAKES = 10
_MOST_SUSPECTS = 20
_MOST_CLASSES = 5


def mistakes(run: Run, e: Evidence, data_dir: Path | str | None = None) -> dict[str, Any]:
    """Return what a run tells wrong, as JSON has it; each list is empty where there is nothing.

    - `worst_classes`: class, rows, missed (the share that is told wrong), taken_for
    - `confident_mistakes`: part, row, the inputs that have names, target, predicted, and p, the
      probability of what is predicted; of numbers the largest errors
    - `wrong_labels`: part, row, inputs, target, likely, and p, the probability of the likely class
    - `calibration`: the expected error and, of each tenth of the probabilities, low, rows, sure
      and right; None where there are no probabilities of classes
    """
    classes = run.task.classes or ()
    told = e.said.get(e.judged or "train")
    listed: dict[str, Any] = {"worst_classes": [], "confident_mistakes": [], "wrong_labels": []}
    if told is not None:
        listed["worst_classes"] = [
            row | {key: classes[row[key]] for key in ("class", "taken_for")}
            for row in worst(*told, _MOST_CLASSES)
        ]
    if (wrong := confident(e, MOST_MISTAKES)) is not None:
        part, places = wrong
        predictions = run.predict_split(part, data_dir, e.splits, places)
        listed["confident_mistakes"] = [{"part": part, **row} for row in rows_of(predictions)]
    for group in suspects(e):
        predictions = run.predict_split(group.part, data_dir, e.splits, group.rows[:_MOST_SUSPECTS])
        for row, likely, p in zip(rows_of(predictions), group.likely, group.sure, strict=False):
            own = {name: value for name, value in row.items() if name not in ("predicted", "p")}
            more = {"likely": classes[likely], "p": float(p)}
            listed["wrong_labels"].append({"part": group.part, **own, **more})
    listed["calibration"] = told and {
        "error": calibration_error(*told)[0],
        "bins": [b._asdict() for b in calibration_bins(*told)],
    }
    return listed


def rows_of(predictions: Predictions) -> list[dict[str, Any]]:
    """Return rows as mappings, of the probabilities of classes that of the predicted one alone."""
    rows = []
    for row in predictions.records():
        names = list(row)
        if (sure := row.get(f"p({row.get('predicted')})")) is not None:
            row = {name: row[name] for name in names[: names.index("predicted") + 1]} | {"p": sure}
        rows.append(row)
    return rows
