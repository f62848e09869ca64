"""Cost and metrics of every run on a whole split, in evaluation mode.

# K runs, N rows, I inputs
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from dlx import registry
from dlx.cohort import Cohort
from dlx.data.batches import for_each_run, num_rows
from dlx.nn.metrics import CONFUSION, CORRUPTED, Measurement, Rows, tag
from dlx.nn.network import Network
from dlx.nn.passes import Pass

# Fixed, whatever the number of runs, so that a run's metrics have the same bits alone and together.
CHUNK = 1024


@torch.no_grad()
def evaluate(cohort: Cohort, inputs: Tensor, targets: Tensor) -> dict[str, list[float]]:
    """Return every run's `cost`, and all that is measured of any run of the cohort, on the rows.

    Dropout is off and batch norm uses its running statistics. Inputs are as they are; where runs
    corrupt them in training, cost and metrics are found on corrupted inputs too, under their names
    with `corrupted_` before: the same corruption at every evaluation.

    Args:
        cohort: K runs
        inputs: (N, I), shared by the runs, or (K, N, I)
        targets: as the head encodes them, (N,) or (N, C), or each run's own

    Returns:
        by tag, a value per run each
    """
    values = _measured(cohort, inputs, targets)
    if cohort.network.corruption.present:
        corrupted = _measured(cohort, inputs, targets, corrupted=True)
        values |= {f"{CORRUPTED}{name}": each for name, each in corrupted.items()}
    # In one: on CUDA, taking values over waits for the device.
    return dict(zip(values, torch.stack(list(values.values())).tolist(), strict=True))


def _measured(
    cohort: Cohort, inputs: Tensor, targets: Tensor, *, corrupted: bool = False
) -> dict[str, Tensor]:
    """Return cost, metrics and, of inputs as they are, what layers measure, by tag: (K,) each."""
    num_runs = cohort.network.num_runs
    cost = torch.zeros(num_runs, dtype=torch.float64, device=cohort.device)
    names = () if corrupted else cohort.measures
    measures = {name: torch.zeros_like(cost) for name in names}
    measurement = Measurement(cohort.head, cohort.metrics)
    shared, count = inputs.ndim == 2, num_rows(inputs)
    chunks = zip(inputs.split(CHUNK, -2), targets.split(CHUNK, 0 if shared else 1), strict=True)
    for number, (x, t) in enumerate(chunks):
        how = Pass(measured={})
        if corrupted:
            how = Pass(batch_size=CHUNK, corrupted_chunk=number)
        z = cohort.network.forward(for_each_run(x, num_runs, shared=shared), how)
        costs = how.cost(cohort.head.cost(z, for_each_run(t, num_runs, shared=shared)))
        cost += costs.to(torch.float64) * num_rows(x)
        for name, sums in measures.items():
            assert how.measured is not None
            sums += how.measured[name].to(torch.float64) * num_rows(x)
        measurement.add(z, t)
    means = {name: sums / count for name, sums in measures.items()}
    return {"cost": cost / count, **measurement.results(targets), **means}


def asked(cohort: Cohort) -> dict[str, list[bool]]:
    """Return which runs ask for what is measured, by tag, in an order that others do not change."""
    order = registry.names("metric")
    tags = map(tag, sorted(cohort.metrics, key=lambda each: (order.index(each.name), tag(each))))
    names = ["cost", *tags]
    measured = [set(member.measured) for member in cohort.members]
    possible = [*names, *cohort.measures, *(f"{CORRUPTED}{name}" for name in names)]
    wanted = {name: [name in its for its in measured] for name in possible}
    return {name: asking for name, asking in wanted.items() if any(asking)}


def thinned(examples: tuple[Tensor, Tensor], most: int) -> tuple[Tensor, Tensor]:
    """Return at most so many rows, at even distances; the same object where there are no more."""
    inputs, targets = examples
    count = num_rows(inputs)
    if count <= most:
        return examples
    rows = (torch.arange(most, device=inputs.device) * (count / most)).long()
    axis = inputs.ndim - 2
    return inputs.index_select(axis, rows), targets.index_select(axis, rows)


def evaluate_all(
    cohort: Cohort, splits: Mapping[str, tuple[Tensor, Tensor]]
) -> dict[str, dict[str, list[float]]]:
    """Return the metrics of every split; splits of the same rows are evaluated once."""
    found: dict[int, dict[str, list[float]]] = {}
    for examples in splits.values():
        if id(examples) not in found:
            found[id(examples)] = evaluate(cohort, *examples)
    return {split: found[id(examples)] for split, examples in splits.items()}


@torch.no_grad()
def confusion(cohort: Cohort, inputs: Tensor, targets: Tensor) -> Tensor:
    """Return every run's number of rows by true class and said class: (K, C, C) int64.

    Of labels that may hold together (K, T, 2, 2), whether each holds and is said to.

    Args:
        cohort: K runs that tell classes apart
        inputs: (N, I)
        targets: as the head encodes them
    """
    num_runs = cohort.network.num_runs
    counts = [
        CONFUSION.find(
            cohort.network.forward(x.expand(num_runs, *x.shape), Pass()), Rows(cohort.head, t)
        )
        for x, t in zip(inputs.split(CHUNK), targets.split(CHUNK), strict=True)
    ]
    return CONFUSION.join(counts)


@torch.no_grad()
def predict(cohort: Cohort, inputs: Tensor) -> Tensor:
    """Return every run's outputs, probabilities under softmax or sigmoid: (K, N, C)."""
    num_runs = cohort.network.num_runs
    chunks = [
        cohort.head.outputs(cohort.network.forward(x.expand(num_runs, *x.shape), Pass()))
        for x in inputs.split(CHUNK)
    ]
    return torch.cat(chunks, 1)


@torch.no_grad()
def corrupted(network: Network, inputs: Tensor) -> Tensor:
    """Return every run's inputs as `evaluate` corrupts them: (K, N, I), bit for bit.

    Args:
        network: of K runs
        inputs: (N, I)
    """
    chunks = [
        network.corruption.forward(
            x.expand(network.num_runs, *x.shape), Pass(batch_size=CHUNK, corrupted_chunk=number)
        )
        for number, x in enumerate(inputs.split(CHUNK))
    ]
    return torch.cat(chunks, 1)


@torch.no_grad()
def encode(network: Network, inputs: Tensor, layer: str) -> Tensor:
    """Return every run's outputs of a layer, in evaluation mode: (K, N, O).

    Args:
        network: of K runs
        inputs: (N, I), shared by the runs, or (K, N, I)
        layer: name of one of the layers that the networks are made of
    """
    num_runs, shared = network.num_runs, inputs.ndim == 2
    chunks = [
        network.encode(for_each_run(x, num_runs, shared=shared), layer)
        for x in inputs.split(CHUNK, -2)
    ]
    return torch.cat(chunks, 1)


@torch.no_grad()
def decode(cohort: Cohort, codes: Tensor, layer: str) -> Tensor:
    """Return every run's outputs, given those of a layer: (K, N, O) to (K, N, C).

    `predict` is this after `encode`, bit for bit.
    """
    chunks = [cohort.network.decode(values, layer) for values in codes.split(CHUNK, 1)]
    return torch.cat([cohort.head.outputs(z) for z in chunks], 1)
