"""What runs make of rows in evaluation mode: cost and metrics of a split, outputs, activations.

# K runs, N rows, I inputs, B rows that are looked at, O outputs of a layer
"""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from dlx import registry
from dlx.cohort import Cohort
from dlx.data import randomness
from dlx.data.batches import for_each_run, num_rows
from dlx.data.splits import draw
from dlx.data.targets import SharedExamples, Targets, TargetSets
from dlx.nn.counts import CONFUSION, Rows
from dlx.nn.metrics import CORRUPTED, Measurement, tag
from dlx.nn.network import Network
from dlx.nn.passes import Pass

# Fixed, whatever the number of runs, so that a run's metrics have the same bits alone and together.
CHUNK = 1024
_LOOKED_AT = 256  # of the training rows, for the activations of every layer


@torch.no_grad()
def evaluate(cohort: Cohort, inputs: Tensor, targets: Targets) -> dict[str, list[float]]:
    """Return every run's `cost`, and all that is measured of any run of the cohort, on the rows.

    Dropout is off and batch norm uses its running statistics. Inputs are as they are; where runs
    corrupt them in training, cost and metrics are found on corrupted inputs too, under their names
    with `corrupted_` before: the same corruption at every evaluation.

    Args:
        cohort: K runs
        inputs: (N, I), shared by the runs, or (K, N, I)
        targets: as the head encodes them, (N,) or (N, C), each run's own, or sets of them
    """
    values = _measured(cohort, inputs, targets)
    if cohort.network.corruption.present:
        corrupted = _measured(cohort, inputs, targets, corrupted=True)
        values |= {f"{CORRUPTED}{name}": value for name, value in corrupted.items()}
    # In one: on CUDA, taking values over waits for the device.
    return dict(zip(values, torch.stack(list(values.values())).tolist(), strict=True))


def _measured(
    cohort: Cohort, inputs: Tensor, targets: Targets, *, corrupted: bool = False
) -> dict[str, Tensor]:
    """Return cost, metrics and, of inputs as they are, what layers measure, by tag: (K,) each."""
    cost = torch.zeros(cohort.network.num_runs, dtype=torch.float64, device=cohort.device)
    names = () if corrupted else cohort.measures
    measures = {name: torch.zeros_like(cost) for name in names}
    learned, count = _Learned(cohort, targets, own=inputs.ndim == 3), num_rows(inputs)
    for number, x in enumerate(_chunks(cohort.network, inputs)):
        pass_ = Pass(measured={})
        if corrupted:
            pass_ = Pass(batch_size=CHUNK, corrupted_chunk=number)
        z = cohort.network.forward(x, pass_)
        costs = pass_.cost(cohort.head.cost(z, learned.add(z, number * CHUNK)))
        cost += costs.to(torch.float64) * num_rows(x)
        for name, sums in measures.items():
            assert pass_.measured is not None
            sums += pass_.measured[name].to(torch.float64) * num_rows(x)
    means = {name: sums / count for name, sums in measures.items()}
    return {"cost": cost / count, **learned.results(), **means}


def _chunks(network: Network, inputs: Tensor) -> Iterator[Tensor]:
    """Give inputs, (N, I) or (K, N, I), piece by piece as every run sees them: (K, B, I)."""
    for x in inputs.split(CHUNK, -2):
        yield for_each_run(x, network.num_runs, shared=inputs.ndim == 2)


class _Learned:
    """What runs are measured by, chunk by chunk: a metric sees runs of the same targets at once.

    Targets are as the head encodes them; `own` says that a tensor holds each run's own.
    """

    def __init__(self, cohort: Cohort, targets: Targets, *, own: bool) -> None:
        self._targets = targets
        self._own = own
        self._num_runs = cohort.network.num_runs
        self._owners: list[tuple[Tensor, Tensor | None]]
        if isinstance(targets, TargetSets):
            self._owners = list(targets.owners())
        else:
            self._owners = [(targets, None)]
        self._measurements = [Measurement(cohort.head, cohort.metrics) for _ in self._owners]

    def add(self, z: Tensor, start: int) -> Tensor:
        """Take in a chunk, z (K, B, C), and return its targets, (K, B) or (K, B, C)."""
        stop = start + z.shape[1]
        for (targets, runs), measurement in zip(self._owners, self._measurements, strict=True):
            chunk = targets[:, start:stop] if self._own else targets[start:stop]
            measurement.add(z if runs is None else z.index_select(0, runs), chunk)
        if isinstance(self._targets, TargetSets):
            return self._targets.of_runs(start, stop)
        chunk = self._targets[:, start:stop] if self._own else self._targets[start:stop]
        return for_each_run(chunk, self._num_runs, shared=not self._own)

    def results(self) -> dict[str, Tensor]:
        """Return each metric by its tag: (K,) float64."""
        metrics: dict[str, Tensor] = {}
        for (targets, runs), measurement in zip(self._owners, self._measurements, strict=True):
            for name, values in measurement.results(targets).items():
                if runs is None:
                    metrics[name] = values
                else:
                    metrics.setdefault(name, values.new_empty(self._num_runs))[runs] = values
        return metrics


