"""What a linear model makes of the same rows: what a network of a table has to beat, too.

# N rows, I inputs, C classes, T targets
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from dlx.config.types import Choice
from dlx.data.parts import Part, Splits
from dlx.denormals import flushed_denormals
from dlx.training.baseline import measured

MOST_ROWS = 20_000  # that it is fitted on: more hardly change it
FEWEST_ROWS = 20
_MOST_INPUTS = 2_000

Answers = Callable[[np.ndarray], np.ndarray]


@flushed_denormals()
def fitted(inputs: np.ndarray, targets: np.ndarray, are_classes: bool) -> Answers | None:
    """Return what a linear model answers to inputs, once it is fitted on rows; None: it cannot be.

    Of classes it is logistic regression with scikit-learn's penalty, which answers with the
    probabilities (N, C); of numbers it is ridge regression, (N, T). Inputs are (N, I), targets (N,)
    class numbers or (N, T).
    """
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, Ridge

    if not are_classes:
        ridge = Ridge(1.0).fit(inputs, targets)
        return lambda rows: ridge.predict(rows).reshape(len(rows), -1)
    classes = np.unique(targets)
    if len(classes) < 2:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model: Any = LogisticRegression(max_iter=200).fit(inputs, targets)
    return model.predict_proba


def of_part(part: Part, task_classes: Sequence[object] | None) -> Answers | None:
    """Return what a linear model that is fitted on a part's rows answers; None: it cannot be."""
    if part.own_targets is None or len(part) < FEWEST_ROWS:
        return None
    return fitted(part.inputs.numpy(), part.own_targets.numpy(), task_classes is not None)


def linear_model(splits: Splits, metrics: Sequence[Choice]) -> Mapping[str, Mapping[str, float]]:
    """Return the metrics of a linear model fitted on training rows, by split and tag.

    It is empty for what is no table, for labels, for very many inputs, and for too few rows.
    """
    task, parts = splits.task, {name: part.to("cpu") for name, part in splits.parts.items()}
    train = parts["train"]
    is_table = splits.encoder is not None and task.num_inputs <= _MOST_INPUTS
    if not is_table or task.kind not in ("binary", "multiclass", "regression"):
        return {}
    step = -(-len(train) // MOST_ROWS)
    model = of_part(train.picked(np.arange(0, len(train), step)), task.classes)
    num_classes = len(task.classes or ())
    if model is None or (num_classes and len(train.targets.unique()) < num_classes):
        return {}

    def answers(part: Part, width: int) -> torch.Tensor:
        outputs = np.asarray(model(part.inputs.numpy()), float)
        return torch.from_numpy(outputs[:, -width:])

    return measured(task, parts, metrics, answers)
