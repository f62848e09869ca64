"""What a linear model makes of the same rows: what a network of a table has to beat, too.

# N rows, I inputs, C classes, T targets
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from dlx.config.types import Choice
from dlx.data.dataset import Task
from dlx.data.parts import Part, Splits
from dlx.denormals import flushed_denormals
from dlx.training.baseline import measured

MOST_ROWS = 20_000  # that it is fitted on: more hardly change it
FEWEST_ROWS = 20  # that it is worth fitting on
_MOST_INPUTS = 2_000

Answers = Callable[[np.ndarray], np.ndarray]


def one_thread() -> threadpool_limits:
    """Return a block in which NumPy and SciPy compute products by one thread.

    Fitting a linear model is hundreds of small ones. Two threads that wait for each other in every
    one of them are slower, fifty times so where another program uses a core; and the last bits
    depend on their number.
    """
    return threadpool_limits(1, user_api="blas")


@flushed_denormals()
def fitted(inputs: np.ndarray, targets: np.ndarray, are_classes: bool) -> Answers | None:
    """Return what a linear model answers to inputs, once it is fitted on rows; None: it cannot be.

    Of classes it is logistic regression with scikit-learn's penalty, which answers with the
    probabilities (N, C); of numbers it is ridge regression, (N, T). Inputs are (N, I), targets (N,)
    class numbers or (N, T).
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, Ridge

    if are_classes and len(np.unique(targets)) < 2:
        return None
    model: Any = LogisticRegression(max_iter=200) if are_classes else Ridge(1.0)
    with warnings.catch_warnings(), one_thread():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(inputs, targets)
    if are_classes:
        return model.predict_proba
    return lambda rows: model.predict(rows).reshape(len(rows), -1)


def of_part(part: Part, task: Task) -> Answers | None:
    """Return what a linear model that is fitted on a part's rows answers.

    None: it cannot be, as where a class of the task has none of the rows.
    """
    if part.own_targets is None or len(part) < FEWEST_ROWS:
        return None
    targets, classes = part.own_targets.numpy(), task.classes
    if classes is not None and len(np.unique(targets)) < len(classes):
        return None
    return fitted(part.inputs.numpy(), targets, classes is not None)


def linear_model(splits: Splits, metrics: Sequence[Choice]) -> Mapping[str, Mapping[str, float]]:
    """Return the metrics of a linear model fitted on training rows, by split and tag.

    It is empty for what is no table, for labels, for very many inputs, and for too few rows.
    """
    task = splits.task
    is_table = splits.encoder is not None and task.num_inputs <= _MOST_INPUTS
    if not is_table or task.kind not in ("binary", "multiclass", "regression"):
        return {}
    parts = {name: part.to("cpu") for name, part in splits.parts.items()}
    train = parts["train"]
    step = -(-len(train) // MOST_ROWS)
    model = of_part(train.picked(np.arange(0, len(train), step)), task)
    if model is None:
        return {}

    def answers(part: Part, width: int) -> torch.Tensor:
        outputs = np.asarray(model(part.inputs.numpy()), float)
        return torch.from_numpy(outputs[:, -width:])

    return measured(task, parts, metrics, answers)