def asked(cohort: Cohort) -> dict[str, list[bool]]:
    """Return which runs ask for what is measured, by tag, in an order that others do not change."""
    order = registry.names("metric")
    tags = map(
        tag, sorted(cohort.metrics, key=lambda metric: (order.index(metric.name), tag(metric)))
    )
    names = ["cost", *tags]
    measured = [set(member.measured) for member in cohort.members]
    possible = [*names, *cohort.measures, *(f"{CORRUPTED}{name}" for name in names)]
    wanted = {name: [name in names for names in measured] for name in possible}
    return {name: asking for name, asking in wanted.items() if any(asking)}


def thinned(examples: SharedExamples, most: int) -> SharedExamples:
    """Return at most so many rows, drawn by class; the same object where there are no more."""
    inputs, targets = examples
    count = num_rows(inputs)
    if count <= most:
        return examples
    # Not at even distances: files may hold their rows in a pattern.
    strata = np.zeros(count, np.int64)
    if isinstance(targets, Tensor) and targets.ndim == 1 and not targets.is_floating_point():
        strata = targets.cpu().numpy()
    order = randomness.generator("evaluated", 0).permutation(count)
    rows = torch.from_numpy(draw(order, strata, most)[0]).to(inputs.device)
    axis = inputs.ndim - 2
    if isinstance(targets, TargetSets):
        return inputs.index_select(axis, rows), targets.thinned(rows)
    return inputs.index_select(axis, rows), targets.index_select(axis, rows)


def evaluate_all(
    cohort: Cohort, splits: Mapping[str, SharedExamples]
) -> dict[str, dict[str, list[float]]]:
    """Return the metrics of every split; splits of the same rows are evaluated once."""
    evaluated: dict[int, dict[str, list[float]]] = {}
    for examples in splits.values():
        if id(examples) not in evaluated:
            evaluated[id(examples)] = evaluate(cohort, *examples)
    return {split: evaluated[id(examples)] for split, examples in splits.items()}


@torch.no_grad()
def confusion(cohort: Cohort, inputs: Tensor, targets: Tensor) -> Tensor:
    """Return every run's number of rows by true class and said class: (K, C, C) int64.

    Of labels that may hold together (K, T, 2, 2), whether each holds and is said to. Inputs are
    (N, I), targets as the head encodes them.
    """
    chunks = zip(_chunks(cohort.network, inputs), targets.split(CHUNK), strict=True)
    return CONFUSION.join(
        [CONFUSION.find(cohort.network.forward(x, Pass()), Rows(cohort.head, t)) for x, t in chunks]
    )


@torch.no_grad()
def predict(cohort: Cohort, inputs: Tensor) -> Tensor:
    """Return every run's outputs, probabilities under softmax or sigmoid: (K, N, C)."""
    outputs = [cohort.network.forward(x, Pass()) for x in _chunks(cohort.network, inputs)]
    return torch.cat([cohort.head.outputs(z) for z in outputs], 1)


@torch.no_grad()
def corrupted(network: Network, inputs: Tensor) -> Tensor:
    """Return every run's inputs (N, I) as `evaluate` corrupts them: (K, N, I), bit for bit."""
    chunks = [
        network.corruption.forward(x, Pass(batch_size=CHUNK, corrupted_chunk=number))
        for number, x in enumerate(_chunks(network, inputs))
    ]
    return torch.cat(chunks, 1)


@torch.no_grad()
def encode(network: Network, inputs: Tensor, layer: str) -> Tensor:
    """Return every run's outputs of a layer, in evaluation mode: (K, N, O).

    Inputs are (N, I), shared by the runs, or (K, N, I). The layer is none inside a block.
    """
    return torch.cat([network.encode(x, layer) for x in _chunks(network, inputs)], 1)


@torch.no_grad()
def decode(cohort: Cohort, codes: Tensor, layer: str) -> Tensor:
    """Return every run's outputs, given those of a layer: (K, N, O) to (K, N, C).

    `predict` is this after `encode`, bit for bit.
    """
    chunks = [cohort.network.decode(values, layer) for values in codes.split(CHUNK, 1)]
    return torch.cat([cohort.head.outputs(z) for z in chunks], 1)


@torch.no_grad()
def activations(network: Network, inputs: Tensor) -> dict[str, Tensor]:
    """Return every layer's outputs (K, B, O) on the first rows of (N, I), in evaluation mode."""
    rows = inputs[:_LOOKED_AT]
    pass_ = Pass(activations={})
    network.forward(rows.expand(network.num_runs, *rows.shape), pass_)
    return pass_.activations or {}


def activation_statistics(outputs: Mapping[str, Tensor]) -> dict[str, list[float]]:
    """Return mean and standard deviation of each layer's outputs, and the share of dead units.

    A unit is dead that gives all rows the same output, as a ReLU does that is always at zero.
    Outputs are (K, B, O) each; a tag has a value for each run.
    """
    statistics: dict[str, list[float]] = {}
    for layer, of_runs in outputs.items():
        # A run at a time: sums over a part of a tensor would depend on the runs beside it.
        moments = [torch.std_mean(values, correction=0) for values in of_runs]
        dead = (of_runs.amax(1) == of_runs.amin(1)).to(of_runs.dtype)
        statistics[f"activation_mean/{layer}"] = [mean.item() for _, mean in moments]
        statistics[f"activation_std/{layer}"] = [std.item() for std, _ in moments]
        statistics[f"activation_dead/{layer}"] = [share.mean().item() for share in dead]
    return statistics
