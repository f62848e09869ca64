"""Cost and accuracy of every run on a whole split, in evaluation mode.

# K runs, N rows, I inputs
"""

import torch
from torch import Tensor

from dlx.cohort import Cohort
from dlx.nn.passes import Pass

# Fixed, whatever the number of runs, so that a run's metrics have the same bits alone and together.
CHUNK = 1024


@torch.no_grad()
def evaluate(cohort: Cohort, inputs: Tensor, targets: Tensor) -> dict[str, list[float]]:
    """Return every run's `cost` and, for classes, `accuracy` on the rows, a value per run each.

    Dropout is off and batch norm uses its running statistics.

    Args:
        cohort: K runs
        inputs: (N, I), shared by the runs
        targets: as the head encodes them, (N,) or (N, C)
    """
    num_runs = cohort.network.num_runs
    cost = torch.zeros(num_runs, dtype=torch.float64, device=cohort.device)
    correct = torch.zeros_like(cost)
    for x, t in zip(inputs.split(CHUNK), targets.split(CHUNK), strict=True):
        t = t.expand(num_runs, *t.shape)
        z = cohort.network.forward(x.expand(num_runs, *x.shape), Pass())
        cost += cohort.head.cost(z, t).to(torch.float64) * len(x)
        right = cohort.head.correct(z, t)
        if right is not None:
            correct += right
    metrics = {"cost": (cost / len(inputs)).tolist()}
    if cohort.head.kind != "regression":
        metrics["accuracy"] = (correct / len(inputs)).tolist()
    return metrics


@torch.no_grad()
def predict(cohort: Cohort, inputs: Tensor) -> Tensor:
    """Return every run's outputs, probabilities under softmax or sigmoid: (K, N, C)."""
    num_runs = cohort.network.num_runs
    chunks = [
        cohort.head.outputs(cohort.network.forward(x.expand(num_runs, *x.shape), Pass()))
        for x in inputs.split(CHUNK)
    ]
    return torch.cat(chunks, 1)
