"""Trained networks on the run axis, to be evaluated or to predict."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from dlx.cohort import Cohort, Member
from dlx.config.types import Choice, choice
from dlx.data.parts import Part
from dlx.models.design import Design
from dlx.models.plain import from_torch
from dlx.training.evaluation import evaluate


def stack(
    networks: Sequence[tuple[Design, Mapping[str, Tensor]]],
    metrics: tuple[Choice, ...],
    seeds: Sequence[int] | None = None,
) -> Cohort:
    """Return trained networks of equal shapes as one cohort on the CPU, in their order.

    Weights are by the names of the plain torch network; seeds are of what evaluations draw.
    """
    seeds = seeds or [0] * len(networks)
    # Nothing is trained: the optimizer is the one without a state.
    optimizer = choice("optimizer", "sgd")
    members = [
        Member(str(place), seed, design, optimizer, num_steps=0, evaluate_every=1, metrics=metrics)
        for place, ((design, _), seed) in enumerate(zip(networks, seeds, strict=True))
    ]
    cohort = Cohort(members, batch_size=1)
    for row, (design, tensors) in enumerate(networks):
        cohort.network.load_run(row, from_torch(design, dict(tensors)))
    return cohort


def evaluate_parts(cohort: Cohort, parts: Mapping[str, Part]) -> list[dict[str, dict[str, float]]]:
    """Return the metrics of every network of a cohort, by split and tag."""
    metrics = {
        name: evaluate(cohort, part.inputs, cohort.head.encode(part.targets))
        for name, part in parts.items()
    }
    return [
        {
            name: {metric: by_run[row] for metric, by_run in values.items()}
            for name, values in metrics.items()
        }
        for row in range(len(cohort.members))
    ]
