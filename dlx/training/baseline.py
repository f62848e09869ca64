"""What a network has to beat: the same answer for every row, found in the training rows alone.

# N rows, C classes, labels or targets
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from dlx.config.types import Choice, choice
from dlx.data.dataset import Task
from dlx.data.parts import Part
from dlx.models.heads import build_head
from dlx.nn.head import Head
from dlx.nn.metrics import Measurement


def baseline(
    task: Task, train: Tensor, parts: Mapping[str, Part], metrics: Sequence[Choice]
) -> dict[str, dict[str, float]]:
    """Return the metrics of the best constant answer to the rows of `parts`, by split and tag.

    `train` are the targets of the training rows.

    Classes are judged by their shares of the training rows, so that the majority class is the
    answer (as scikit-learn's `DummyClassifier(strategy="prior")`), labels likewise, and numbers by
    the mean of the training targets. There is no cost, which depends on the network's loss.
    """
    head = _head(task, train.device)
    # Added up along a row of memory, as r2 does, so that r2 is exactly 0 in the training rows.
    answer = head.encode(train).double().T.contiguous().mean(1)
    return measured(task, parts, metrics, lambda part, _: answer.expand(len(part), -1))


def measured(
    task: Task,
    parts: Mapping[str, Part],
    metrics: Sequence[Choice],
    answers: Callable[[Part, int], Tensor],
) -> dict[str, dict[str, float]]:
    """Return the metrics of answers to the rows of parts, by split and tag.

    `answers(part, width)` gives numbers, or the probabilities of classes, in so many columns as the
    encoded targets have.
    """
    by_part = {}
    for name, part in parts.items():
        head = _head(task, part.targets.device)
        targets = head.encode(part.targets).unsqueeze(0)
        measurement = Measurement(head, metrics)
        measurement.add(answers(part, targets.shape[2]).unsqueeze(0), targets)
        values = measurement.results(len(part), lambda own=targets: own)
        by_part[name] = {tag: value.item() for tag, value in values.items()}
    return by_part


def _head(task: Task, device: torch.device) -> Head:
    # Of outputs that are answers themselves and of targets in columns, the mean serves every task.
    return build_head(task, choice("activation", "identity"), "mse").to(torch.float64, device)


def training_targets(task: Task) -> Tensor | None:
    """Return targets with the shares, or the mean, of those of the training rows.

    None: the task does not hold them, as where inputs are reconstructed, or numbers are trained on
    as they are.
    """
    counts = torch.tensor(task.class_counts)
    if task.kind == "multilabel":
        return (torch.arange(task.num_train).unsqueeze(1) < counts).long()
    if task.classes is not None:
        return torch.repeat_interleave(torch.arange(len(counts)), counts)
    if task.kind == "regression" and task.target_scale:
        return torch.zeros(1, task.num_outputs)  # z-scores, whose mean is 0
    return None
